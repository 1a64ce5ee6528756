//! The machines of this host while somebody watches them: what has changed between two looks, and what keys do. Nothing is drawn here.

mod order;

use super::inventory::{Entry, EntryState, MachineStatus};
use super::machines::machines;
use super::status::{Thread, threads};
use crate::diag::Fault;
use crate::host::environment::host_name;
use crate::host::full_screen::{FullScreen, Woken};
pub(crate) use order::Order;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How often it is looked at most.
const SHORTEST: Duration = Duration::from_secs(1);

/// How many looks are kept.
const KEPT: usize = 120;

/// Looks at the machines of this host that often, has them drawn on the terminal, and does what keys ask for, until somebody leaves.
pub(crate) fn watch(every: Duration, draw: &dyn Fn(&Overview, &mut Frame<'_>)) -> Result<(), Fault> {
    let mut overview = Overview::new(host_name().unwrap_or_default());
    let mut screen = FullScreen::open()?;
    let mut next = Instant::now();
    loop {
        if Instant::now() >= next {
            overview.look(machines()?, Instant::now());
            let threads = overview.chosen_process().map_or_else(|| Ok(Vec::new()), threads)?;
            overview.look_at_threads(threads, Instant::now());
            next = Instant::now() + every.max(SHORTEST);
        }
        screen.draw(|frame| draw(&overview, frame))?;
        match screen.wait(next)? {
            Woken::Key(key) => match overview.press(key) {
                Act::Nothing => {}
                Act::Leave => return Ok(()),
                Act::Run(words) => {
                    screen.leave_for(&words)?;
                    next = Instant::now();
                }
            },
            Woken::StopAsked => return Ok(()),
            Woken::TimeOver => {}
        }
    }
}

/// The effect of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Another picture, at most.
    Nothing,
    /// The view is over.
    Leave,
    /// To run vmrun with these words, in the place of the view.
    Run(Vec<String>),
}

/// The meaning of keys at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A machine is chosen.
    Choose,
    /// The filter is written.
    Filter,
    /// Whether the machine is stopped is answered.
    Stop,
}

/// The processor time of processes or threads when they were looked at last.
type Used = BTreeMap<u32, (Instant, Duration)>;

/// The machines as they were seen until now, and which of them are shown and chosen.
pub(crate) struct Overview {
    /// The name of this host.
    pub host: String,
    /// Every machine.
    pub all: Vec<Entry>,
    /// How much of a processor each hypervisor uses, in thousandths, oldest first.
    shares: BTreeMap<u32, VecDeque<u64>>,
    used: Used,
    threads: Vec<Thread>,
    threads_of: Option<u32>,
    threads_used: Used,
    chosen: Option<String>,
    /// The order of the machines.
    pub order: Order,
    /// The text that a machine that is shown has.
    pub filter: String,
    /// The meaning of keys.
    pub mode: Mode,
    /// The answer to the last key, or nothing.
    pub notice: String,
}

impl Overview {
    /// Makes one that has seen nothing yet.
    pub(crate) fn new(host: String) -> Self {
        Self {
            host,
            all: Vec::new(),
            shares: BTreeMap::new(),
            used: Used::new(),
            threads: Vec::new(),
            threads_of: None,
            threads_used: Used::new(),
            chosen: None,
            order: Order::Name,
            filter: String::new(),
            mode: Mode::Choose,
            notice: String::new(),
        }
    }

    /// Takes the machines as they are now.
    pub(crate) fn look(&mut self, all: Vec<Entry>, now: Instant) {
        let mut used = Used::new();
        for process in all.iter().filter_map(|one| one.process.as_ref()) {
            let share = share(&self.used, process.pid, process.used, process.cpu, now);
            used.extend(process.used.map(|time| (process.pid, (now, time))));
            let shares = self.shares.entry(process.pid).or_default();
            shares.push_back(share);
            if shares.len() > KEPT {
                shares.pop_front();
            }
        }
        let lives = |pid: &u32| all.iter().any(|one| one.process.as_ref().is_some_and(|process| process.pid == *pid));
        self.shares.retain(|pid, _| lives(pid));
        self.used = used;
        self.all = all;
        let shown = self.shown();
        if !shown.iter().any(|one| self.is_chosen(one)) {
            self.chosen = shown.first().map(|one| key(one));
        }
    }

    /// Takes the threads of the machine that is chosen.
    pub(crate) fn look_at_threads(&mut self, mut threads: Vec<Thread>, now: Instant) {
        let mut used = Used::new();
        for thread in &mut threads {
            let share = share(&self.threads_used, thread.id, thread.used, thread.cpu.unwrap_or_default(), now);
            thread.cpu = thread.cpu.map(|_| share);
            used.extend(thread.used.map(|time| (thread.id, (now, time))));
        }
        threads.sort_by_key(|thread| (thread.work(), thread.id));
        (self.threads, self.threads_of, self.threads_used) = (threads, self.chosen_process(), used);
    }

    /// Returns the hypervisor of the machine that is chosen.
    pub(crate) fn chosen_process(&self) -> Option<u32> {
        self.chosen()?.process.as_ref().map(|process| process.pid)
    }

    /// Returns the machine that is chosen.
    pub(crate) fn chosen(&self) -> Option<&Entry> {
        self.all.iter().find(|one| self.is_chosen(one))
    }

    /// Returns the machines that the filter lets through, in order.
    pub(crate) fn shown(&self) -> Vec<&Entry> {
        let wanted = self.filter.to_lowercase();
        let has = |one: &&Entry| {
            let texts = [one.name.as_deref(), Some(one.state.word()), one.recipe.as_deref()];
            texts.iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
        };
        let mut shown: Vec<&Entry> = self.all.iter().filter(has).collect();
        match self.order {
            Order::Name => {}
            Order::Cpu => shown.sort_by_key(|one| Reverse(self.share(one))),
            Order::Memory => shown.sort_by_key(|one| Reverse(one.shape.memory)),
            Order::Uptime => shown.sort_by_key(|one| Reverse(one.process.as_ref().map(|process| process.uptime))),
        }
        shown
    }

    /// Returns the share of a processor that a machine's hypervisor uses, in thousandths.
    pub(crate) fn share(&self, one: &Entry) -> Option<u64> {
        self.shares.get(&one.process.as_ref()?.pid)?.back().copied()
    }

    /// Does what a key asks for.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Act {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Act::Leave;
        }
        self.notice.clear();
        match self.mode {
            Mode::Choose => self.choose(key.code),
            Mode::Filter => {
                self.write(key.code);
                Act::Nothing
            }
            Mode::Stop => {
                self.mode = Mode::Choose;
                let name = self.chosen().and_then(|one| one.name.clone()).filter(|_| key.code == KeyCode::Char('y'));
                name.map_or(Act::Nothing, |name| Act::Run(vec!["stop".into(), name]))
            }
        }
    }

    fn choose(&mut self, code: KeyCode) -> Act {
        match code {
            KeyCode::Char('q') => return Act::Leave,
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Char('o') => self.order = self.order.next(),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char(letter @ ('l' | 'v' | 'p' | 's')) => return self.about(letter),
            _ => {}
        }
        Act::Nothing
    }

    /// Does something about the machine that is chosen.
    fn about(&mut self, letter: char) -> Act {
        let Some(one) = self.chosen() else { return Act::Nothing };
        let name = one.name.clone().unwrap_or_default();
        let is_foreign = one.state == EntryState::Foreign;
        let run = |words: &[&str]| Act::Run(words.iter().map(ToString::to_string).collect());
        match (letter, &one.recipe) {
            (_, _) if is_foreign => self.notice = format!("{name} was not started by vmrun"),
            ('s', _) => self.mode = Mode::Stop,
            ('l', _) if one.status.is_some() => return run(&["logs", "--follow", &name]),
            ('l', _) => self.notice = format!("{name} does not run in the background: it has no log"),
            (_, None) => self.notice = format!("the recipe of {name} is not known"),
            ('v', Some(recipe)) => match one.shape.vnc.map(|address| address.ip()) {
                Some(ip) => {
                    // By its name it is found with what it was started with.
                    let wanted = if one.status.is_some() { &name } else { recipe };
                    let ip = if ip.is_unspecified() { "127.0.0.1".into() } else { ip.to_string() };
                    return run(&["vnc", wanted, "--hosts", &ip]);
                }
                None => self.notice = format!("no screen of {name} is known"),
            },
            (_, Some(recipe)) => return Act::Run(plan(recipe, one.status.as_ref())),
        }
        Act::Nothing
    }

    fn step(&mut self, by: isize) {
        let keys: Vec<String> = self.shown().iter().map(|one| key(one)).collect();
        let at = keys.iter().position(|key| Some(key) == self.chosen.as_ref()).unwrap_or_default();
        let to = at.saturating_add_signed(by).min(keys.len().saturating_sub(1));
        self.chosen = keys.get(to).cloned();
    }

    fn write(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.mode = Mode::Choose,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Choose;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) => self.filter.push(c),
            _ => {}
        }
        self.step(0);
    }

    /// Returns whether a machine is the one that is chosen.
    pub(crate) fn is_chosen(&self, one: &Entry) -> bool {
        Some(key(one)) == self.chosen
    }

    /// Returns the shares of a processor that a machine's hypervisor has used, oldest first, in thousandths.
    pub(crate) fn history(&self, one: &Entry) -> Vec<u64> {
        let shares = one.process.as_ref().and_then(|process| self.shares.get(&process.pid));
        shares.into_iter().flatten().copied().collect()
    }

    /// Returns the threads of the machine that is chosen, as far as they were looked at.
    pub(crate) fn chosen_threads(&self) -> &[Thread] {
        let is_known = self.threads_of.is_some() && self.threads_of == self.chosen_process();
        if is_known { &self.threads } else { &[] }
    }
}

/// Returns the words that print the plan of a machine, as it was started.
fn plan(recipe: &str, status: Option<&MachineStatus>) -> Vec<String> {
    let mut words = vec!["plan".to_string(), recipe.into()];
    if let Some(status) = status {
        words.extend(status.user_net.then(|| "--user-net".into()));
        words.extend(status.permit.words());
        words.extend(status.params.iter().map(|(name, value)| format!("--set={name}={value}")));
    }
    words
}

/// Returns what a machine is known again by.
fn key(one: &Entry) -> String {
    let name = one.name.clone().unwrap_or_default();
    match (&one.process, one.state) {
        (Some(process), EntryState::Foreign) => format!("{name} {}", process.pid),
        _ => name,
    }
}

/// Returns the share of a processor that was used since the last look; what the system says where there was none.
fn share(before: &Used, id: u32, used: Option<Duration>, known: u64, now: Instant) -> u64 {
    let since =
        before.get(&id).and_then(|(then, time)| Some((now.checked_duration_since(*then)?, used?.checked_sub(*time)?)));
    match since {
        Some((passed, used)) if !passed.is_zero() => {
            u64::try_from(used.as_micros().saturating_mul(1000) / passed.as_micros().max(1)).unwrap_or(known)
        }
        _ => known,
    }
}
