//! kill(1) as sh(1) of FreeBSD has it in itself, for the replay of what one answered.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::exit::{EPERM, Exit, Step, warn};
use crate::state::is_root;

/// The signals in FreeBSD's order.
const SIGNALS: &str = "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM URG\n\
                       STOP TSTP CONT CHLD TTIN TTOU IO XCPU XFSZ VTALRM PROF WINCH INFO USR1 USR2";

/// Runs `kill [-SIGNAL] PID…`; 0 only asks.
pub(crate) fn run(args: &[String]) -> Step<u8> {
    let (name, pids) = match args {
        [first, rest @ ..] if first.starts_with('-') => (&first[1..], rest),
        all => ("TERM", all),
    };
    let signal = signal(name)?;
    let mut status = 0;
    for text in pids {
        let Ok(pid) = text.parse::<i32>() else {
            return Err(Exit::new(2, format!("kill: illegal process id: {text}")));
        };
        let pid = Pid::from_raw(pid);
        let sent = kill(pid, None).and_then(|()| if is_root() { kill(pid, signal) } else { Err(Errno::EPERM) });
        if let Err(errno) = sent {
            warn(format!("kill: {text}: {}", if errno == Errno::EPERM { EPERM } else { "No such process" }));
            status = 1;
        }
    }
    Ok(status)
}

/// The signal of a name or a number; none for 0.
fn signal(name: &str) -> Step<Option<Signal>> {
    let named = || format!("SIG{}", name.to_ascii_uppercase()).parse().ok();
    match name.parse::<i32>() {
        Ok(0) => Ok(None),
        Ok(9) => Ok(Some(Signal::SIGKILL)),
        Ok(15) => Ok(Some(Signal::SIGTERM)),
        _ => named()
            .map(Some)
            .ok_or_else(|| Exit::new(2, format!("kill: unknown signal {name}; valid signals:\n{SIGNALS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::signal;
    use nix::sys::signal::Signal;

    #[test]
    fn signals_have_names_and_some_have_numbers() {
        assert_eq!(signal("0").unwrap(), None);
        assert_eq!((signal("9").unwrap(), signal("usr1").unwrap()), (Some(Signal::SIGKILL), Some(Signal::SIGUSR1)));
        assert!(
            signal("NONSENSE").unwrap_err().lines[0].starts_with("kill: unknown signal NONSENSE; valid signals:\nHUP")
        );
    }
}
