//! `vmrun new`: the recipe of a machine from the image of its system.

use super::images;
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::model::ssh::SshUser;
use crate::model::{Argv, Digest, DigestKind, InterfaceName, Size, VmName};
use crate::ops::display::terminal::{ask, has_keyboard};
use crate::ops::images::catalog;
use crate::ops::new::{NewMachine, NewRequest};
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;

/// The word that lists the systems in the place of one.
const LIST: &str = "list";

/// The word for the network inside the process.
const SLIRP: &str = "slirp";

/// With less a disk is a mistake: a number without its unit is in bytes.
const LEAST_DISK: Size = Size::mib(1);

/// With less firmware does not start.
const LEAST_MEMORY: Size = Size::mib(64);

/// What a network inside the process, or none, is called elsewhere (QEMU, libvirt, Vagrant, docker).
const NO_BRIDGES: [&str; 8] = ["user", "nat", "none", "host", "bridge", "tap", "private", "public"];

/// How often somebody may answer what is no answer.
const TRIES: u32 = 5;

#[derive(Args)]
pub(super) struct NewArgs {
    /// The machine's name; its recipe is NAME.rhai. On a terminal it is asked for
    #[arg(value_name = "NAME")]
    name: Option<VmName>,
    /// Its system, as `vmrun images` lists them; `list` does so here
    #[arg(long)]
    os: Option<String>,
    /// How large its disk is
    #[arg(long, default_value = "20G", value_parser = size)]
    size: Size,
    /// How much memory it has
    #[arg(long, default_value = "2G", value_parser = memory)]
    memory: Size,
    /// How many virtual CPUs it has
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    cpus: u16,
    /// Who logs in, and may become root; else the user that its image has
    #[arg(long)]
    user: Option<SshUser>,
    /// The file of a public key of ssh by which one logs in; else all of ~/.ssh, or a new one
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// How it is connected: slirp, which leads a port of 127.0.0.1 to its ssh, or the bridge that it joins
    #[arg(long, value_name = "slirp|BRIDGE", default_value = SLIRP, value_parser = network)]
    net: InterfaceName,
    /// Have its disk be a volume of ZFS in this filesystem
    #[arg(long, value_name = "DATASET")]
    zvol: Option<String>,
    /// The folder of its recipe, and of its disk where that is a file
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The SHA-512 of the image, which its publisher is asked for otherwise
    #[arg(long, value_name = "DIGEST", value_parser = sha512, conflicts_with = "sha256")]
    sha512: Option<Digest>,
    /// The SHA-256 of the image, likewise
    #[arg(long, value_name = "DIGEST", value_parser = sha256)]
    sha256: Option<Digest>,
}

fn size(text: &str) -> Result<Size, Fault> {
    let size = Size::disk_written(text).map_err(|fault| fault.hint("for example 20G, with one of K, M, G and T"))?;
    let fault = || Fault::new(format!("a disk of {} has no room for a system", size.rough())).hint("for example 20G");
    if size < LEAST_DISK { Err(fault()) } else { Ok(size) }
}

fn memory(text: &str) -> Result<Size, Fault> {
    let size = Size::memory_written(text).map_err(|fault| fault.hint("for example 2G, with one of M and G"))?;
    let fault = || Fault::new(format!("{} of memory are too little for a system", size.rough())).hint("for example 2G");
    if size < LEAST_MEMORY { Err(fault()) } else { Ok(size) }
}

/// Refuses what people call the network inside the process who have it elsewhere: it would be taken for the name of a bridge.
fn network(text: &str) -> Result<InterfaceName, Fault> {
    if NO_BRIDGES.contains(&text) {
        return Err(Fault::new("it is no name of a bridge").hint(
            "slirp is the network inside the process, which needs no root; else name a bridge of this host, as in `--net bridge0`",
        ));
    }
    text.parse()
}

fn sha512(text: &str) -> Result<Digest, Fault> {
    Digest::new(DigestKind::Sha512, text)
}

fn sha256(text: &str) -> Result<Digest, Fault> {
    Digest::new(DigestKind::Sha256, text)
}

pub(super) fn run(args: &NewArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    if args.os.as_deref() == Some(LIST) {
        return images::list(false, term);
    }
    let request = completed(args, term)?;
    let machine = NewMachine::of(&request)?;
    if let Some(pin) = &machine.pin {
        term.say(images::about(pin));
    }
    machine.write()?;
    if let Some(key) = machine.key() {
        term.say(format!("~/.ssh has no public key: {} is a new one, without a passphrase", key.display()));
    }
    let recipe = machine.recipe.display();
    term.say(format!("{recipe} is written"));
    machine.notes.iter().for_each(|note| term.diagnostic(note));
    term.data(Argv::new("vmrun").arg("start").arg(recipe).arg("--init"))?;
    // Its sshd is there when its first boot is at its end.
    Ok(term.data(Argv::new("vmrun").args(["ssh", "--wait", "5m"]).arg(&request.name))?)
}

/// Returns what is asked for: what is not on the command line, and has no usual value, is asked on a terminal.
fn completed(args: &NewArgs, term: &Term) -> Result<NewRequest, Vec<Diagnostic>> {
    let missing = |what: &str, example: &str| {
        Fault::usage(format!("nothing says {what}")).hint(format!("for example: vmrun new {example}"))
    };
    let is_asked = has_keyboard();
    let name = match &args.name {
        Some(name) => name.clone(),
        None if is_asked => answered("name: ", None, term, VmName::from_str)?,
        None => return Err(missing("what the machine is called", "web --os debian-13").into()),
    };
    let os = match &args.os {
        Some(os) => os.clone(),
        None if is_asked => system(term)?,
        None => {
            return Err(
                missing("which system it has, and `--os list` lists them", &format!("{name} --os debian-13")).into()
            );
        }
    };
    let (mut size, mut memory) = (args.size, args.memory);
    if args.name.is_none() {
        size = answered(&format!("disk ({size}): "), Some(&size), term, self::size)?;
        memory = answered(&format!("memory ({memory}): "), Some(&memory), term, self::memory)?;
    }
    Ok(NewRequest {
        name,
        os,
        size,
        memory,
        cpus: args.cpus,
        user: args.user.clone(),
        keys: args.key.clone(),
        bridge: Some(args.net.clone()).filter(|net| net.as_str() != SLIRP),
        zvol: args.zvol.clone(),
        folder: args.dir.clone(),
        digest: args.sha512.clone().or_else(|| args.sha256.clone()),
    })
}

/// Asks for the system, which is one of the table.
fn system(term: &Term) -> Result<String, Vec<Diagnostic>> {
    let catalog = catalog()?;
    let names: Vec<&str> = catalog.systems().map(|(name, _)| name).collect();
    term.say(format!("systems: {}", names.join(", ")));
    let known = |answer: &str| catalog.system(answer).map(|_| answer.to_string());
    Ok(answered("os: ", None, term, known)?)
}

/// Asks until there is an answer that can be used; an empty one is the usual value, where there is one.
fn answered<T: Clone>(
    question: &str,
    usual: Option<&T>,
    term: &Term,
    read: impl Fn(&str) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let nobody = || Fault::usage("nobody answers").hint("say it on the command line: vmrun new NAME --os OS");
    for _ in 0..TRIES {
        let line = ask(question)?;
        match (line.trim(), usual) {
            ("", Some(usual)) if !line.is_empty() => return Ok(usual.clone()),
            _ if line.is_empty() => return Err(nobody()),
            (answer, _) => match read(answer) {
                Ok(value) => return Ok(value),
                Err(fault) => term.diagnostic(&Diagnostic::error(fault)),
            },
        }
    }
    Err(nobody())
}
