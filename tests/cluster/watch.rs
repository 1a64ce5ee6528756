//! Which hypervisors have an image open, seen from outside: at each opening and closing of the image, and every 50 ms in any case.

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use std::collections::BTreeSet;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
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
        let seen = self.seen();
        assert!(seen.iter().all(|sight| sight.holders.len() < 2), "two hypervisors had one image: {seen:#?}");
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

fn watch(image: &PathBuf, seen: &Mutex<Vec<Sight>>, ended: &AtomicBool) {
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
