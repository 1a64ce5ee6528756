//! ssh to the guests of machines: the installed ssh and scp, told where a guest is and by which key it is known. A key that is not
//! known before is never taken for the guest's.

pub(crate) mod copies;
pub(crate) mod offered;

use super::address::{self, Addresses};
use super::display::CONNECT;
use super::installation::Installation;
use super::instances::Asked;
use super::inventory::Entry;
use super::machines::machines;
use super::recipe::{RecipeRequest, absolute, is_recipe};
use super::remote::{Remote, failure};
use super::search::{HostQuery, Listener, elsewhere};
use super::status;
use crate::client::banner;
use crate::client::ssh::{Answer, Asking};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::files::{self, fill_as};
use crate::host::handover::{hand_over, own_program};
use crate::host::log::after;
use crate::host::signals::Signals;
use crate::model::argv::quote;
use crate::model::{AddressSource, Argv, FoundAddress, HostKey, SSH_PORT, SshOptions, VmName, host_key_algorithms};
use crate::supervise::recovery;
use crate::supervise::status::ssh_options;
use copies::{Copies, CopyEnd};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether a guest answers.
const LOOK: Duration = Duration::from_millis(500);

/// A guest as ssh is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshGuest {
    /// The machine.
    pub name: VmName,
    /// Where its sshd is.
    place: SocketAddr,
    /// Who logs in, and by which key.
    ssh: SshOptions,
    /// The host that leads there.
    jump: Option<Remote>,
    /// The file that says by which key the guest is known.
    known_hosts: PathBuf,
    /// The keys in it.
    keys: Vec<HostKey>,
    /// This program, which says what it means where that is another key.
    program: Option<PathBuf>,
}

/// How a guest is asked for.
pub(crate) struct SshQuery<'a> {
    /// The machine, by name or by recipe.
    pub machine: &'a str,
    /// The hosts that may run it, if it does not run here.
    pub hosts: HostQuery,
    /// How long it is waited until its sshd answers; not at all where that is nothing.
    pub wait: Option<Duration>,
}

/// What is known of a guest, wherever it runs.
struct Known {
    name: VmName,
    found: Result<FoundAddress, Fault>,
    ssh: SshOptions,
    keys: Vec<HostKey>,
    jump: Option<Remote>,
}

impl SshGuest {
    /// Finds the guest of a machine that runs; `waits` is told once that it is waited for.
    pub(crate) fn find(
        query: &SshQuery<'_>,
        waits: &dyn Fn(&VmName),
        listener: Listener<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let Some(within) = query.wait else { return Ok(look(query, listener)?.guest()?) };
        let (until, signals) = (Instant::now() + within, Signals::install()?);
        let mut is_told = false;
        loop {
            let known = look(query, &mut *listener)?;
            let name = known.name.clone();
            // The key may stand on the console only when the sshd is about to begin.
            let guest = known.guest();
            let left = until.saturating_duration_since(Instant::now());
            match guest {
                Ok(guest) if guest.answers(left.min(CONNECT)) => return Ok(guest),
                Ok(guest) if left.is_zero() => return Err(silent(&guest, within).into()),
                Err(fault) if left.is_zero() => return Err(fault.into()),
                Ok(_) | Err(_) => {}
            }
            if !std::mem::replace(&mut is_told, true) {
                waits(&name);
            }
            signals.pause(until.min(Instant::now() + LOOK))?;
        }
    }

    /// Whether its sshd answers. That of a guest behind another host is that host's to ask.
    fn answers(&self, within: Duration) -> bool {
        self.jump.is_some() || banner::greets(self.place, within)
    }

    /// The options that ssh and scp share.
    fn options(&self) -> Vec<String> {
        let mut options = vec![
            format!("-oUserKnownHostsFile={}", quoted(&self.known_hosts)),
            "-oGlobalKnownHostsFile=/dev/null".into(),
            "-oStrictHostKeyChecking=yes".into(),
            "-oUpdateHostKeys=no".into(),
            "-oCheckHostIP=no".into(),
            format!("-oHostKeyAlias={}", alias(&self.name)),
        ];
        if let Some(program) = &self.program {
            // ssh would ask that program for keys that it knows before it says hello, to find this order by itself.
            options.push(format!("-oHostKeyAlgorithms={}", host_key_algorithms(&self.keys)));
            options.extend(offered::options(program, &self.name, &self.known_hosts));
        }
        if let Some(identity) = &self.ssh.identity {
            // By `-i` a per cent sign would be a token, and an agent with many keys would use up all tries before this one.
            options.extend([format!("-oIdentityFile={}", quoted(identity.as_path())), "-oIdentitiesOnly=yes".into()]);
        }
        if let Some(jump) = &self.jump {
            options.extend(["-J".into(), written(jump)]);
        }
        options
    }

    /// Returns the command that runs a command there, or a shell.
    pub(crate) fn ssh(&self, command: &[String]) -> Argv {
        let argv = Argv::new("ssh").args(self.options());
        let argv = if self.place.port() == SSH_PORT { argv } else { argv.arg("-p").arg(self.place.port()) };
        let argv = self.ssh.user.iter().fold(argv, |argv, user| argv.arg("-l").arg(user));
        argv.arg("--").arg(self.place.ip()).args(command)
    }

    /// Returns the command that copies files; what is `NAME:PATH` is there.
    pub(crate) fn scp(&self, copies: &Copies) -> Argv {
        let argv = Argv::new("scp").args(self.options());
        let argv = if copies.is_recursive { argv.arg("-r") } else { argv };
        let argv = if self.place.port() == SSH_PORT { argv } else { argv.arg("-P").arg(self.place.port()) };
        let user = self.ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let ip = if self.place.is_ipv6() { format!("[{}]", self.place.ip()) } else { self.place.ip().to_string() };
        let place = |end: &CopyEnd| match end {
            CopyEnd::There(path) => format!("{user}{ip}:{path}"),
            CopyEnd::Here(path) => path.clone(),
        };
        argv.arg("--").args(copies.ends.iter().map(place))
    }

    /// Returns the lines of a configuration of ssh (ssh_config(5)).
    pub(crate) fn config(&self) -> String {
        let mut lines = vec![
            format!("Host {}", self.name),
            format!("  HostName {}", self.place.ip()),
            format!("  Port {}", self.place.port()),
            format!("  HostKeyAlias {}", alias(&self.name)),
            format!("  UserKnownHostsFile {}", quoted(&self.known_hosts)),
            "  GlobalKnownHostsFile /dev/null".into(),
            "  StrictHostKeyChecking yes".into(),
            "  UpdateHostKeys no".into(),
            "  CheckHostIP no".into(),
        ];
        lines.extend(self.ssh.user.as_ref().map(|user| format!("  User {user}")));
        if let Some(identity) = &self.ssh.identity {
            lines.extend([format!("  IdentityFile {}", quoted(identity.as_path())), "  IdentitiesOnly yes".into()]);
        }
        lines.extend(self.jump.as_ref().map(|jump| format!("  ProxyJump {}", written(jump))));
        lines.join("\n")
    }
}

/// Becomes that command; comes back only with the reason why not.
pub(crate) fn become_command(command: &Argv) -> Fault {
    tracing::debug!("{command}");
    hand_over(command, None)
}

/// By what name a guest's key is known, whatever its address is.
fn alias(name: &VmName) -> String {
    format!("vmrun-{name}")
}

/// A path as ssh's configuration has it: in quotes, and with what would be a token twice (ssh_config(5)).
fn quoted(path: &Path) -> String {
    let path = path.display().to_string().replace('%', "%%");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-%+@".contains(c);
    if path.chars().all(is_plain) { path } else { format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// A host as `-J` takes it: `[user@]host[:port]`.
fn written(host: &Remote) -> String {
    let Some(port) = host.port else { return host.destination.clone() };
    let (user, place) =
        host.destination.rsplit_once('@').map_or(("", &*host.destination), |(user, place)| (user, place));
    let at = if user.is_empty() { "" } else { "@" };
    if place.contains(':') { format!("{user}{at}[{place}]:{port}") } else { format!("{user}{at}{place}:{port}") }
}

/// Looks for a machine here, and then on the hosts that are asked by ssh.
fn look(query: &SshQuery<'_>, listener: Listener<'_>) -> Result<Known, Vec<Diagnostic>> {
    let here = here(query.machine);
    let (Err(_), Some((remote, name))) = (&here, there(query, here.is_err(), listener)?) else { return here };
    let within = query.hosts.timeout.max(CONNECT);
    let answer = Asking::begin(&[remote.question(false, within)]).wait(Instant::now() + within, |_| false);
    let text = match answer.into_iter().next() {
        Some(Answer::Ended(0, text, _)) => text,
        Some(Answer::Ended(status, _, said)) => {
            let why = failure(&remote, status, &said);
            return Err(Fault::host(format!("{} cannot be asked: {why}", remote.destination)).into());
        }
        Some(Answer::Failed(why)) => return Err(Fault::host(why).into()),
        Some(Answer::Silent) | None => return Err(Fault::host(format!("{} did not answer", remote.destination)).into()),
    };
    let name: VmName = name.parse()?;
    let one = read_machine(&text, &name);
    let unknown = || {
        let fault = Fault::host(format!("{} does not tell where the guest of {name} is", remote.destination));
        fault.hint(format!("`vmrun status {name}` there says what is known; its vmrun may be an older one"))
    };
    let (found, ssh) = one.unwrap_or_default();
    let keys = ssh.host_key.clone().into_iter().collect();
    let found = found.ok_or_else(unknown);
    Ok(Known { name, found, ssh, keys, jump: Some(remote) })
}

/// The host that runs a machine which does not run here.
fn there(
    query: &SshQuery<'_>,
    is_needed: bool,
    listener: Listener<'_>,
) -> Result<Option<(Remote, String)>, Vec<Diagnostic>> {
    if is_needed { elsewhere(query.machine, &query.hosts, true, listener) } else { Ok(None) }
}

/// Reads what `vmrun list --json` of another host tells of a guest.
fn read_machine(text: &str, name: &VmName) -> Option<(Option<FoundAddress>, SshOptions)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let is_it = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(name.as_str());
    let one = value.get("machines")?.as_array()?.iter().find(is_it)?;
    let ssh = one.get("ssh").map(ssh_options).unwrap_or_default();
    let ip = one.get("address").and_then(|text| text.as_str()?.parse().ok());
    let found = |ip| FoundAddress { ip, port: ssh.port.unwrap_or(SSH_PORT), source: AddressSource::Recipe };
    Some((ip.map(found), ssh.clone()))
}

/// A machine of this host that runs, and where its guest is.
fn here(machine: &str) -> Result<Known, Vec<Diagnostic>> {
    let (name, mut one) = running_machine(machine)?;
    Addresses::new(&Installation::open()?).locate(&mut one);
    Ok(Known::of(name, &one))
}

/// Finds a machine of this host that runs, by name or by recipe.
pub(super) fn running_machine(machine: &str) -> Result<(VmName, Entry), Vec<Diagnostic>> {
    let mut all = machines()?;
    let asked = Asked::read(machine)?;
    let wanted = if is_recipe(&asked.name) { named(&all, machine, &asked)? } else { machine.to_string() };
    let at = status::find(&all, &wanted)?;
    let one = all.swap_remove(at);
    let name: VmName = one.name.clone().unwrap_or(wanted).parse()?;
    if one.process.is_none() {
        return Err(recovery::not_running(&name).into());
    }
    Ok((name, one))
}

/// Returns the name of the machine of a recipe that runs.
fn named(all: &[Entry], recipe: &str, asked: &Asked) -> Result<String, Fault> {
    let path = absolute(&asked.name);
    let is_its = |one: &&Entry| one.recipe.as_ref() == Some(&path) && asked.has(one.instance.as_deref());
    let names: Vec<&str> = all.iter().filter(is_its).filter_map(|one| one.name.as_deref()).collect();
    match names.as_slice() {
        [name] => Ok((*name).into()),
        [] => {
            // One that is not there starts nothing.
            RecipeRequest::new(&asked.name, false, &[], false).is_there()?;
            let fault = Fault::host(format!("no machine of {recipe} runs here"));
            Err(fault.hint(format!("`vmrun start {}` starts it", quote(recipe))))
        }
        [..] => {
            let fault = Fault::usage(format!("several machines of {recipe} run: {}", names.join(", ")));
            Err(fault.hint("name one of them"))
        }
    }
}

impl Known {
    fn of(name: VmName, one: &Entry) -> Self {
        let status = one.status.as_ref();
        let ssh = status.map(|status| status.ssh.clone()).unwrap_or_default();
        let keys = match &ssh.host_key {
            Some(key) => vec![key.clone()],
            // The log has what the console says, if that is kept.
            None => status.map(|status| console_keys(&after(Path::new(&status.log), 0))).unwrap_or_default(),
        };
        let found = one.address.ok_or_else(|| address::unknown(name.as_str(), &one.shape));
        Self { name, found, ssh, keys, jump: None }
    }

    /// Writes down by which key the guest is known.
    fn guest(self) -> Result<SshGuest, Fault> {
        let found = self.found?;
        if self.keys.is_empty() {
            return Err(no_key(&self.name));
        }
        let settings = super::settings::settings(super::settings::platform()?, false)?;
        let known_hosts = settings.known_hosts_file(&self.name);
        let lines: String = self.keys.iter().map(|key| format!("{} {key}\n", alias(&self.name))).collect();
        let text = format!(
            "# The host key of the guest of {0}, as its recipe or its console says it: `vmrun ssh {0}` writes this anew. If ssh\n\
             # refuses another one, something else answers at the guest's address, or the guest was installed anew: then its new\n\
             # key belongs into the recipe, `ssh: #{{ host_key }}`.\n{lines}",
            self.name
        );
        if files::read_text(&known_hosts).ok().as_deref() != Some(&text) {
            files::make_folder(&settings.state, Some(0o755))?;
            files::replace(&known_hosts, |file| fill_as(file, &text, Some(0o644)))?;
        }
        Ok(SshGuest {
            name: self.name,
            place: found.socket(),
            ssh: self.ssh,
            jump: self.jump,
            known_hosts,
            keys: self.keys,
            program: own_program(),
        })
    }
}

/// The keys that cloud-init has written to a console (its module keys-to-console), the last time that it did.
fn console_keys(log: &str) -> Vec<HostKey> {
    const BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
    const END: &str = "-----END SSH HOST KEY KEYS-----";
    let Some((_, rest)) = log.rsplit_once(BEGIN) else { return Vec::new() };
    let Some((keys, _)) = rest.split_once(END) else { return Vec::new() };
    keys.lines().filter_map(|line| line.trim().parse().ok()).take(8).collect()
}

/// The fault of a guest whose key nobody knows.
fn no_key(name: &VmName) -> Fault {
    let fault = Fault::host(format!(
        "the host key of {name} is not known: ssh could not tell whether it is {name} that answers"
    ));
    fault.hint(format!(
        "in its recipe `let key = ssh_host_key(\"{name}.key\");`, `ssh_host_key: key` for cloud_seed and \
         `ssh: #{{ host_key: key.public_key }}` for bhyve; or `ssh: #{{ host_key: \"ssh-ed25519 …\" }}` with the line of \
         /etc/ssh/ssh_host_ed25519_key.pub in the guest, which `vmrun console {name}` shows"
    ))
}

/// The fault of a guest whose sshd has not answered.
fn silent(guest: &SshGuest, within: Duration) -> Fault {
    let (name, place) = (&guest.name, guest.place);
    let fault = Fault::host(format!("no sshd answered at {place}, where {name} is, within {within:?}"));
    fault.blame(Blame::Guest).hint(format!("`vmrun console {name}` or `vmrun logs {name}` shows what the guest does"))
}

/// Returns the machines of this host that run, by name.
pub(crate) fn running() -> Result<Vec<String>, Fault> {
    let runs = |one: Entry| one.name.filter(|_| one.process.is_some() && one.status.is_some());
    Ok(machines()?.into_iter().filter_map(runs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guest() -> SshGuest {
        SshGuest {
            name: "web".parse().unwrap(),
            place: "[fd00::5]:2222".parse().unwrap(),
            ssh: SshOptions {
                user: "debian".parse().ok(),
                identity: "/home/a b/50%/id".parse().ok(),
                ..SshOptions::default()
            },
            jump: "ssh://root@vm6:2022".parse().ok(),
            known_hosts: "/run/a b/.web.known_hosts".into(),
            keys: Vec::new(),
            program: None,
        }
    }

    fn copies(line: &str) -> Result<Copies, Fault> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        Copies::read(&words, true)
    }

    #[test]
    fn ssh_and_scp_are_told_where_the_guest_is_and_by_which_key_it_is_known() {
        let options = "'-oUserKnownHostsFile=\"/run/a b/.web.known_hosts\"' -oGlobalKnownHostsFile=/dev/null -oStrictHostKeyChecking=yes \
                       -oUpdateHostKeys=no -oCheckHostIP=no -oHostKeyAlias=vmrun-web '-oIdentityFile=\"/home/a b/50%%/id\"' -oIdentitiesOnly=yes -J root@vm6:2022";
        let command = ["uname".to_string(), "-a".to_string()];
        assert_eq!(guest().ssh(&command).to_string(), format!("ssh {options} -p 2222 -l debian -- fd00::5 uname -a"));
        let scp = |line: &str| guest().scp(&copies(line).unwrap()).to_string();
        assert_eq!(scp("a ./b:c web:/tmp/"), format!("scp {options} -r -P 2222 -- a ./b:c 'debian@[fd00::5]:/tmp/'"));
        assert_eq!(
            scp("web:a web: ."),
            format!("scp {options} -r -P 2222 -- 'debian@[fd00::5]:a' 'debian@[fd00::5]:' .")
        );
    }

    #[test]
    fn keys_of_a_console_are_those_that_cloud_init_wrote_last() {
        let key = |fill: &str| format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}", fill.repeat(43));
        let block = |key: &str| {
            format!(
                "x\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n{key} root@web\r\nnoise\r\n-----END SSH HOST KEY KEYS-----\r\n"
            )
        };
        let shown = |text: &str| console_keys(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown(&format!("{}{}", block(&key("A")), block(&key("B")))), [key("B")]);
        assert_eq!(shown("-----BEGIN SSH HOST KEY KEYS-----\n"), [""; 0]);
        assert_eq!(shown(""), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(-----(BEGIN|END) SSH HOST KEY KEYS-----|[a-z:/ \n]|\\PC){0,40}") {
            let _ = (console_keys(&text), copies(&text), read_machine(&text, &"web".parse().unwrap()), quoted(Path::new(&text)));
        }
    }
}
