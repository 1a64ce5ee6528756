//! `vmrun ssh`, `vmrun cp` and `vmrun ssh-config`: the installed ssh and scp, told where a guest is.

use super::find::{HostArgs, tell};
use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::model::VmName;
use crate::ops::ssh::copies::Copies;
use crate::ops::ssh::offered::wrong_key;
use crate::ops::ssh::{SshGuest, SshQuery, become_command, running};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = SSH)]
pub(super) struct SshArgs {
    /// The machine, by name or by recipe
    machine: String,
    #[command(flatten)]
    reach: ReachArgs,
    /// What is run there, instead of a shell
    #[arg(last = true)]
    command: Vec<String>,
}

const SSH: &str = "\
Where the guest is: `ssh: #{ address }` of its recipe, a port that its `hostfwd` forwards, a lease of a DHCP server of this
host (config.toml may name their files: `leases`), or a neighbour of this host, by the hardware address of its card. By which
key it is known: `ssh: #{ host_key }`, or what cloud-init has written to the console that is in its log. A guest whose key is
not known is not spoken to. On another host (ssh://HOST) it is reached by way of that.

The exit code is that of ssh.";

#[derive(Args)]
#[command(after_help = CP)]
pub(super) struct CpArgs {
    /// The files, and last where to; NAME:PATH is in the guest of a machine
    #[arg(required = true, num_args = 2.., value_name = "[NAME:]FILE")]
    files: Vec<String>,
    /// Copy folders with what is in them
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

const CP: &str = "\
It is scp, told where the guest is as ssh is (see `vmrun ssh --help`). A file of this host whose name has a colon is written
./a:b. The exit code is that of scp.";

#[derive(Args)]
#[command(after_help = CONFIG)]
pub(super) struct SshConfigArgs {
    /// The machines, by name or by recipe; else those of this host that run in the background
    machines: Vec<String>,
    #[command(flatten)]
    hosts: HostArgs,
}

const CONFIG: &str = "\
What it prints is what ~/.ssh/config may include, so that `ssh web`, `scp` and others find the guest. Addresses may change;
then it is printed anew.";

/// How a guest is reached.
#[derive(Args)]
struct ReachArgs {
    /// Wait at most so long until its sshd answers
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    hosts: HostArgs,
}

impl ReachArgs {
    fn find(&self, machine: &str, term: &Term) -> Result<SshGuest, Vec<Diagnostic>> {
        let query = SshQuery { machine, hosts: self.hosts.query(), wait: self.wait };
        let waits = |name: &VmName| {
            if term.is_terminal() {
                term.say(format_args!("waiting for the sshd of {name}; Ctrl-C ends it"));
            }
        };
        SshGuest::find(&query, &waits, &mut tell(term))
    }
}

/// What ssh tells of the key that it was offered.
#[derive(Args)]
pub(super) struct OfferedArgs {
    machine: VmName,
    known_hosts: PathBuf,
    stage: String,
    kind: String,
    key: String,
}

/// The status stays 0: with another one ssh would say that the program had failed.
#[expect(clippy::unnecessary_wraps, reason = "commands may fail")]
pub(super) fn offered(args: &OfferedArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let OfferedArgs { machine, known_hosts, stage, kind, key } = args;
    if let Some(fault) = wrong_key(machine, known_hosts, stage, kind, key) {
        term.diagnostic(&Diagnostic::error(fault));
    }
    Ok(())
}

pub(super) fn ssh(args: &SshArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let guest = args.reach.find(&args.machine, term)?;
    Err(become_command(&guest.ssh(&args.command)).into())
}

pub(super) fn copy(args: &CpArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let copies = Copies::read(&args.files, args.recursive)?;
    let guest = args.reach.find(&copies.machine, term)?;
    Err(become_command(&guest.scp(&copies)).into())
}

pub(super) fn config(args: &SshConfigArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let is_named = !args.machines.is_empty();
    let machines = if is_named { args.machines.clone() } else { running()? };
    for (at, machine) in machines.iter().enumerate() {
        let query = SshQuery { machine, hosts: args.hosts.query(), wait: None };
        let blank = if at > 0 { "\n" } else { "" };
        match SshGuest::find(&query, &|_| (), &mut tell(term)) {
            Ok(guest) => term.data(format!("{blank}{}", guest.config()))?,
            // Of those that nobody has named some may not be meant for ssh.
            Err(faults) if !is_named => {
                faults.iter().for_each(|one| term.say(format_args!("{machine} is left out: {}", one.fault.message)));
            }
            Err(faults) => return Err(faults),
        }
    }
    Ok(())
}
