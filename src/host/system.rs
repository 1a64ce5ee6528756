//! The real host, of either kind: files, programs, the environment.

mod by_commands;
mod file_fact;
mod process_table;

use super::boot_plan::{BootPlan, Load, PlanSetting, PrivateFile};
use super::download::Fetcher;
use super::environment::{self, env};
use super::files::{self, WHOLE, fill, fill_as, fill_with, io_fault, make_folder, remove, replace, truncate};
use super::folder::{self, Keeps};
use super::foreign_process::ForeignProcess;
use super::helper::{HelperProcess, HelperStart};
use super::helpers::Helpers;
use super::host_key;
use super::interfaces::marks::Maker;
use super::kvm::Kvm;
use super::os::{self, freebsd, linux};
use super::program::{self, Chain, PendingCommand, Program, run};
use super::rights::rights;
use super::seat::Seat;
use super::signals::Signals;
use super::store::Store;
use super::worlds::rehearsal::Rehearsal;
use super::{
    Capacity, Effect, Effects, Facts, FileFact, Guest, Guests, Host, Interface, Platform, ProcessTable, Rights,
    Settings, Tell, commands, interfaces, kernel, log, marks,
};
use crate::diag::Fault;
use crate::model::{Argv, Fetch, Helper, Machine, Secret, Size, VmName};
use by_commands::is_done_already;
use nix::poll::{PollTimeout, poll};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Facts that are being read before there is anybody to ask for them.
#[derive(Default)]
pub(crate) struct Prefetch(Option<Program>);

impl Prefetch {
    /// Begins to read the interfaces: a command takes as long as parsing a recipe and giving it its words. Where it cannot be
    /// started the one who asks is told.
    pub(crate) fn interfaces(platform: Platform) -> Self {
        Self((platform == Platform::FreeBsd).then(|| Program::start(&interfaces::question(platform)).ok()).flatten())
    }
}

/// How often it is looked again whether an address is taken, and how many milliseconds lie between.
const GLANCES: usize = 3;
const GLANCE_MS: u8 = 5;

/// This host.
pub(crate) struct System {
    settings: Settings,
    pub(crate) signals: Rc<Signals>,
    interfaces: RefCell<Option<Rc<[Interface]>>>,
    /// The command that reads the interfaces, when it was started before they were needed.
    prefetch: RefCell<Option<Program>>,
    /// Changes that are on their way.
    begun: Vec<(Effect, PendingCommand)>,
    found: RefCell<BTreeMap<String, bool>>,
    hardware: OnceCell<(Option<u64>, Option<Size>)>,
    store: Store,
    /// Who makes interfaces: the run of a machine, once that was reserved.
    maker: Option<Maker>,
    /// What new files lack, if a run said so.
    umask: u32,
    /// The log that our output goes into.
    log: Option<PathBuf>,
    /// The folder in which commands of the recipe are run.
    folder: Option<PathBuf>,
    /// The helpers of machines that run here.
    helpers: Helpers,
}

impl System {
    /// Opens the door; with it comes what was asked before.
    pub(crate) fn new(settings: Settings, prefetch: Prefetch) -> Result<Self, Fault> {
        // What stands there is believed.
        folder::against(&settings.state, Keeps::State).map_or(Ok(()), Err)?;
        let store = Store::new(settings.clone());
        Ok(Self {
            settings,
            signals: Signals::install()?,
            interfaces: RefCell::default(),
            prefetch: RefCell::new(prefetch.0),
            begun: Vec::new(),
            found: RefCell::default(),
            hardware: OnceCell::new(),
            store,
            maker: None,
            umask: 0,
            log: None,
            folder: None,
            helpers: Helpers::default(),
        })
    }

    /// Reads the interfaces, by the command that was started before they were needed if there is one.
    fn read_interfaces(&self) -> Result<Vec<Interface>, Fault> {
        self.hurry();
        marks::read(self, &|argv| {
            let prefetch = self.prefetch.borrow_mut().take();
            prefetch.map_or_else(|| run(argv), Program::finish)
        })
    }

    /// Takes hold of a process that is none of our children, so that nothing else is meant by its number; nothing if there is none.
    pub(crate) fn hold_process(&self, pid: u32) -> Result<Option<ForeignProcess>, Fault> {
        match ForeignProcess::of(pid, self.signals.clone(), None) {
            Ok(process) => Ok(Some(process)),
            Err(_) if kernel::process(pid).is_none() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Begins what was left for whoever waits for it: he has something else to do.
    fn hurry(&self) {
        self.begun.iter().for_each(|(_, command)| command.hurry());
    }

    /// A tap joins its bridge once it is there.
    fn pending_for(&self, effect: &Effect) -> Option<PendingCommand> {
        let Effect::Join { member, .. } = effect else { return None };
        let made = |begun: &Effect| begun.made_tap() == Some(member);
        self.begun.iter().find(|(begun, _)| made(begun)).map(|(_, command)| command.clone())
    }

    /// Shows what is done without a command, as the command that does the same. A program shows itself when it is started.
    fn show(&self, effect: &Effect) {
        if effect.is_done_without_a_command() {
            let steps = commands::commands(self.settings.platform, self.maker.as_ref(), effect);
            steps.iter().for_each(|step| tracing::debug!("{step}"));
        }
    }

    /// Returns the commands of an effect, and what the programs that run them hold until they end: the lock of the machine.
    fn chains(&self, effect: &Effect) -> (Vec<Chain>, Option<File>) {
        let mut chains = commands::chains(self.settings.platform, self.maker.as_ref(), effect);
        // A command of the recipe may leave something behind that goes on for ever.
        let is_ours = !matches!(effect, Effect::Run(_) | Effect::Make { .. });
        if !is_ours {
            chains.iter_mut().for_each(|chain| chain.folder.clone_from(&self.folder));
        }
        let lock = self.maker.as_ref().filter(|_| is_ours).and_then(|maker| self.store.lock_of(&maker.machine));
        (chains, lock.and_then(|lock| lock.try_clone().ok()))
    }

    /// Has commands of the recipe run in a folder.
    pub(crate) fn work_in(&mut self, folder: Option<&Path>) {
        self.folder = folder.map(Into::into);
    }

    /// Has what machines say go where ours goes, which is a log, and has their guests go on without us.
    pub(crate) fn in_background(&mut self, log: &Path) {
        self.log = Some(log.into());
    }
}

impl Facts for System {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn is_assumed(&self) -> bool {
        false
    }

    fn file(&self, path: &Path) -> Option<FileFact> {
        file_fact::fact(path)
    }

    fn real(&self, path: &Path) -> PathBuf {
        file_fact::real(path)
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, Fault> {
        files::read(path, most).map_err(io_fault("read", path))
    }

    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault> {
        if let Some(known) = &*self.interfaces.borrow() {
            return Ok(known.clone());
        }
        let read: Rc<[Interface]> = self.read_interfaces()?.into();
        *self.interfaces.borrow_mut() = Some(read.clone());
        Ok(read)
    }

    fn interfaces_anew(&self) -> Result<Rc<[Interface]>, Fault> {
        *self.interfaces.borrow_mut() = None;
        self.interfaces()
    }

    fn hostname(&self) -> String {
        nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn env(&self, name: &str) -> Option<String> {
        env(name)
    }

    /// On FreeBSD the kernel is asked only where the processors and memory that are here would not do: usually they do, and
    /// a command costs a millisecond. Its limit of vCPUs is the number of processors unless somebody set it (hw.vmm.maxcpu).
    fn capacity(&self, cpus: u64, memory: Size) -> Capacity {
        let (processors, physical) = *self.hardware.get_or_init(os::hardware);
        let mut capacity = Capacity { cpus: processors, memory: physical, vcpus: None };
        match self.settings.platform {
            Platform::Linux => capacity.vcpus = Some(crate::qemu::Q35_CPUS),
            Platform::FreeBsd => {
                let sysctl = |name| kernel::sysctl(&run, name);
                if capacity.cpus.is_none_or(|here| cpus > here) {
                    capacity.vcpus = sysctl("hw.vmm.maxcpu");
                    capacity.cpus = sysctl("hw.ncpu");
                }
                if capacity.memory.is_none_or(|here| memory > here) {
                    capacity.memory = sysctl("hw.physmem").map(Size::bytes).or(capacity.memory);
                }
            }
        }
        capacity
    }

    /// Another run that looks at the same moment is not somebody who listens: whoever does is there a little later too.
    fn is_taken(&self, seat: &Seat) -> bool {
        let pause = || poll(&mut [], PollTimeout::from(GLANCE_MS)).is_ok();
        seat.is_taken() && (0..GLANCES).all(|_| pause() && seat.is_taken())
    }

    fn has_program(&self, name: &str) -> bool {
        *self.found.borrow_mut().entry(name.into()).or_insert_with(|| program::find(name).is_some())
    }

    fn rights(&self) -> Rights {
        rights(self.settings.platform, self.settings.target, &self.settings.nodes)
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        if let Some(text) = environment::secret(name) {
            return Ok(Some(Secret::new(text)));
        }
        let path = self.settings.config.join("secrets").join(name);
        let Ok(meta) = std::fs::metadata(&path) else { return Ok(None) };
        if meta.mode() & 0o077 != 0 {
            let fault = Fault::host(format!("{} can be read by others", path.display()));
            return Err(fault.hint(Argv::new("chmod").arg("0600").arg(path.display()).to_string()));
        }
        let text = files::read_text(&path).map_err(io_fault("read", &path))?;
        Ok(Some(Secret::new(text.trim_end_matches(['\n', '\r']))))
    }

    fn query(&self, argv: &Argv) -> Result<String, Fault> {
        let chain = Chain { folder: self.folder.clone(), ..argv.clone().into() };
        Program::run(&chain, None)
    }
}

impl Effects for System {
    fn perform(&mut self, effect: &Effect) -> Result<String, Fault> {
        self.hurry();
        self.show(effect);
        match effect {
            Effect::Umask(mask) => {
                let mode = nix::libc::mode_t::try_from(*mask).unwrap_or(0o026);
                nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mode));
                self.umask = *mask;
                return Ok(String::new());
            }
            Effect::Truncate { path, size } => return truncate(path, *size).map(|()| String::new()),
            Effect::WriteImage { path, image, mode, .. } => {
                return replace(path, |file| fill_with(file, image, *mode)).map(|()| String::new());
            }
            Effect::WriteFile { path, text, mode } => {
                return replace(path, |file| fill_as(file, text, *mode)).map(|()| String::new());
            }
            Effect::MakeHostKey(path) => return host_key::make(path).map(|()| String::new()),
            Effect::CopyVars { from, to } => {
                let bytes = self.read(from.as_path(), WHOLE)?;
                return replace(to.as_path(), |file| fill(file, &bytes)).map(|()| String::new());
            }
            Effect::Disk(change) => {
                if let Some(done) = change.perform() {
                    return done.map(|()| String::new());
                }
            }
            Effect::Fetch(fetch) => return self.fetch(fetch, &mut |_| ()).map(|()| String::new()),
            Effect::StartHelper(start) => {
                self.start_helper(start)?;
                return self.release_helper(&start.helper, true).map(|()| String::new());
            }
            Effect::IscsiLogout(session) => return self.log_out(effect, session),
            Effect::EndHelper(end) => return self.helpers.end(end, self.signals.clone()).map(|()| String::new()),
            Effect::DestroyNode(_)
            | Effect::DestroyTap(_)
            | Effect::Join { .. }
            | Effect::Leave { .. }
            | Effect::AddRoute(_)
            | Effect::CreateJail { .. }
            | Effect::RemoveJail(_)
            | Effect::MakeCgroup(_)
            | Effect::RemoveCgroup(_)
            | Effect::IscsiLogin(_)
            | Effect::DeleteRoute(_)
            | Effect::Run(_)
            | Effect::Make { .. } => {}
            // They may bring addresses, or take some away, and members.
            Effect::CreateLink(_)
            | Effect::DestroyLink(_)
            | Effect::Lend { .. }
            | Effect::Reclaim { .. }
            | Effect::CreateInner(_)
            | Effect::DestroyInner(_) => drop(self.interfaces.take()),
        }
        self.by_commands(effect)
    }

    fn fetch(&mut self, fetch: &Fetch, tell: Tell<'_>) -> Result<(), Fault> {
        Fetcher::new(self.settings.platform, Some(&self.signals)).fetch(fetch, tell)
    }

    fn begin(&mut self, effect: &Effect) -> Result<(), Fault> {
        let (chains, lock) = self.chains(effect);
        match chains.as_slice() {
            [chain] => {
                let stands_on = self.pending_for(effect);
                if stands_on.is_none() {
                    self.hurry();
                }
                self.begun.push((effect.clone(), PendingCommand::new(chain.clone(), lock, stands_on)));
            }
            _ => drop(self.perform(effect)?),
        }
        Ok(())
    }

    fn settle(&mut self, meant: fn(&Effect) -> bool) -> Vec<(Effect, Fault)> {
        let meant: Vec<(Effect, PendingCommand)> = self.begun.extract_if(.., |(effect, _)| meant(effect)).collect();
        // Who waits runs one of them, the last; they are told of in the order in which they were begun.
        if let Some(((_, last), others)) = meant.split_last() {
            others.iter().for_each(|(_, command)| command.hurry());
            last.wait();
        }
        let platform = self.settings.platform;
        let fault = |effect: &Effect, command: PendingCommand| {
            Some(commands::explained(platform, effect, command.finish().err()?))
        };
        let faults = meant.into_iter().filter_map(|(effect, command)| Some((fault(&effect, command)?, effect)));
        let faults = faults.map(|(fault, effect)| (effect, fault));
        faults.filter(|(effect, fault)| !is_done_already(effect, fault)).collect()
    }

    fn mark(&mut self, name: &VmName) {
        self.maker = Some(marks::maker(self, name.clone()));
    }

    fn remove(&mut self, path: &Path) -> Result<(), Fault> {
        remove(path)
    }

    fn has_reflinks(&self, path: &Path) -> Result<bool, Fault> {
        super::reflink::has_reflinks(path)
    }
}

impl Guests for System {
    fn kvm(&self) -> Kvm {
        Kvm::look()
    }

    fn boot_plan(&self, machine: &Machine) -> Result<BootPlan, Fault> {
        let kvm = self.settings.platform == Platform::Linux && self.kvm() == Kvm::Usable;
        BootPlan::on(self, machine, &PlanSetting { kvm, log: self.log.as_deref(), ..PlanSetting::of(&self.settings) })
    }

    fn prepare(&mut self, plan: &BootPlan) -> Result<(), Fault> {
        plan.preparations().iter().for_each(|step| tracing::debug!("{step}"));
        plan.folders.iter().try_for_each(|folder| make_folder(&folder.path, folder.mode))?;
        plan.stale.iter().try_for_each(|path| remove(path))?;
        plan.files.iter().try_for_each(PrivateFile::make)
    }

    fn load(&mut self, machine: &Machine, load: &Load) -> Result<(), Fault> {
        self.hurry();
        tracing::debug!("{}", load.step);
        self.store.pass_images_on(true);
        let done = freebsd::load(machine, load, self.signals.clone(), self.log.as_deref());
        self.store.pass_images_on(false);
        done
    }

    fn boot(&mut self, machine: &Machine, plan: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        self.hurry();
        files::halves::clear_images(machine);
        tracing::debug!("{}", plan.argv);
        self.store.pass_images_on(true);
        let (signals, log) = (self.signals.clone(), self.log.as_deref());
        let guest = match self.settings.platform {
            Platform::FreeBsd => freebsd::boot(machine, plan, signals, log),
            Platform::Linux => linux::boot(&self.settings, machine, plan, signals, log, self.umask),
        };
        self.store.pass_images_on(false);
        guest
    }

    fn adopt(&mut self, name: &VmName, pid: u32) -> Result<Box<dyn Guest>, Fault> {
        let (signals, log) = (self.signals.clone(), self.log.as_deref());
        let guest = match self.settings.platform {
            Platform::FreeBsd => freebsd::adopt(name, pid, signals, log),
            Platform::Linux => linux::adopt(&self.settings, name, pid, signals, log),
        }?;
        // Until it was held another one may have got its number.
        let is_its = process_table::is_of(&self.settings, pid, name);
        let gone = || Fault::host(format!("the guest of {name}, process {pid}, has ended just now"));
        if is_its { Ok(guest) } else { Err(gone().hint(format!("`vmrun start {name}` starts it"))) }
    }

    fn end_guest(&mut self, name: &VmName, pid: u32, within: Duration) -> Result<(), Fault> {
        let Some(mut guest) = self.hold_process(pid)? else { return Ok(()) };
        if !process_table::is_of(&self.settings, pid, name) {
            return Ok(());
        }
        match self.settings.platform {
            Platform::FreeBsd => freebsd::end(name, pid, &mut guest, within),
            Platform::Linux => linux::end(&self.settings.machine_folder(name), pid, &mut guest, within),
        }
    }

    fn start_helper(&mut self, start: &HelperStart) -> Result<Option<HelperProcess>, Fault> {
        self.hurry();
        tracing::debug!("{}", start.argv);
        self.helpers.start(start, self.folder.as_deref(), self.signals.clone(), self.log.as_deref()).map(Some)
    }

    fn release_helper(&mut self, helper: &Helper, is_waited: bool) -> Result<(), Fault> {
        self.helpers.release(helper, &self.signals, is_waited)
    }

    fn adopt_helper(&mut self, name: &str, process: &HelperProcess) -> bool {
        self.helpers.adopt(name, process, self.signals.clone())
    }

    fn helper_ended(&mut self, name: &str) -> Option<String> {
        self.helpers.ended(name)
    }

    fn rotate_log(&mut self) -> Option<u64> {
        let log = self.log.as_ref()?;
        let is_anew = log::rotate(log, log::LOG_MAX);
        Some(if is_anew { 0 } else { std::fs::metadata(log).map_or(0, |meta| meta.len()) })
    }

    fn rest(&mut self, wait: Duration) -> bool {
        self.signals.stop_within(wait)
    }

    fn stop_asked(&self) -> bool {
        self.signals.take_stop()
    }
}

impl Host for System {
    fn processes(&self) -> &dyn ProcessTable {
        self
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    fn rehearsal(&self) -> Option<&Rehearsal> {
        None
    }

    fn rehearsal_mut(&mut self) -> Option<&mut Rehearsal> {
        None
    }

    fn into_below(self: Box<Self>) -> Box<dyn Host> {
        self
    }
}
