//! The two processes of an enclosure.

use super::calm::wait_for_calm;
use super::tree::{Above, StepResult, Tree};
use super::written::written;
use super::{INNER, INSIDE, OUTER, VARIABLE, usual_path};
use crate::diag::may_fail::MayFail as _;
use crate::host::environment::command;
use crate::host::signals::Signals;
use crate::recording::journal::{read_scenario, write_written};
use crate::recording::{FileState, Scenario};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout, getegid, geteuid, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};

/// What root in an enclosure may do: all that concerns files and processes of its own, and nothing that is the kernel's, as to mount, to make
/// devices, to load modules and to set the clock.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SETFCAP);

pub(super) fn enter() -> Option<ExitCode> {
    let mut args = std::env::args_os();
    let name = args.next()?;
    let act: fn(&Path, &[OsString], &mut UnixStream) -> StepResult<()> = match name.to_str()? {
        OUTER => leave,
        INNER => be_first,
        _ => return None,
    };
    let folder = PathBuf::from(args.next()?);
    let script: Vec<OsString> = args.collect();
    let mut talk = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
    Some(match act(&folder, &script, &mut talk) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            talk.write_all(format!("refused {}\n", why.replace('\n', " ")).as_bytes())
                .may_fail("nobody is left to tell");
            ExitCode::FAILURE
        }
    })
}

/// Leaves the namespaces of the host, and waits for the first process of the new ones.
fn leave(folder: &Path, script: &[OsString], _: &mut UnixStream) -> StepResult<()> {
    let us = std::env::current_exe().map_err(|why| format!("find this program: {why}"))?;
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(flags).map_err(|why| format!("namespaces are refused (unshare: {})", why.desc()))?;
    } else {
        flags |= CloneFlags::CLONE_NEWUSER;
        unshare(flags).map_err(|why| format!("user namespaces are refused (unshare: {})", why.desc()))?;
        // As in user_namespaces(7): an ordinary user has a group of his own only where setgroups(2) is given up.
        for (name, text) in
            [("setgroups", "deny".into()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))]
        {
            let path = Path::new("/proc/self").join(name);
            let written =
                OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|why| format!("{}: {why}", path.display()))?;
        }
    }
    let mut first = command(us);
    first.arg0(INNER).arg(folder).arg(if user.is_root() { "root" } else { "user" }).args(script);
    let mut child = first.spawn().map_err(|why| format!("start the first process: {why}"))?;
    let_go();
    child.wait().map_err(|why| format!("wait for the first process: {why}"))?;
    Ok(())
}

/// Leaves the script's standard output and error to it alone, so that their end is seen.
fn let_go() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        dup2_stdout(&null).and_then(|()| dup2_stderr(&null)).may_fail("they are open, and so is this");
    }
}

/// Is the first process of the enclosure: makes what the script sees, starts it, and ends all of it when nobody listens any more.
fn be_first(folder: &Path, args: &[OsString], talk: &mut UnixStream) -> StepResult<()> {
    let us = std::env::current_exe().map_err(|why| format!("find this program: {why}"))?;
    let cwd = std::env::current_dir().map_err(|why| format!("find the folder: {why}"))?;
    let Some((user, [program, words @ ..])) = args.split_first() else {
        return Err("there is no command".into());
    };
    let signals = Signals::install().map_err(|fault| fault.to_string())?;
    setsid().map_err(|why| format!("setsid: {}", why.desc()))?;
    loopback_up().may_fail("a network without it is one without addresses");
    let setting = scenario(folder).unwrap_or_default();
    let tree = Tree::enter(folder, &Above::new(&us, &cwd, &setting, user == "user"))?;
    std::env::set_current_dir(&cwd).map_err(|why| format!("{} is not to be seen in it: {why}", cwd.display()))?;
    for file in &setting.files {
        put(file, setting.content_of(&file.path)).map_err(|why| format!("{}: {why}", file.path))?;
    }
    if stderr_is_socket() {
        reopen_null().map_err(|why| format!("/dev/stderr: {why}"))?;
    }
    count_up(setting.processes_before);
    give_up_rights().map_err(|why| format!("give up rights: {why}"))?;
    let mut command = command(program);
    let path = usual_path();
    command
        .args(words)
        .env("PATH", format!("{INSIDE}/bin:{path}"))
        .env(VARIABLE, INSIDE)
        .stdin(input(setting.has_input).map_err(|why| format!("a pipe: {why}"))?)
        .process_group(0);
    let said = match command.spawn() {
        Err(why) => format!("failed {}", why.raw_os_error().unwrap_or(Errno::ENOENT as i32)),
        Ok(script) => {
            let_go();
            let Some(status) = wait(&signals, talk, i32::try_from(script.id()).unwrap_or_default()) else {
                wait_for_calm(talk);
                end_all();
                return Ok(());
            };
            format!("ended {}", status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
        }
    };
    talk.write_all(format!("{said}\n").as_bytes()).map_err(|why| why.to_string())?;
    while wait(&signals, talk, 0).is_some() {}
    wait_for_calm(talk);
    end_all();
    talk.write_all(&write_written(&written(&tree))).map_err(|why| why.to_string())
}

/// Returns the standard input of the script: nothing, or lines that answer whatever it asks.
fn input(is_there: bool) -> io::Result<Stdio> {
    if !is_there {
        return Ok(Stdio::null());
    }
    let (reader, mut writer) = io::pipe()?;
    writer.write_all("y\n".repeat(50).as_bytes())?;
    Ok(reader.into())
}

/// The most numbers that are passed over.
const PASSED_MAX: usize = 1000;

/// Has the next process a number as after so many others: a thread has one of them (pid_namespaces(7)).
fn count_up(processes: usize) {
    for _ in 0..processes.min(PASSED_MAX) {
        std::thread::spawn(|| {}).join().may_fail("it does nothing");
    }
}

/// Whether each process that writes to standard error is told apart.
fn stderr_is_socket() -> bool {
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|meta| meta.file_type().is_socket())
}

/// Has `/dev/stderr` lead nowhere: a socket cannot be opened, and what is written there by that name is no shell's that tells of its commands.
#[expect(clippy::disallowed_methods, reason = "this is the door: the enclosure's files are given up with it")]
fn reopen_null() -> io::Result<()> {
    std::fs::remove_file("/dev/stderr")?;
    symlink("null", "/dev/stderr")
}

/// Returns what a recording begins with, by its folder.
fn scenario(folder: &Path) -> Option<Scenario> {
    read_scenario(&std::fs::read(folder.join("setting")).ok()?)
}

/// Has a file be there with some content, or not be there.
#[expect(clippy::disallowed_methods, reason = "this is the door: the enclosure's files are given up with it")]
fn put(state: &FileState, content: &[u8]) -> io::Result<()> {
    let path = Path::new(&state.path);
    if !state.is_there {
        return match std::fs::remove_file(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
    }
    if state.is_folder {
        return std::fs::create_dir_all(path);
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    if state.is_socket {
        // It stays when nobody listens any more.
        return std::os::unix::net::UnixListener::bind(path).map(drop);
    }
    // A test may be for one that can be run.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path)?.write_all(content)
}

/// Waits for a child, and for all whose parents are gone. Nothing when nobody listens any more.
fn wait(signals: &Signals, talk: &UnixStream, child: i32) -> Option<ExitStatus> {
    loop {
        signals.forget_children();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == child => {
                    return Some(ExitStatus::from_raw(code << 8));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == child => {
                    return Some(ExitStatus::from_raw(signal as i32));
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                _ => {}
            }
        }
        let mut fds =
            [PollFd::new(talk.as_fd(), PollFlags::POLLIN), PollFd::new(signals.child_fd(), PollFlags::POLLIN)];
        // An interruption is that of a child's end.
        if poll(&mut fds, PollTimeout::NONE).is_ok() && fds.first().and_then(PollFd::any) == Some(true) {
            return None;
        }
    }
}

/// Ends all other processes of the enclosure.
fn end_all() {
    kill(Pid::from_raw(-1), Signal::SIGKILL).may_fail("there may be no other process");
    while !matches!(waitpid(None, None), Err(Errno::ECHILD)) {}
}

/// Has no program that is started from here more rights than those in [`KEPT`], whoever starts it.
fn give_up_rights() -> rustix::io::Result<()> {
    for one in CapabilitySet::all().difference(KEPT).iter() {
        match remove_capability_from_bounding_set(one) {
            // An older kernel does not know all of them.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(why) => return Err(why),
        }
    }
    let ours = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..ours })
}

/// Has the loopback up (rtnetlink(7)): its index is 1 in every network.
fn loopback_up() -> nix::Result<()> {
    const LENGTH: u32 = 32;
    const NEW_LINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 5;
    const UP: u32 = 1;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACK.to_ne_bytes());
    // Its number, and the sender, which is us; then any family and any type.
    message.extend([0; 12]);
    message.extend(1_i32.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    recv(socket.as_raw_fd(), &mut [0; 256], MsgFlags::empty())?;
    Ok(())
}
