//! A host that is asked by ssh: its own vmrun tells what runs there.

use super::inventory::EntryState;
use crate::diag::{Fault, shown};
use crate::model::Argv;
use serde_json::Value;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// How a host is written that is asked by ssh.
pub(crate) const SCHEME: &str = "ssh://";

/// Where ssh connects to: `ssh://host`, `ssh://user@host`, `ssh://user@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The host, with the user if one is named.
    pub destination: String,
    /// The port, if it is not the usual one.
    pub port: Option<u16>,
}

impl FromStr for Remote {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || {
            let fault = Fault::usage(format!("{text:?} is not a host to be asked by ssh"));
            fault.hint("write ssh://host, ssh://user@host or ssh://user@host:port")
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(fault)?;
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(fault)?)),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        // What begins with a dash would be an option.
        let is_word = |word: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:%".contains(&b);
            word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':') && word.bytes().all(is_plain)
        };
        if !is_word(host) || user.is_some_and(|user| !is_word(user)) {
            return Err(fault());
        }
        let port = port.map(|port| port.parse().map_err(|_| fault())).transpose()?;
        let destination = user.map_or_else(|| host.to_string(), |user| format!("{user}@{host}"));
        Ok(Self { destination, port })
    }
}

impl Remote {
    /// Returns the command that asks it what runs there, or also what is down. It asks nobody for a password, and gives up in time.
    pub(crate) fn question(&self, with_known: bool, within: Duration) -> Argv {
        let argv = self.ssh(within).arg("--").arg(&self.destination).args(["vmrun", "list", "--json"]);
        if with_known { argv.arg("--all") } else { argv }
    }

    /// Returns the command whose standard streams are a connection to an address that the host has.
    pub(crate) fn forward(&self, address: SocketAddr, within: Duration) -> Argv {
        self.ssh(within).arg("-W").arg(address).arg("--").arg(&self.destination)
    }

    /// Returns the command that runs a command there, on a terminal if ours is one.
    pub(crate) fn run(&self, command: &Argv, is_terminal: bool, within: Duration) -> Argv {
        let ssh = self.ssh(within);
        let ssh = if is_terminal { ssh.arg("-t") } else { ssh };
        // What ssh is given there is a line for a shell.
        ssh.arg("--").arg(&self.destination).arg(command)
    }

    /// Returns the command whose standard streams are those of a vmrun there. Of a connection that is dead it ends within a minute.
    pub(crate) fn peer(&self, words: &[&str], within: Duration) -> Argv {
        let ssh = self.ssh(within).args(["-oServerAliveInterval=15", "-oServerAliveCountMax=4"]);
        ssh.arg("--").arg(&self.destination).arg("vmrun").args(words)
    }

    /// Returns the command that leads a port of the host on which it is run to a place that this one has, until it is ended.
    pub(crate) fn lead(&self, port: u16, to: &str) -> Argv {
        let argv = Argv::new("ssh").arg("-N").arg("-L").arg(format!("127.0.0.1:{port}:{to}"));
        let argv = if let Some(port) = self.port { argv.arg("-p").arg(port) } else { argv };
        argv.arg("--").arg(&self.destination)
    }

    fn ssh(&self, within: Duration) -> Argv {
        let seconds = within.as_secs() + u64::from(within.subsec_nanos() > 0);
        let argv = Argv::new("ssh").arg("-oBatchMode=yes").arg(format!("-oConnectTimeout={}", seconds.max(1)));
        if let Some(port) = self.port { argv.arg("-p").arg(port) } else { argv }
    }
}

/// What a host told of its machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What the host calls itself.
    pub host: Option<String>,
    /// The second of 1970 in which it told that; earlier versions do not say.
    pub time: Option<u64>,
    /// Its machines, in any state.
    pub machines: Vec<ToldMachine>,
}

/// A machine that a host told of; what it did not tell is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldMachine {
    /// The machine's name there.
    pub name: Option<String>,
    /// The word of its state.
    pub state: String,
    /// Its hypervisor's process there, if it runs.
    pub pid: Option<u64>,
    /// Where its screen listens on that host, if it has one.
    pub console: Option<SocketAddr>,
    /// The digest of its recipe there.
    pub recipe_digest: Option<String>,
    /// All that was told of it.
    pub value: Value,
}

impl ToldMachine {
    /// Returns its name, if it runs.
    pub(crate) fn running(&self) -> Option<&str> {
        self.pid.and(self.name.as_deref())
    }

    /// Returns a whole number that was told of it.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.value.get(key)?.as_u64()
    }

    /// Returns how much of a processor it uses, in thousandths; what nobody can use is none.
    pub(crate) fn permille(&self) -> u64 {
        const PROCESSORS: f64 = 65_536.0;
        let percent = self.value.get("cpu").and_then(Value::as_f64).unwrap_or_default();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between these bounds")]
        let permille = (percent * 10.0).clamp(0.0, PROCESSORS * 1000.0) as u64;
        permille
    }

    /// Returns whether vmrun did not start it, as far as that host knows.
    pub(crate) fn is_foreign(&self) -> bool {
        self.state == EntryState::Foreign.word()
    }
}

impl Told {
    /// Takes the document of a list; nothing if it is something else.
    pub(crate) fn of(mut value: Value) -> Option<Self> {
        let Value::Array(machines) = value.get_mut("machines")?.take() else { return None };
        let machine = |value: Value| {
            let text = |key: &str| Some(value.get(key)?.as_str()?.to_string());
            ToldMachine {
                name: text("name"),
                state: text("state").unwrap_or_default(),
                pid: value.get("pid").and_then(Value::as_u64),
                console: text("vnc").and_then(|text| text.parse().ok()),
                recipe_digest: text("recipe_digest"),
                value,
            }
        };
        Some(Self {
            host: value.get("host").and_then(|host| Some(host.as_str()?.to_string())),
            time: value.get("time").and_then(Value::as_u64),
            machines: machines.into_iter().filter(Value::is_object).map(machine).collect(),
        })
    }
}

/// Reads what `vmrun list --json` prints. Nothing if it is something else.
pub fn read_list(text: &str) -> Option<Told> {
    Told::of(serde_json::from_str(text).ok()?)
}

/// What ssh(1) ends with where it fails itself (EXIT STATUS).
pub(crate) const SSH_FAILED: i32 = 255;

/// What a shell ends with that finds no such command (sh(1), EXIT STATUS).
pub(crate) const NOT_FOUND: i32 = 127;

/// Returns why a host did not answer, by the status of ssh and its standard error: one line.
pub(crate) fn failure(remote: &Remote, status: i32, said: &str) -> String {
    let mut lines = said.lines().map(printable).filter(|line| !line.is_empty());
    let destination = &remote.destination;
    if status == SSH_FAILED && said.contains("Host key verification failed") {
        return format!("its host key is not known here, or not the one that is known: see `ssh {destination}`");
    }
    if status == SSH_FAILED && said.contains("Permission denied") {
        return format!("it lets nobody in without a password: it needs a key of yours, see `ssh {destination}`");
    }
    if status == SSH_FAILED && said.contains("stdio forwarding failed") {
        return "nothing listens there any more, or its sshd forbids to forward (AllowTcpForwarding)".into();
    }
    if status == SSH_FAILED {
        return lines.next_back().unwrap_or_else(|| "ssh failed and did not say why".into());
    }
    if status == NOT_FOUND {
        return "it has no vmrun: install it there, or ask it by its screens, without ssh://".into();
    }
    if status == 0 {
        return "what it answered is no list of machines".into();
    }
    let line = lines.next().map(|line| line.strip_prefix("error: ").map_or_else(|| line.clone(), Into::into));
    line.unwrap_or_else(|| format!("its vmrun failed with status {status}"))
}

/// What another host says may hold anything.
fn printable(line: &str) -> String {
    line.chars().take(200).filter(|c| !shown::is_hidden(*c)).collect::<String>().trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_is_written_as_ssh_knows_it() {
        let argv =
            |text: &str| text.parse::<Remote>().unwrap().question(false, Duration::from_millis(1500)).to_string();
        let asks = |where_to: &str| format!("ssh -oBatchMode=yes -oConnectTimeout=2 {where_to} vmrun list --json");
        assert_eq!(argv("ssh://vm6"), asks("-- vm6"));
        assert_eq!(argv("ssh://root@192.168.2.6:2222"), asks("-p 2222 -- root@192.168.2.6"));
        assert_eq!(argv("ssh://a@[fd00::5]:22"), asks("-p 22 -- a@fd00::5"));
        let remote: Remote = "ssh://root@vm6:2222".parse().unwrap();
        let forward = |address: &str| remote.forward(address.parse().unwrap(), Duration::from_secs(5)).to_string();
        let leads = |to: &str| format!("ssh -oBatchMode=yes -oConnectTimeout=5 -p 2222 -W {to} -- root@vm6");
        assert_eq!(forward("127.0.0.1:5901"), leads("127.0.0.1:5901"));
        assert_eq!(forward("[::1]:5901"), leads("'[::1]:5901'"));
        for text in [
            "ssh://",
            "vm6",
            "ssh://-oProxyCommand=x",
            "ssh://a b",
            "ssh://x:y",
            "ssh://-l@x",
            "ssh://[fd00::5]x",
            "ssh://a;b",
        ] {
            let fault = text.parse::<Remote>().unwrap_err();
            assert_eq!(fault.message, format!("{text:?} is not a host to be asked by ssh"));
        }
    }

    #[test]
    fn a_host_tells_what_runs_there_or_why_not_in_one_line() {
        let text = r#"{"machines": [{"name": "web", "pid": 5, "vnc": "10.0.0.6:5901", "state": "running"},
            {"name": "db", "pid": null}, {"name": null, "pid": 7}, {"name": "lab", "pid": 8, "vnc": null}], "host": "vm6"}"#;
        let told = read_list(text).unwrap();
        let running: Vec<_> = told.machines.iter().filter_map(|one| Some((one.running()?, one.console))).collect();
        assert_eq!(running, [("web", "10.0.0.6:5901".parse().ok()), ("lab", None)]);
        assert_eq!((told.host.as_deref(), told.time, told.machines.len()), (Some("vm6"), None, 4));
        assert_eq!((read_list("[]"), read_list("{\"machines\": 5}")), (None, None));
        let remote: Remote = "ssh://root@vm6".parse().unwrap();
        let refused = "ssh: connect to host vm6 port 22: Connection refused\r\n";
        assert_eq!(failure(&remote, 255, refused), "ssh: connect to host vm6 port 22: Connection refused");
        assert_eq!(failure(&remote, 255, ""), "ssh failed and did not say why");
        let old = "error: cannot read the recipe list: there is no such file\n | \n";
        assert_eq!(failure(&remote, 1, old), "cannot read the recipe list: there is no such file");
        assert_eq!(failure(&remote, 3, "\u{1b}[31m\n"), "[31m");
        assert_eq!(failure(&remote, 3, ""), "its vmrun failed with status 3");
    }

    proptest! {
        #[test]
        fn whatever_a_host_says_is_one_line(text in "(.|\n){0,80}", status in 0_i32..256, host in "ssh://.{0,20}") {
            let _ = read_list(&text);
            let remote = host.parse().unwrap_or(Remote { destination: "x".into(), port: None });
            prop_assert!(!remote.destination.starts_with('-'));
            prop_assert_eq!(failure(&remote, status, &text).lines().count(), 1);
        }
    }
}
