//! A volume that comes as a stream of zfs-send(8), and is received by zfs(8).

use super::zfs;
use crate::diag::Fault;
use crate::host::files::reason;
use crate::host::piped::Fed;
use crate::host::program::run;
use crate::host::signals::Signals;
use crate::image::archive::AGAIN;
use crate::model::Argv;
use crate::model::volume::Volume;
use std::io::{self, Write as _};
use std::process::Stdio;

/// The snapshot with which a volume is received, which goes then.
const CAME: &str = "vmrun-import";

/// A volume that zfs(8) receives.
pub(super) struct Received<'a> {
    volume: Volume,
    /// The name that it gets.
    named: String,
    receive: Argv,
    input: Fed<'a>,
}

impl<'a> Received<'a> {
    /// Begins it. Nothing is mounted, if it should be a filesystem, and its snapshot has our name: a stream of several is refused then
    /// (`zfs_receive_one`, libzfs_sendrecv.c). One that ends early, or is wrong, leaves nothing.
    pub(super) fn start(volume: Volume, named: String, signals: &'a Signals) -> Result<Self, Fault> {
        let receive = zfs("receive").args(["-u", "-o", "volmode=dev"]);
        let compression = volume.compression.iter();
        let receive = compression.fold(receive, |argv, how| argv.arg("-o").arg(format!("compression={how}")));
        let receive = receive.arg(format!("{}@{CAME}", volume.name));
        let input = Fed::start(&receive, Stdio::null(), signals)?;
        Ok(Self { volume, named, receive, input })
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.input.write_all(bytes).or_else(|why| match why.kind() {
            // Who takes no more has ended, and says why.
            io::ErrorKind::BrokenPipe => {
                self.ended().and(Err(Fault::host(format!("`{}` takes no more", self.receive))))
            }
            _ => Err(Fault::host(format!("`{}` takes no more: {}", self.receive, reason(&why)))),
        })
    }

    /// Waits until it is received: it is a volume then, and without the snapshot that it came with.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.ended()?;
        let Volume { name, size, is_sparse, .. } = &self.volume;
        let is = run(&zfs("get").args(["-Hp", "-o", "value", "type,volsize"]).arg(name))?;
        if is.trim() != format!("volume\n{}", size.get()) {
            let fault = Fault::host(format!("the stream of {} is of no volume of {size}", self.named));
            return Err(fault.hint(AGAIN));
        }
        run(&zfs("destroy").arg(format!("{name}@{CAME}")))?;
        if !is_sparse {
            run(&zfs("set").arg("refreservation=auto").arg(name))?;
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<(), Fault> {
        self.input.end().map_err(|why| {
            let why = why.unwrap_or_else(|| "it says nothing".into());
            let fault = Fault::host(format!("`{}` failed: {why}", self.receive));
            // libzfs_sendrecv.c, zfs_receive_one: ENOTSUP.
            if why.contains("must be upgraded to receive this stream") {
                return fault.hint("`zpool upgrade` tells what the pool lacks; or export it without --zfs-send");
            }
            fault
        })
    }
}
