//! A disk is filled from an image: by qemu-img(1), which is always told in which format that is, or by what unpacks it. What is zero
//! stays a hole, and a file has its name only when it is whole.

mod progress;

use super::environment::command;
use super::files::{beside, halves, io_fault, making_room, open, remove};
use super::program::Program;
use super::spawn;
use super::terminal::{is_looked_on, while_it_goes_on};
use super::writeback::meanwhile;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::image::content::{Content, content};
use crate::image::source::SourceForm;
use crate::model::volume::VolumeName;
use crate::model::{Argv, Size};
use nix::unistd::{Whence, lseek};
use progress::FillProgress;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// How much is read at once, and left out as a hole if it is zero.
const CHUNK: usize = 64 << 10;

/// How much memory xz(1) may take, as its option says it: its own best takes 65 MiB, and a file may ask for any amount. The others have
/// a bound of their own (zstd(1): 128 MiB where nobody says `--long`).
const XZ_MEMORY: &str = "512MiB";

/// What is filled, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filling {
    /// The image.
    pub image: PathBuf,
    /// In which form it is.
    pub form: SourceForm,
    /// The file of the disk, or its device.
    pub path: PathBuf,
    /// The volume, if it is one.
    pub volume: Option<VolumeName>,
    /// Whether the run has made the volume: half an image in it is nothing to keep then.
    pub is_of_the_run: bool,
    /// The size of the disk.
    pub size: Size,
}

impl Filling {
    /// Returns the program that it needs.
    pub(crate) const fn program(&self) -> Option<&'static str> {
        match self.form {
            SourceForm::Raw => None,
            SourceForm::Format(_) => Some("qemu-img"),
            SourceForm::Packed(program) => Some(program),
        }
    }

    /// Returns it as commands that one would type. dd(1) leaves out what is zero, and only with `obs` takes a pipe in whole blocks.
    pub(crate) fn commands(&self) -> Vec<Argv> {
        if self.volume.is_some() {
            return vec![self.command(&self.path)];
        }
        let new = PathBuf::from(format!("{}.new", self.path.display()));
        let size = Argv::new("truncate").arg("-s").arg(self.size);
        let named = Argv::new("mv").arg(new.display()).arg(self.path.display());
        let last = match self.form {
            // It was long enough before.
            SourceForm::Format(_) => return vec![size.arg(new.display()), self.command(&new), named],
            SourceForm::Raw | SourceForm::Packed(_) => size.arg(new.display()),
        };
        vec![self.command(&new), last, named]
    }

    fn command(&self, to: &Path) -> Argv {
        let (image, to) = (self.image.display(), to.display());
        match self.form {
            // What is there is zero, as it is new.
            SourceForm::Format(format) => Argv::new("qemu-img")
                .args(["convert", "-n", "--target-is-zero", "-f", format, "-O", "raw"])
                .arg(image)
                .arg(to),
            SourceForm::Raw => {
                Argv::new("dd").arg(format!("if={image}")).arg(format!("of={to}")).args(["obs=1048576", "conv=sparse"])
            }
            SourceForm::Packed(program) => {
                let unpack = unpacking(program);
                let line = format!("{unpack} \"$0\" | dd of=\"$1\" obs=1048576 conv=sparse");
                Argv::new("sh").arg("-c").arg(line).arg(image).arg(to)
            }
        }
    }

    /// Fills the disk, and draws how far that is.
    pub(super) fn perform(&self) -> Result<(), Fault> {
        let progress = match self.form {
            SourceForm::Format(_) => FillProgress::of_share(),
            SourceForm::Raw => FillProgress::of_bytes(self.image.metadata().ok().map(|meta| meta.len())),
            SourceForm::Packed(_) => FillProgress::of_bytes(None),
        };
        let (what, drawn) = (format!("filling {}", self.path.display()), progress.clone());
        while_it_goes_on(&what, move |took| drawn.line(took), || self.fill(&progress))
    }

    fn fill(&self, progress: &FillProgress) -> Result<(), Fault> {
        if self.volume.is_some() {
            let device = OpenOptions::new().write(true).open(&self.path).map_err(io_fault("open", &self.path))?;
            self.write(&self.path, &device, progress)?;
            return device.sync_all().map_err(io_fault("write", &self.path));
        }
        halves::clear(&self.path)?;
        let new = beside(&self.path);
        let named = || std::fs::rename(&new, &self.path).map_err(io_fault("rename to", &self.path));
        let done = self.write_new(&new, progress).and_then(|()| named());
        done.inspect_err(|_| remove(&new).may_fail("the fault that matters is why it is not whole"))
    }

    fn write_new(&self, new: &Path, progress: &FillProgress) -> Result<(), Fault> {
        let file = OpenOptions::new().create_new(true).write(true).open(new).map_err(io_fault("make", new))?;
        file.try_lock().may_fail("where files have no locks, the time that it was made at says that it is written");
        file.set_len(self.size.get()).map_err(io_fault("truncate", new))?;
        self.write(new, &file, progress)?;
        // What wrote to it may have cut it off where the image ends.
        file.set_len(self.size.get()).map_err(io_fault("truncate", new))?;
        file.sync_all().map_err(io_fault("write", new))
    }

    fn write(&self, path: &Path, file: &File, progress: &FillProgress) -> Result<(), Fault> {
        match self.form {
            SourceForm::Format(_) => {
                let (done, brought) = meanwhile(file, || self.convert(path, progress));
                done.map_err(|fault| with_room(fault, path))?;
                brought.map_err(io_fault("write", path))?;
            }
            SourceForm::Raw => {
                let image = open(&self.image).map_err(io_fault("read", &self.image))?;
                copy(&image, file, progress).map_err(io_fault("write", path))?;
            }
            SourceForm::Packed(program) => self.unpack(program, path, file, progress)?,
        }
        Ok(())
    }

    /// Has it converted by qemu-img(1), which tells how far it is (`-p`) where somebody looks on.
    fn convert(&self, path: &Path, progress: &FillProgress) -> Result<String, Fault> {
        let argv = self.command(path);
        let argv = if is_looked_on() { argv.arg("-p") } else { argv };
        Program::start(&argv)?.finish_watched(|told| progress.read(told))
    }

    fn unpack(&self, program: &str, path: &Path, file: &File, progress: &FillProgress) -> Result<(), Fault> {
        let mut command = command(program);
        command
            .args(unpacking(program).words().into_iter().skip(1))
            .arg(&self.image)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn::start(&mut command).map_err(|why| spawn::refused(program, &why))?;
        let poured = match child.stdout.take() {
            Some(from) => self.pour(from, path, file, progress),
            None => Ok(()),
        };
        if poured.is_err() {
            spawn::end(&mut child);
            return poured;
        }
        // It says little, and has closed its output: what it says fits into the pipe.
        let output = child.wait_with_output().map_err(|why| spawn::refused(program, &why))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.lines().last().unwrap_or("it said nothing").to_string();
        let image = self.image.display();
        // What xz(1) says of it (message.c of XZ Utils, all versions).
        if String::from_utf8_lossy(&output.stderr).contains("Memory usage limit reached") {
            let fault = Fault::host(format!("{image} takes more than {XZ_MEMORY} of memory to be unpacked"));
            return Err(fault.hint(format!("if it is to be trusted, unpack it yourself: xz -d {image}")));
        }
        let fault = Fault::host(format!("{image} cannot be unpacked: {words}"));
        Err(fault.hint("is it whole? compare its digest with the publisher's"))
    }

    /// Writes what comes, which has no end that is known before.
    fn pour(&self, mut from: impl Read, path: &Path, file: &File, progress: &FillProgress) -> Result<(), Fault> {
        let (mut at, mut chunk) = (0_u64, vec![0; CHUNK]);
        loop {
            let length = fill(&mut from, &mut chunk).map_err(io_fault("unpack", &self.image))?;
            let bytes = chunk.get(..length).unwrap_or_default();
            if at == 0 {
                against(bytes).map_or(Ok(()), |what| {
                    let fault = Fault::host(format!("in {} is {what}, and no disk as it is", self.image.display()));
                    Err(fault.hint("unpack it, and convert what was in it"))
                })?;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            if at + length as u64 > self.size.get() {
                let fault = Fault::host(format!("in {} is more than {}", self.image.display(), self.size));
                return Err(fault.hint("give the disk a larger size"));
            }
            if bytes.iter().any(|byte| *byte != 0) {
                file.write_all_at(bytes, at).map_err(io_fault("write", path))?;
            }
            at += length as u64;
            progress.comes_to(at);
        }
    }
}

/// Returns the command that unpacks what is named after it to its output.
fn unpacking(program: &str) -> Argv {
    let argv = Argv::new(program).arg("-dc");
    if program == "xz" { argv.arg(format!("--memlimit-decompress={XZ_MEMORY}")) } else { argv }
}

/// Adds the way out to what a program says of a disk that is full (strerror(3), ENOSPC).
fn with_room(fault: Fault, path: &Path) -> Fault {
    if fault.message.contains("No space left on device") { fault.hint(making_room(path)) } else { fault }
}

/// Says what unpacked bytes are that are no disk.
fn against(head: &[u8]) -> Option<String> {
    match content(head)? {
        Content::Iso => None,
        Content::Disk(format) => Some(format!("an image in the format {format}")),
        Content::Packed(form, _) => Some(format!("something that is packed as {form}")),
        Content::Script => Some("a script".into()),
        Content::Page => Some("a page of the web".into()),
    }
}

/// Fills a buffer as far as there is something; returns how far.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Copies a file; its holes are not even read, and what else is zero becomes one.
fn copy(from: &File, to: &File, progress: &FillProgress) -> io::Result<()> {
    let length = from.metadata()?.len();
    let mut chunk = vec![0; CHUNK];
    let mut at = data_from(from, 0).unwrap_or(0);
    while at < length {
        let most = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
        let part = chunk.get_mut(..most).unwrap_or_default();
        from.read_exact_at(part, at)?;
        if part.iter().any(|byte| *byte != 0) {
            to.write_all_at(part, at)?;
        }
        at += most as u64;
        at = data_from(from, at).unwrap_or(at).max(at);
        progress.comes_to(at);
    }
    Ok(())
}

/// Where the next data are; the end of the file where there are none, and nothing where a file system does not say.
pub(super) fn data_from(file: &File, at: u64) -> Option<u64> {
    match lseek(file, i64::try_from(at).ok()?, Whence::SeekData) {
        Ok(found) => u64::try_from(found).ok(),
        Err(nix::errno::Errno::ENXIO) => file.metadata().ok().map(|meta| meta.len()),
        Err(_) => None,
    }
}
