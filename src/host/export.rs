//! A machine is written as one stream: to a file, which has its name only when it is whole, or to the standard output.

use super::download::pace::Pace;
use super::files::{beside, halves, io_fault, name_new, reason, remove};
use super::piped::{Fed, Speaking};
use super::signals::Signals;
use super::sparse::{SparseDisk, Window};
use super::spawn;
use super::writeback::meanwhile;
use super::zstd::packer;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::image::archive::{DiskSum, Manifest, WINDOW, Writer, extents};
use crate::model::Argv;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How much is written at once, in bytes.
const CHUNK: usize = 256 << 10;

/// How far a machine is on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MoveProgress {
    /// How many bytes of its disks are done.
    pub done: u64,
    /// How many bytes of its disks are no hole.
    pub whole: u64,
    /// How many bytes came in the last second.
    pub rate: u64,
}

/// Who hears of how far a machine is on its way.
pub(crate) type MoveTell<'a> = &'a mut dyn FnMut(MoveProgress);

/// What an export and an import are watched with.
pub(super) struct Watch<'a> {
    signals: &'a Signals,
    tell: MoveTell<'a>,
    pace: Pace,
    began: Instant,
    done: u64,
    whole: u64,
}

impl<'a> Watch<'a> {
    /// Begins with nothing done.
    pub(super) fn new(signals: &'a Signals, tell: MoveTell<'a>, whole: u64) -> Self {
        Self { signals, tell, pace: Pace::new(0), began: Instant::now(), done: 0, whole }
    }

    /// Counts some bytes; whoever asks to stop is a fault.
    pub(super) fn count(&mut self, bytes: u64) -> Result<(), Fault> {
        self.done += bytes;
        // Nothing here is too slow.
        self.pace.observe(self.done, self.began.elapsed(), 0, Duration::MAX);
        (self.tell)(MoveProgress { done: self.done, whole: self.whole, rate: self.pace.rate() });
        self.against_stop()
    }

    /// Refuses to go on where somebody asks to stop.
    pub(super) fn against_stop(&self) -> Result<(), Fault> {
        if self.signals.peek_stop() {
            return Err(Fault::new("interrupted").blame(Blame::Interrupted));
        }
        Ok(())
    }
}

/// Where what is on a disk comes from.
#[derive(Debug)]
pub(crate) enum DiskSource {
    /// It is read.
    Disk(SparseDisk),
    /// A command says it, as a stream, and at most so many bytes.
    Stream(Argv, u64),
}

impl DiskSource {
    /// Returns the disk that is read.
    pub(crate) fn disk(self) -> Option<SparseDisk> {
        if let Self::Disk(disk) = self { Some(disk) } else { None }
    }
}

/// The fault of an export that what packs it could not write; it says nothing where nobody reads on.
fn unwritten(why: Option<String>) -> Fault {
    match why {
        Some(why) => Fault::host(format!("it cannot be written: {why}")).hint("is there room for it?"),
        None => Fault::host("it cannot be written: whoever reads it has ended").hint("that one says why"),
    }
}

/// What is exported.
pub(crate) struct Export<'a> {
    /// What is in it.
    pub manifest: &'a Manifest,
    /// The texts, in the order of the manifest.
    pub texts: &'a [Vec<u8>],
    /// The disks, in the order of the manifest.
    pub disks: &'a [DiskSource],
}

impl Export<'_> {
    /// Writes it to the standard output, or as a file that is not there yet. Half of it is never there under that name.
    pub(crate) fn write(&self, to: Option<&Path>, signals: &Signals, tell: MoveTell<'_>) -> Result<(), Fault> {
        let watch = &mut Watch::new(signals, tell, self.manifest.used());
        let Some(path) = to else {
            return self.pack(None, watch).map_err(|fault| fault.context("the standard output"));
        };
        halves::clear(path)?;
        let new = beside(path);
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new);
        let file = file.map_err(io_fault("make", path))?;
        file.try_lock().may_fail("where files have no locks, the time that it was made at says that it is written");
        let done = file.try_clone().map_err(io_fault("write", path)).and_then(|to| {
            let (packed, brought) = meanwhile(&file, || self.pack(Some(to), watch));
            packed.map_err(|fault| fault.context(path.display()))?;
            brought.and_then(|()| file.sync_all()).map_err(io_fault("write", path))?;
            name_new(&new, path)
        });
        done.inspect_err(|_| remove(&new).may_fail("the fault that matters is why it is not whole"))
    }

    fn pack(&self, to: Option<File>, watch: &mut Watch<'_>) -> Result<(), Fault> {
        let mut packer = packer(to, watch.signals)?;
        let done = self.members(BufWriter::with_capacity(CHUNK, &mut packer), watch);
        watch.against_stop()?;
        match done {
            // Who takes no more has ended, and says why.
            Err(fault) if fault.blame == Blame::Host => match packer.end() {
                Err(why) => Err(unwritten(why)),
                Ok(()) => Err(fault),
            },
            Err(fault) => Err(fault),
            Ok(()) => packer.end().map_err(unwritten),
        }
    }

    fn members(&self, to: BufWriter<&mut Fed<'_>>, watch: &mut Watch<'_>) -> Result<(), Fault> {
        let mut writer = Writer::begin(to, self.manifest, self.texts)?;
        for disk in self.disks {
            let sum = match disk {
                DiskSource::Disk(disk) => bytes(disk, &mut writer, watch)?,
                DiskSource::Stream(argv, most) => stream((argv, *most), &mut writer, watch)?,
            };
            writer.end_disk(sum.finish());
        }
        writer.end().map(drop)
    }
}

/// Writes what of a disk is not zero.
fn bytes(disk: &SparseDisk, writer: &mut Writer<impl Write>, watch: &mut Watch<'_>) -> Result<DiskSum, Fault> {
    let (mut sum, mut window) = (DiskSum::default(), Window::default());
    while disk.read(window.end, &mut window)? {
        let found: Vec<(u64, &[u8])> = window.runs().flat_map(|(at, bytes)| members(at, bytes)).collect();
        write(&found, &mut sum, writer)?;
        watch.count(found.iter().map(|(_, bytes)| bytes.len() as u64).sum())?;
    }
    Ok(sum)
}

/// Writes what a command says, in members that are as long as any may be.
fn stream(
    (argv, most): (&Argv, u64),
    writer: &mut Writer<impl Write>,
    watch: &mut Watch<'_>,
) -> Result<DiskSum, Fault> {
    let mut speaking = Speaking::start(argv, watch.signals)?;
    let (mut sum, mut at, mut window) = (DiskSum::default(), 0, Vec::with_capacity(WINDOW));
    loop {
        window.clear();
        let came = (&mut speaking).take(WINDOW as u64).read_to_end(&mut window);
        watch.against_stop()?;
        came.map_err(|why| Fault::host(format!("`{argv}` cannot be read: {}", reason(&why))))?;
        if at + window.len() as u64 > most {
            let fault = Fault::host(format!("`{argv}` says more than a volume of its size can have"));
            return Err(fault.hint("export it without --zfs-send"));
        }
        if !window.is_empty() {
            write(&[(at, &window)], &mut sum, writer)?;
            at += window.len() as u64;
            watch.count(window.len() as u64)?;
        }
        if window.len() < WINDOW {
            speaking.end().map_err(|why| Fault::host(format!("`{argv}` failed: {why}")))?;
            return Ok(sum);
        }
    }
}

/// Writes members; the digest is made while the same bytes are written.
fn write(found: &[(u64, &[u8])], sum: &mut DiskSum, writer: &mut Writer<impl Write>) -> Result<(), Fault> {
    thread::scope(|scope| {
        let summed = spawn::scoped(scope, || found.iter().for_each(|(at, bytes)| sum.add(*at, bytes)));
        let written = found.iter().try_for_each(|(at, bytes)| writer.extent(*at, bytes));
        let lost = |_| Fault::host("vmrun itself failed: this is a mistake in it");
        summed.and_then(|summed| summed.join().map_err(lost)).and(written)
    })
}

/// Returns what of some bytes of a disk is not zero, and where.
fn members(at: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    extents(bytes).into_iter().filter_map(move |range| Some((at + range.start as u64, bytes.get(range)?)))
}
