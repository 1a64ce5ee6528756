//! A disk of a guest that runs, which its QEMU makes larger. Of bhyve nothing is known that would do so: its manual has no such word.

use super::qemu_monitor::QemuMonitor;
use super::settings::Settings;
use crate::diag::Fault;
use crate::model::{Size, VmName};
use crate::qemu;
use crate::qemu::blocks::{self, RunningDisk};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a monitor may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A disk that a QEMU has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveDisk {
    socket: PathBuf,
    path: PathBuf,
    name: String,
    /// How large it is to the guest.
    pub(crate) size: Size,
}

impl LiveDisk {
    /// Returns the disk of a machine whose QEMU has that file as one; nothing where no QEMU says so.
    pub(crate) fn of(settings: &Settings, machine: &VmName, path: &Path) -> Option<Self> {
        let socket = qemu::ask_socket(&settings.machine_folder(machine));
        let found = find(&mut QemuMonitor::open(&socket).ok()?, path)?;
        Some(Self { socket, path: path.into(), name: found.name, size: Size::bytes(found.size) })
    }

    /// Returns what is told to QEMU, and where.
    pub(crate) fn told(&self, size: Size) -> String {
        format!("{}: {}", self.socket.display(), blocks::resize(&self.name, size.get()))
    }

    /// Makes it larger: its file as well, if it is one. Whoever else wants the same meanwhile waits until that is done.
    pub(crate) fn grow(&self, size: Size) -> Result<(), Fault> {
        let path = self.path.display();
        let mute = || {
            let fault = Fault::host(format!("the QEMU that has {path} does not answer"));
            fault.hint("call it again: another one may have asked it something just now")
        };
        let mut monitor = QemuMonitor::open(&self.socket).map_err(|_| mute())?;
        let now = find(&mut monitor, &self.path).ok_or_else(mute)?;
        if now.size > size.get() {
            let fault =
                Fault::host(format!("{path} has {} meanwhile: {size} would be less", Size::bytes(now.size).rough()));
            return Err(fault.hint("call it again"));
        }
        let done = monitor.ask(&blocks::resize(&now.name, size.get()), PATIENCE, blocks::resized).ok_or_else(mute)?;
        done.map_err(|why| {
            let fault = Fault::host(format!("QEMU does not give {path} {size}: {why}"));
            fault.hint("the disk of a machine that does not run can be changed: `vmrun stop` stops it")
        })
    }
}

fn find(monitor: &mut QemuMonitor, path: &Path) -> Option<RunningDisk> {
    monitor.ask(blocks::QUESTION, PATIENCE, blocks::answer)?.into_iter().find(|disk| disk.file == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    /// Says what becomes of growing a disk of 1 MiB to 4 MiB, whose QEMU says that it has that many bytes, and answers so.
    fn grown(bytes: u64, answer: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("ask.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let disk = LiveDisk { socket, path: "/vm/a.img".into(), name: "disk-4.0".into(), size: Size::bytes(1 << 20) };
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let blocks = format!(
                    r#"{{"return": [{{"device": "disk-4.0", "inserted": {{"file": "/vm/a.img", "image": {{"virtual-size": {bytes}}}}}}}], "id": "blocks"}}"#
                );
                assert_eq!(lines.next().unwrap().unwrap(), "{\"execute\":\"qmp_capabilities\"}");
                assert_eq!(lines.next().unwrap().unwrap(), blocks::QUESTION);
                writeln!(stream, "{{\"QMP\": {{}}}}\n{{\"return\": {{}}}}\n{blocks}").unwrap();
                let Some(Ok(asked)) = lines.next() else { return };
                assert_eq!(asked, blocks::resize("disk-4.0", 4 << 20));
                answer.into_iter().for_each(|answer| writeln!(stream, "{answer}").unwrap());
            });
            let done = disk.grow(Size::bytes(4 << 20));
            done.map_or_else(|fault| [fault.message, fault.hint.unwrap_or_default()].join(" | "), |()| "done".into())
        })
    }

    #[test]
    fn a_disk_grows_if_its_qemu_says_so_and_never_shrinks() {
        assert_eq!(grown(1 << 20, Some("{\"return\": {}, \"id\": \"resize\"}")), "done");
        assert_eq!(
            grown(1 << 20, Some("{\"error\": {\"desc\": \"No space left on device\"}, \"id\": \"resize\"}")),
            "QEMU does not give /vm/a.img 4M: No space left on device | the disk of a machine that does not run can be changed: `vmrun \
             stop` stops it"
        );
        assert_eq!(grown(8 << 20, None), "/vm/a.img has 8 MiB meanwhile: 4M would be less | call it again");
        assert_eq!(
            grown(1 << 20, None),
            "the QEMU that has /vm/a.img does not answer | call it again: another one may have asked it something just now"
        );
    }
}
