//! What another program writes to a file is brought to the disk while it still writes: when it has ended, less is left to wait for.

use std::fs::File;
use std::io;

/// Does something by which a file is written, and has what came on its way to the disk meanwhile. What went wrong with that is
/// returned beside what became of it: nobody is told it a second time (fsync(2), EIO).
#[cfg(target_os = "linux")]
pub(super) fn meanwhile<T>(file: &File, work: impl FnOnce() -> T) -> (T, io::Result<()>) {
    std::thread::scope(|scope| {
        let (goes_on, ended) = std::sync::mpsc::channel();
        let bringing = super::spawn::scoped(scope, move || bring(file, &ended));
        let done = work();
        drop(goes_on);
        // Without a thread all of it waits for the end.
        let brought = bringing.map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())));
        (done, brought)
    })
}

/// Does something by which a file is written. ZFS would write twice what is asked for so, into its log first (the intent log of zfsconcepts(7);
/// that it does with all of it is from memory): FreeBSD is left alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn meanwhile<T>(_: &File, work: impl FnOnce() -> T) -> (T, io::Result<()>) {
    (work(), Ok(()))
}

/// Brings to the disk what a file has more, until whoever writes it has ended.
#[cfg(target_os = "linux")]
fn bring(file: &File, ended: &std::sync::mpsc::Receiver<()>) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    use std::sync::mpsc::RecvTimeoutError;
    use std::time::Duration;

    /// How often it is looked.
    const LOOK: Duration = Duration::from_millis(10);
    /// How much more it has to be, in the units of stat(2).
    const BLOCKS: u64 = (16 << 20) / 512;

    let mut brought = 0;
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let blocks = file.metadata()?.blocks();
        if blocks.saturating_sub(brought) >= BLOCKS {
            file.sync_data()?;
            brought = blocks;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn what_is_written_meanwhile_is_all_there_and_its_outcome_comes_back() {
        let (file, megabyte) = (tempfile::tempfile().unwrap(), vec![1; 1 << 20]);
        let (done, brought) = meanwhile(&file, || {
            for at in 0..24_u64 {
                file.write_all_at(&megabyte, at << 20).unwrap();
                crate::host::wait::pause(nix::poll::PollTimeout::from(2_u8));
            }
            7
        });
        assert_eq!((done, brought.is_ok(), file.metadata().unwrap().len()), (7, true, 24 << 20));
        let (failed, _) = meanwhile(&file, || io::Result::<()>::Err(io::ErrorKind::Other.into()));
        assert!(failed.is_err());
    }
}
