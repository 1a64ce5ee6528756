//! What is shown, and what keys do to it. Nothing is read here and nothing is run.

use crate::cli::list::{advice, lasted};
use crate::host::processes::Thread;
use crate::ops::inventory::{Entry, State};
use crate::ops::machines::percent;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How many looks are kept.
const KEPT: usize = 120;

/// What is left of a line for bars, when all else has its room.
const OTHERS: usize = 67;

/// What bars are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bars {
    /// Blocks of eight heights.
    Blocks,
    /// Letters that get darker.
    Ascii,
}

impl Bars {
    /// Returns the bar of a share of a processor, in thousandths, beside the greatest one.
    fn of(self, share: u64, most: u64) -> char {
        let all: &[char; 9] = match self {
            Self::Blocks => &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Ascii => &[' ', '.', ':', '-', '=', '+', '*', '#', '@'],
        };
        let height = share.saturating_mul(8).div_ceil(most.max(1)).min(8);
        all[usize::try_from(height).unwrap_or_default()]
    }
}

/// In what order machines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Name,
    Cpu,
    Memory,
    Uptime,
}

impl Order {
    const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Uptime => "uptime",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Uptime,
            Self::Uptime => Self::Name,
        }
    }
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing but another picture.
    Nothing,
    /// To leave.
    Leave,
    /// To run vmrun with these words, in the place of the view.
    Run(Vec<String>),
}

/// What keys are for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// To choose.
    Choose,
    /// To write what is shown only.
    Filter,
    /// To answer whether a machine is stopped.
    Stop,
}

/// What used processor time was when it was looked at last.
type Used = BTreeMap<u32, (Instant, Duration)>;

/// What is shown.
pub(super) struct View {
    host: String,
    bars: Bars,
    all: Vec<Entry>,
    /// How much of a processor each hypervisor uses, in thousandths, oldest first.
    shares: BTreeMap<u32, VecDeque<u64>>,
    used: Used,
    threads: Vec<Thread>,
    threads_of: Option<u32>,
    threads_used: Used,
    chosen: Option<String>,
    order: Order,
    filter: String,
    mode: Mode,
    said: String,
}

impl View {
    pub(super) fn new(host: String, bars: Bars) -> Self {
        Self {
            host,
            bars,
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
            said: String::new(),
        }
    }

    /// Takes the machines as they are now.
    pub(super) fn look(&mut self, all: Vec<Entry>, now: Instant) {
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
        if !shown.iter().any(|one| Some(key(one)) == self.chosen) {
            self.chosen = shown.first().map(|one| key(one));
        }
    }

    /// Takes the threads of the machine that is chosen.
    pub(super) fn look_at_threads(&mut self, mut threads: Vec<Thread>, now: Instant) {
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
    pub(super) fn chosen_process(&self) -> Option<u32> {
        self.chosen()?.process.as_ref().map(|process| process.pid)
    }

    fn chosen(&self) -> Option<&Entry> {
        self.all.iter().find(|one| Some(key(one)) == self.chosen)
    }

    /// The machines that the filter lets through, in order.
    fn shown(&self) -> Vec<&Entry> {
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

    fn share(&self, one: &Entry) -> Option<u64> {
        self.shares.get(&one.process.as_ref()?.pid)?.back().copied()
    }

    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Act {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Act::Leave;
        }
        self.said.clear();
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
        let is_foreign = one.state == State::Foreign;
        let run = |words: &[&str]| Act::Run(words.iter().map(ToString::to_string).collect());
        match (letter, &one.recipe) {
            (_, _) if is_foreign => self.said = format!("{name} was not started by vmrun"),
            ('s', _) => self.mode = Mode::Stop,
            ('l', _) if one.standing.is_some() => return run(&["logs", "--follow", &name]),
            ('l', _) => self.said = format!("{name} does not run in the background: it has no log"),
            (_, None) => self.said = format!("the recipe of {name} is not known"),
            ('v', Some(recipe)) => match one.shape.vnc.map(|address| address.ip()) {
                Some(ip) if ip.is_unspecified() => return run(&["vnc", recipe, "--hosts", "127.0.0.1"]),
                Some(ip) => return run(&["vnc", recipe, "--hosts", &ip.to_string()]),
                None => self.said = format!("no console of {name} is known"),
            },
            (_, Some(recipe)) => return run(&["plan", recipe]),
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

    /// Draws it.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        // The title, two headings, an empty line and the line of keys.
        let room = height.saturating_sub(5);
        let shown = self.shown();
        let rows = shown.len().clamp(1, (room / 2).max(1));
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let mut lines = vec![Line::styled(self.title(shown.len()), bold)];
        lines.extend(self.machines(&shown, rows, width, bold));
        lines.push(Line::raw(""));
        lines.extend(self.of_threads(room.saturating_sub(rows), bold));
        lines.truncate(height.saturating_sub(1));
        lines.resize(height.saturating_sub(1), Line::raw(""));
        lines.push(Line::raw(self.keys()));
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn title(&self, shown: usize) -> String {
        let running = self.all.iter().filter(|one| one.process.is_some()).count();
        let total: u64 = self.all.iter().filter_map(|one| self.share(one)).sum();
        let of = if shown == self.all.len() { String::new() } else { format!("{shown} of ") };
        format!(
            "{}: {of}{} machines, {running} running, {}% CPU, by {}",
            self.host,
            self.all.len(),
            percent(total),
            self.order.word()
        )
    }

    fn machines(&self, shown: &[&Entry], rows: usize, width: usize, bold: Style) -> Vec<Line<'static>> {
        let head = ["NAME", "STATE", "PID", "UPTIME", "CPUS", "MEMORY", "CPU%"].map(String::from);
        let mut lines = vec![Line::styled(format!("  {}", columns(&head)), bold)];
        let at = shown.iter().position(|one| Some(key(one)) == self.chosen).unwrap_or_default();
        let first = (at + 1).saturating_sub(rows);
        for one in shown.iter().skip(first).take(rows) {
            let is_chosen = Some(key(one)) == self.chosen;
            let process = one.process.as_ref();
            let cells = [
                one.name.clone().unwrap_or_else(|| "-".into()),
                one.state.to_string(),
                process.map_or("-".into(), |it| it.pid.to_string()),
                process.map_or("-".into(), |it| lasted(it.uptime)),
                one.shape.cpus.map_or("-".into(), |count| count.to_string()),
                one.shape.memory.map_or("-".into(), |size| size.to_string()),
                self.share(one).map_or("-".into(), percent),
            ];
            let mark = if is_chosen { '>' } else { ' ' };
            let text = format!("{mark} {}  {}", columns(&cells), self.history(one, width.saturating_sub(OTHERS)));
            let style = if is_chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
            lines.push(Line::styled(text.trim_end().to_string(), style));
        }
        if shown.is_empty() {
            let what =
                if self.all.is_empty() { "there is no machine on this host" } else { "no machine has this text" };
            lines.push(Line::raw(format!("  {what}")));
        }
        lines
    }

    /// What a machine has used until now, as bars; a full one is as many processors as it has.
    fn history(&self, one: &Entry, room: usize) -> String {
        let shares = one.process.as_ref().and_then(|process| self.shares.get(&process.pid));
        let most = one.shape.cpus.unwrap_or(1).saturating_mul(1000);
        let shares = shares.into_iter().flatten();
        let bars: Vec<char> = shares.map(|share| self.bars.of(*share, most)).collect();
        bars[bars.len().saturating_sub(room)..].iter().collect()
    }

    fn of_threads(&self, room: usize, bold: Style) -> Vec<Line<'static>> {
        let head = thread_columns(&["THREAD", "NAME", "FOR", "STATE", "CPU%", "ON", "WAITS FOR"].map(String::from));
        let mut lines = vec![Line::styled(format!("  {head}"), bold)];
        let is_known = self.threads_of.is_some() && self.threads_of == self.chosen_process();
        for thread in self.threads.iter().filter(|_| is_known).take(room) {
            let cells = [
                thread.id.to_string(),
                thread.name.clone(),
                thread.work().to_string(),
                thread.state.clone(),
                thread.cpu.map_or("-".into(), percent),
                thread.processor.map_or("-".into(), |number| number.to_string()),
                thread.wait.clone().unwrap_or_else(|| "-".into()),
            ];
            lines.push(Line::raw(format!("  {}", thread_columns(&cells)).trim_end().to_string()));
        }
        lines
    }

    /// What the last line says: a question, an answer, or the keys.
    fn keys(&self) -> String {
        let name = self.chosen().and_then(|one| one.name.clone()).unwrap_or_default();
        match self.mode {
            Mode::Stop => format!("stop {name}? y stops it, any other key does not"),
            Mode::Filter => format!("show only: {}_", self.filter),
            Mode::Choose if !self.said.is_empty() => self.said.clone(),
            Mode::Choose => {
                let keys = "q leave  o order  / filter  l log  v console  p plan  s stop";
                let advice = self.chosen().and_then(advice);
                advice.unwrap_or_else(|| {
                    if self.filter.is_empty() { keys.into() } else { format!("only: {}  {keys}", self.filter) }
                })
            }
        }
    }
}

/// What a machine is known again by.
fn key(one: &Entry) -> String {
    let name = one.name.clone().unwrap_or_default();
    match (&one.process, one.state) {
        (Some(process), State::Foreign) => format!("{name} {}", process.pid),
        _ => name,
    }
}

/// How much of a processor was used since the last look; what the system says where there was none.
fn share(before: &Used, id: u32, used: Option<Duration>, told: u64, now: Instant) -> u64 {
    let since =
        before.get(&id).and_then(|(then, time)| Some((now.checked_duration_since(*then)?, used?.checked_sub(*time)?)));
    match since {
        Some((passed, used)) if !passed.is_zero() => {
            u64::try_from(used.as_micros().saturating_mul(1000) / passed.as_micros().max(1)).unwrap_or(told)
        }
        _ => told,
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

fn columns(cells: &[String; 7]) -> String {
    let [name, state, pid, uptime, cpus, memory, cpu] = cells;
    let (name, state) = (cut(name, 14), cut(state, 12));
    format!("{name:<14} {state:<12} {pid:>7} {uptime:>7} {cpus:>4} {memory:>7} {cpu:>6}")
}

fn thread_columns(cells: &[String; 7]) -> String {
    let [id, name, work, state, cpu, on, wait] = cells;
    let (name, work) = (cut(name, 18), cut(work, 10));
    format!("{id:>7} {name:<18} {work:<10} {state:<6} {cpu:>6} {on:>3}  {wait}")
}

#[cfg(test)]
mod tests;
