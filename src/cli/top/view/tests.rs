use super::*;
use crate::host::processes::{Hypervisor, HypervisorKind};
use crate::model::{Shape, Size};
use crate::ops::inventory::EntryState;
use crate::ops::status::Thread;
use crate::ops::top::Act;
use crate::supervise::status::{MachineState, MachineStatus};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::{Duration, Instant};

fn machine(name: &str, state: EntryState, pid: Option<u32>, cpu: u64) -> Entry {
    let shape =
        Shape { cpus: Some(2), memory: Some(Size::mib(512)), vnc: "10.0.0.5:5901".parse().ok(), ..Shape::default() };
    let process = pid.map(|pid| Hypervisor {
        pid,
        parent: 1,
        kind: HypervisorKind::Bhyve,
        name: Some(name.into()),
        uptime: Duration::from_secs(93_784 + u64::from(pid)),
        cpu,
        used: None,
        resident: Size::mib(64),
        shape: shape.clone(),
        folder: None,
    });
    let text = format!(
        "{{\"name\":\"{name}\",\"state\":\"running\",\"since\":1,\"recipe\":\"\",\"params\":{{\"disk\":\"/vm/a b.img\"}},\"error\":\"a triple fault\"}}"
    );
    let status = matches!(state, EntryState::Supervised(_)).then(|| MachineStatus::read(&text)).flatten();
    let recipe = (state != EntryState::Foreign).then(|| format!("/vm/{name}.rhai"));
    Entry {
        name: Some(name.into()),
        state,
        supervisor: None,
        process,
        shape,
        status,
        recipe,
        instance: None,
        elsewhere: None,
        address: None,
        permit: None,
        is_exported: false,
        away: None,
        replicas: None,
    }
}

fn machines() -> Vec<Entry> {
    vec![
        machine("db", EntryState::Supervised(MachineState::Running), Some(4470), 125),
        machine("lab", EntryState::Foreground, Some(4480), 0),
        machine("sad", EntryState::Supervised(MachineState::Failed), None, 0),
        machine("web", EntryState::Unsupervised, Some(4490), 1980),
        machine("bare", EntryState::Foreign, Some(99), 7),
    ]
}

fn threads() -> Vec<Thread> {
    let thread = |id, name: &str, state: &str, cpu, processor, wait: Option<&str>| Thread {
        id,
        name: name.into(),
        state: state.into(),
        processor,
        cpu: Some(cpu),
        used: None,
        wait: wait.map(Into::into),
    };
    vec![
        thread(100_510, "blk-4:0-0", "sleep", 0, None, Some("uwait")),
        thread(100_520, "vcpu 0", "sleep", 12, None, Some("vmidle")),
        thread(100_521, "vcpu 1", "run", 982, Some(1), None),
        thread(100_500, "mevent", "sleep", 0, None, Some("kqread")),
    ]
}

/// The picture of a terminal of that size, without blanks at the ends of lines.
fn picture(view: &Overview, width: u16, height: u16) -> String {
    picture_with(view, Bars::Blocks, width, height)
}

fn picture_with(view: &Overview, bars: Bars, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(view, bars, frame)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_string();
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

fn view() -> Overview {
    let mut view = Overview::new("vm5".into());
    let mut all = machines();
    for cpu in [0, 500, 1000, 1500, 125] {
        all[0].process.as_mut().unwrap().cpu = cpu;
        view.look(all.clone(), Instant::now());
    }
    view.look_at_threads(threads(), Instant::now());
    view
}

fn press(view: &mut Overview, keys: &str) -> Act {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        '\x1b' => KeyCode::Esc,
        '\x08' => KeyCode::Backspace,
        '^' => KeyCode::Up,
        '_' => KeyCode::Down,
        c => KeyCode::Char(c),
    };
    keys.chars().map(|c| view.press(KeyEvent::new(code(c), KeyModifiers::NONE))).last().unwrap()
}

#[track_caller]
fn same(actual: &str, expected: &str) {
    let (actual, expected) = (actual.trim_matches('\n'), expected.trim_matches('\n'));
    assert!(actual == expected, "\n--- expected\n{expected}\n--- actual\n{actual}\n");
}

#[test]
fn machines_and_the_threads_of_one_of_them_fit_a_small_terminal() {
    let screen = "
vm5: 5 machines, 4 running, 211.2% CPU, by name
  NAME           STATE            PID  UPTIME CPUS  MEMORY   CPU%
> db             running         4470   1d03h    2    512M   12.5   ▂▄▆▁
  lab            foreground      4480   1d03h    2    512M    0.0
  sad            held               -       -    2    512M      -
  web            unsupervised    4490   1d03h    2    512M  198.0  █████
  bare           foreign           99   1d02h    2    512M    0.7  ▁▁▁▁▁

   THREAD NAME               FOR        STATE    CPU%  ON  WAITS FOR
   100500 mevent             main       sleep     0.0   -  kqread
   100520 vcpu 0             vcpu 0     sleep     1.2   -  vmidle
   100521 vcpu 1             vcpu 1     run      98.2   1  -
   100510 blk-4:0-0          disk 4:0   sleep     0.0   -  uwait










q leave  o order  / filter  l log  v screen  p plan  s stop
";
    same(&picture(&view(), 80, 24), screen);
    let ascii = picture_with(&view(), Bars::Ascii, 80, 24);
    assert!(ascii.is_ascii() && ascii.contains("12.5   :=*."), "{ascii}");
    // Whatever the size.
    for (width, height) in [(1, 1), (20, 3), (40, 8), (300, 100)] {
        assert_eq!(picture(&view(), width, height).lines().count().max(1), usize::from(height));
    }
}

#[test]
fn a_long_name_has_the_room_that_a_wide_terminal_has_and_a_narrow_one_says_that_it_is_cut() {
    let mut view = Overview::new("vm5".into());
    view.look(vec![machine("report-2026-of-the-north", EntryState::Foreground, Some(7), 250)], Instant::now());
    same(
        &picture(&view, 80, 4),
        "
vm5: 1 machine, 1 running, 25.0% CPU, by name
  NAME           STATE            PID  UPTIME CPUS  MEMORY   CPU%
> report-2026-o… foreground         7   1d02h    2    512M   25.0  ▁
q leave  o order  / filter  l log  v screen  p plan  s stop
",
    );
    same(
        &picture(&view, 160, 4),
        "
vm5: 1 machine, 1 running, 25.0% CPU, by name
  NAME                     STATE            PID  UPTIME CPUS  MEMORY   CPU%
> report-2026-of-the-north foreground         7   1d02h    2    512M   25.0  ▁
q leave  o order  / filter  l log  v screen  p plan  s stop
",
    );
    let ascii = picture_with(&view, Bars::Ascii, 80, 4);
    assert!(ascii.is_ascii() && ascii.contains("\n> report-2026-o+ foreground "), "{ascii}");
}

#[test]
fn machines_are_chosen_ordered_and_filtered_by_keys() {
    let mut view = view();
    assert_eq!(press(&mut view, "o"), Act::Nothing);
    let names = |view: &Overview| view.shown().iter().map(|one| one.name.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(names(&view), ["web", "db", "bare", "lab", "sad"]);
    press(&mut view, "oo");
    assert_eq!(names(&view), ["web", "lab", "db", "bare", "sad"]);
    press(&mut view, "o");
    press(&mut view, "_j^");
    assert_eq!(view.chosen_process(), Some(4480));
    press(&mut view, "/UNS");
    same(
        &picture(&view, 80, 9),
        "
vm5: 1 of 5 machines, 4 running, 211.2% CPU, by name
  NAME           STATE            PID  UPTIME CPUS  MEMORY   CPU%
> web            unsupervised    4490   1d03h    2    512M  198.0  █████

   THREAD NAME               FOR        STATE    CPU%  ON  WAITS FOR



show only: UNS_
",
    );
    press(&mut view, "\x08\x08\x08nobody\n");
    assert!(picture(&view, 80, 12).contains("\n  no machine has this text\n"));
    press(&mut view, "\x1b");
    assert_eq!(names(&view).len(), 5);
    press(&mut view, "____________");
    assert_eq!(view.chosen().unwrap().name.as_deref(), Some("bare"));
}

#[test]
fn what_is_done_about_a_machine_is_what_vmrun_does() {
    let run = |words: &[&str]| Act::Run(words.iter().map(ToString::to_string).collect());
    let mut view = view();
    assert_eq!(press(&mut view, "l"), run(&["logs", "--follow", "db"]));
    assert_eq!(press(&mut view, "p"), run(&["plan", "/vm/db.rhai", "--set=disk=/vm/a b.img"]));
    assert_eq!(press(&mut view, "v"), run(&["vnc", "db", "--hosts", "10.0.0.5"]));
    assert_eq!(press(&mut view, "s"), Act::Nothing);
    assert!(picture(&view, 80, 24).ends_with("\nstop db? y stops it, any other key does not"));
    assert_eq!(press(&mut view, "n"), Act::Nothing);
    assert_eq!(press(&mut view, "sy"), run(&["stop", "db"]));
    press(&mut view, "_l");
    assert!(picture(&view, 80, 24).ends_with("\nlab does not run in the background: it has no log"));
    press(&mut view, "_");
    assert!(picture(&view, 80, 24).ends_with("\nsad is held: a triple fault"));
    press(&mut view, "_");
    let advice = "\nweb goes on without its vmrun; `vmrun adopt web` takes it over";
    assert!(picture(&view, 80, 24).ends_with(advice));
    press(&mut view, "_s");
    assert!(picture(&view, 80, 24).ends_with("\nbare was not started by vmrun"));
    assert_eq!(press(&mut view, "q"), Act::Leave);
    assert_eq!(view.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Act::Leave);
}

#[test]
fn shares_are_of_the_time_since_the_last_look() {
    let mut view = Overview::new("vm5".into());
    assert!(picture(&view, 80, 8).contains("\n  there is no machine on this host\n"));
    let begin = Instant::now();
    let mut all = vec![machine("db", EntryState::Foreground, Some(7), 250)];
    let mut look = |seconds, used| {
        all[0].process.as_mut().unwrap().used = Some(Duration::from_millis(used));
        view.look(all.clone(), begin + Duration::from_secs(seconds));
        view.share(&all[0])
    };
    // The first look has only what the system says of the whole time.
    assert_eq!([look(0, 1000), look(2, 2000), look(3, 2000)], [Some(250), Some(500), Some(0)]);
    // Another process of that number has used less.
    assert_eq!(look(4, 10), Some(250));
    let mut thread = threads().remove(2);
    for (seconds, used, expected) in [(0, 100, 982), (1, 600, 500)] {
        thread.used = Some(Duration::from_millis(used));
        thread.cpu = Some(982);
        view.look_at_threads(vec![thread.clone()], begin + Duration::from_secs(seconds));
        assert_eq!(view.chosen_threads()[0].cpu, Some(expected));
    }
}
