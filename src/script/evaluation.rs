//! What belongs to one evaluation: what it is given, what its words share, and what comes of it.

use super::allowance::Allowance;
use super::bounds::Bounds;
use super::origin::{Origin, Whole};
use super::raise::{Raised, Site};
use super::source::Sources;
use super::words::BeforeInit;
use super::words::hooks::{Due, Hook};
use super::{REHEARSAL, cycles, handle, idle};
use crate::diag::{Diagnostic, Fault, Place};
use crate::host::Effect;
use crate::model::permit::Permit;
use crate::model::{Ended, InterfaceName, Machine, VmName};
use crate::netboot::NetbootOptions;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use rhai::FnPtr;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// What a recipe can ask of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Whether this boot initializes the machine.
    pub init: bool,
    /// The parameters of the command line.
    pub params: BTreeMap<String, String>,
    /// Where paths begin.
    pub origin: Origin,
    /// Who has the recipe, where that is somebody else than who runs it, and not root.
    pub owner: Option<String>,
    /// Whether a plan runs no command of the recipe that only asks.
    pub asks_nothing: bool,
    /// What the command line says that the machine needs to run.
    pub permit: Option<Permit>,
    /// Which host it says is proved to be fenced.
    pub fenced: Option<String>,
}

/// What the words of one evaluation share.
pub(crate) struct EvaluationContext {
    /// The run, while an evaluation lasts.
    pub(super) run: Option<Run>,
    /// What the recipe can ask.
    pub inputs: Inputs,
    /// What this evaluation is for; nothing when it is the real thing.
    pub rehearsal: Option<Purpose>,
    /// What is to be said though it stops nothing.
    pub warnings: Vec<Diagnostic>,
    /// What the recipe printed while it was rehearsed.
    pub(super) printed: Vec<String>,
    /// What is known about the way in which the last boot failed, and where.
    pub blamed: Option<Diagnostic>,
    /// What was begun and left to itself, and the calls that began it.
    pub begun: Vec<(Effect, Site)>,
    /// What was said of installs, and where.
    pub installs: Vec<(NetbootOptions, Site)>,
    /// The machines that the recipe's starts after, and where that was said.
    pub afters: Vec<(VmName, Site)>,
    /// The pairs that got a name in this evaluation.
    pub pairs: Vec<InterfaceName>,
    /// The closures that wait for the end of a boot.
    pub hooks: Vec<Hook>,
    /// Those of them that are to be called now.
    pub due: Vec<Due>,
    /// What went wrong beside what the evaluation ended with.
    #[expect(clippy::vec_box, reason = "Rhai's errors travel boxed")]
    pub also: Vec<Box<rhai::EvalAltResult>>,
    /// What the recipe left to be done at its end, first to last.
    pub defers: Vec<FnPtr>,
    /// Which effects of a plan were asked for where: the first of them, and the call.
    pub(super) places: Vec<(usize, Site)>,
    /// How many operations the evaluation took.
    pub(super) spent: Rc<Cell<u64>>,
    /// How long a rehearsal may take.
    pub(super) patience: Duration,
    /// How much processor time it may take, beside that of words.
    pub(super) effort: Duration,
    /// What the evaluation may take.
    pub(super) bounds: Bounds,
    /// What its closures share.
    pub(super) cells: cycles::Cells,
    /// How many actions it has asked for.
    pub(super) actions: usize,
    /// What libraries may do.
    pub allowance: Allowance,
    /// Whether what is printed is kept.
    pub(super) is_heard: bool,
    /// The parameters that the recipe asked for.
    pub asked: Vec<Wanted>,
    /// The instances that the recipe has, if it is of several machines.
    pub instances: Vec<String>,
    /// Whether the recipe asked how a boot ended, or wants to hear of every end: after another it may do something else.
    pub asks_end: bool,
    /// The machines that were described, and those that were booted.
    pub(crate) machines: idle::Machines,
    /// What is kept before a boot with `init`.
    pub(crate) before_init: BeforeInit,
    /// The machines that were booted and the calls that made them; noted for a check alone.
    pub booted: Vec<Booted>,
    /// The recipe and its modules.
    pub sources: Rc<Sources>,
}

/// A parameter that a recipe asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The parameter's name, as `--set` has it.
    pub name: String,
    /// Whether it has a default.
    pub has_default: bool,
    /// The ends of what it may be, or all that it may be, as `--set` gives them; empty where nothing was declared.
    pub extremes: Vec<String>,
}

/// A machine that was booted in a rehearsal, as it was then.
pub(crate) struct Booted {
    /// What was known of it, with the calls that made its parts.
    pub state: handle::VmState,
    /// The machine that was checked, as a boot has it.
    pub machine: Machine,
}

/// What the words share, for as long as one evaluation lasts.
pub(crate) type SharedContext = Rc<RefCell<EvaluationContext>>;

impl EvaluationContext {
    /// Lets the evaluation have more memory: what a file has that it reads.
    pub(crate) fn holds(&mut self, bytes: usize) {
        self.bounds.hold(bytes as u64);
    }

    /// Returns a path of the recipe from the root on, and notes the parameter that it was made of.
    pub(crate) fn whole(&mut self, text: &str) -> String {
        let Whole { path, given } = self.inputs.origin.whole(text, &self.inputs.params);
        if let Some((name, value)) = given {
            self.run().given.insert(name, value);
        }
        path
    }

    /// Notes which call asked for what a plan holds from here on.
    pub(crate) fn asks(&mut self, site: &Site) {
        if self.rehearsal == Some(Purpose::Plan) {
            let first = self.run().rehearsed().len();
            self.places.push((first, site.clone()));
        }
    }

    pub(super) fn new(sources: Rc<Sources>) -> Self {
        let (warnings, defers, hooks, due) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (printed, begun, installs, pairs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            run: None,
            inputs: Inputs::default(),
            rehearsal: None,
            warnings,
            printed,
            blamed: None,
            begun,
            installs,
            afters: Vec::new(),
            pairs,
            hooks,
            due,
            also: Vec::new(),
            defers,
            places: Vec::new(),
            spent: Rc::default(),
            patience: REHEARSAL,
            effort: super::bounds::PROCESSOR,
            bounds: Bounds::begin(),
            cells: cycles::Cells::default(),
            actions: 0,
            allowance: Allowance::default(),
            is_heard: false,
            asked: Vec::new(),
            instances: Vec::new(),
            asks_end: false,
            machines: idle::Machines::default(),
            before_init: BeforeInit::default(),
            booted: Vec::new(),
            sources,
        }
    }

    pub(super) fn begin(&mut self, mut run: Run, inputs: &Inputs, rehearsal: Option<Purpose>) {
        run.helpers.declared.clear();
        run.permit.wanted.clone_from(&inputs.permit);
        run.permit.fenced.clone_from(&inputs.fenced);
        self.run = Some(run);
        self.inputs = inputs.clone();
        self.rehearsal = rehearsal;
        self.begun.clear();
        self.hooks.clear();
        self.due.clear();
        self.pairs.clear();
        self.installs.clear();
        self.afters.clear();
        self.allowance.begin();
        self.places.clear();
        self.spent.set(0);
        self.bounds = Bounds::begin();
        self.actions = 0;
        self.asked.clear();
        self.instances.clear();
        self.asks_end = false;
        self.machines = idle::Machines::default();
        self.before_init = BeforeInit::default();
        self.booted.clear();
    }

    /// Raises a fault of the run, at the call that began what it is about where that was an earlier one.
    pub(crate) fn raised(&mut self, fault: Fault) -> Raised {
        let late = self.run().take_late();
        let site = late.and_then(|effect| self.begun.iter().rfind(|(begun, _)| *begun == effect));
        let raised = Raised::from(fault);
        match site {
            Some((_, site)) => raised.at(site),
            None => raised,
        }
    }

    /// Returns the run. Words are called only while an evaluation lasts.
    pub(crate) fn run(&mut self) -> &mut Run {
        match &mut self.run {
            Some(run) => run,
            None => unreachable!("a word outlived its evaluation"),
        }
    }
}

/// What came out of an evaluation.
pub(crate) struct Evaluated {
    /// The run, with what it has taken.
    pub run: Run,
    /// What the recipe printed, if this was a rehearsal; what it prints in earnest is printed at once.
    pub printed: Vec<String>,
    /// What is to be said.
    pub warnings: Vec<Diagnostic>,
    /// What was wrong.
    pub faults: Vec<Diagnostic>,
    /// What is known about the way in which the last boot failed, and where.
    pub blamed: Option<Diagnostic>,
    /// The ends of boots that the recipe wants to hear of.
    pub heard: Vec<Ended>,
    /// What was begun and left to itself, or all that a network is made of, and the calls.
    pub calls: Vec<(Effect, Site)>,
    /// What was said of installs, and where.
    pub installs: Vec<(NetbootOptions, Site)>,
    /// The machines that the recipe's starts after, and where that was said.
    pub afters: Vec<(VmName, Site)>,
    /// Of a plan, from which of its steps on which call asked for them.
    pub places: Vec<(usize, Place)>,
    /// The parameters that the recipe asked for.
    pub asked: Vec<Wanted>,
    /// The instances that the recipe has.
    pub instances: Vec<String>,
    /// Whether it asked how a boot ended, or wants to hear of every end.
    pub asks_end: bool,
    /// The machines that were booted, if this was for a check.
    pub booted: Vec<Booted>,
}
