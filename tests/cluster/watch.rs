//! Which hypervisors have an image open, seen from outside: at each opening and closing of the image, and every 50 ms in any case.

use super::lab::{LONG, wait_for};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use std::collections::BTreeSet;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long an event waits at most until it is seen.
const TICK: Duration = Duration::from_millis(2);

/// How often it is looked without an event.
const ANYWAY: Duration = Duration::from_millis(50);

/// Who had the image from when on: the hypervisors' processes, by their numbers outside of all namespaces.
#[derive(Clone, Debug)]
pub struct Sight {
    pub since: Instant,
    pub holders: BTreeSet<u32>,
}

/// What watches one image until it is dropped.
pub struct Watch {
    seen: Arc<Mutex<Vec<Sight>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn new(image: &Path) -> Self {
        let (seen, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let watcher = (image.to_path_buf(), Arc::clone(&seen), Arc::clone(&ended));
        let thread = thread::spawn(move || watch(&watcher.0, &watcher.1, &watcher.2));
        Self { seen, ended, thread: Some(thread) }
    }

    pub fn seen(&self) -> Vec<Sight> {
        self.seen.lock().unwrap().clone()
    }

    /// The hypervisors that have the image now.
    pub fn holders(&self) -> BTreeSet<u32> {
        self.seen.lock().unwrap().last().map(|sight| sight.holders.clone()).unwrap_or_default()
    }

    /// Fails when two hypervisors have had the image at one moment.
    #[track_caller]
    pub fn one_at_a_time(&self) {
        assert!(self.most() < 2, "two hypervisors had one image: {:#?}", self.seen());
    }

    /// How many hypervisors have had the image at one moment.
    fn most(&self) -> usize {
        self.seen().iter().map(|sight| sight.holders.len()).max().unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(image: &Path, seen: &Mutex<Vec<Sight>>, ended: &AtomicBool) {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    let flags = WatchFlags::OPEN | WatchFlags::CLOSE_WRITE | WatchFlags::CLOSE_NOWRITE;
    inotify::add_watch(&events, image, flags).unwrap();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = Reader::new(&events, &mut buffer);
    let mut looked = Instant::now();
    look(image, seen);
    while !ended.load(Ordering::Relaxed) {
        let mut happened = false;
        while let Ok(event) = events.next() {
            assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW), "too many events to see each");
            happened = true;
        }
        if happened || looked.elapsed() >= ANYWAY {
            looked = Instant::now();
            look(image, seen);
        }
        thread::sleep(TICK);
    }
}

fn look(image: &Path, seen: &Mutex<Vec<Sight>>) {
    let Ok(it) = fs::metadata(image) else { return };
    let id = (it.dev(), it.ino());
    let holders = hypervisors().filter(|pid| has(*pid, id)).collect();
    let mut seen = seen.lock().unwrap();
    if seen.last().is_none_or(|last| last.holders != holders) {
        seen.push(Sight { since: Instant::now(), holders });
    }
}

/// All processes whose program is QEMU.
fn hypervisors() -> impl Iterator<Item = u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu-system")))
}

fn has(pid: u32, id: (u64, u64)) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| fs::metadata(file.path()).is_ok_and(|it| (it.dev(), it.ino()) == id))
}

/// A hypervisor that has an image open, and asks nobody whether it may.
struct Careless(Child);

impl Careless {
    fn new(image: &Path) -> Self {
        let disk = format!("driver=file,node-name=disk,locking=off,filename={}", image.display());
        let words = ["-machine", "none", "-display", "none", "-monitor", "none", "-serial", "none", "-blockdev", &disk];
        Self(Command::new("qemu-system-x86_64").args(words).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Careless {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_hypervisors_with_one_image_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("db.img");
    fs::write(&image, [0; 4096]).unwrap();
    let watch = Watch::new(&image);
    let one = Careless::new(&image);
    wait_for("the first", LONG, || (watch.holders().len() == 1).then_some(()));
    watch.one_at_a_time();
    let two = Careless::new(&image);
    wait_for("the second", LONG, || (watch.holders().len() == 2).then_some(()));
    drop((one, two));
    wait_for("the end of both", LONG, || watch.holders().is_empty().then_some(()));
    assert_eq!(watch.most(), 2);
}
