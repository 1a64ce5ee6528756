//! The page of section 1 of the manual.

use crate::diag::exit_code::EXIT_CODES;
use crate::model::gate::GATES;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;

/// A command of the program, as the manual has it.
pub(crate) struct Command {
    /// How it is called.
    pub(crate) usage: String,
    /// What it does, in one sentence without its full stop.
    pub(crate) about: String,
    /// Its arguments and options, with what each means.
    pub(crate) arguments: Vec<(String, String)>,
    /// What is said after its options.
    pub(crate) notes: Option<String>,
    /// Its subcommands, in the order of `--help`.
    pub(crate) commands: Vec<Command>,
}

/// Writes the description.
pub(crate) fn description(out: &mut Vec<u8>) -> io::Result<()> {
    section(out, "DESCRIPTION", DESCRIPTION)
}

/// Writes the commands, and what follows them.
pub(crate) fn commands(out: &mut Vec<u8>, commands: &[Command]) -> io::Result<()> {
    commands.iter().try_for_each(|one| command(out, one))?;
    exit_codes(out)?;
    terms(out, "ENVIRONMENT", ENVIRONMENT)?;
    terms(out, "FILES", FILES)?;
    releases(out)?;
    terms(out, "EXAMPLES", EXAMPLES)?;
    section(out, "SEE ALSO", &["bhyve(8), bhyve_config(5), bhyvectl(8), ifconfig(8), vmm(4)"])
}

/// The exit codes of all commands.
fn exit_codes(out: &mut Vec<u8>) -> io::Result<()> {
    let sentence = |text: &str| {
        let mut letters = text.chars();
        letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
    };
    let rows = EXIT_CODES.map(|(code, meaning)| (code.to_string(), sentence(meaning)));
    let rows: Vec<(&str, &str)> = rows.iter().map(|(code, meaning)| (code.as_str(), meaning.as_str())).collect();
    terms(out, "EXIT STATUS", &rows)
}

/// A command with its options; those of a command of a command follow it.
fn command(out: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [command.usage.split(" [").next().unwrap_or_default().to_uppercase().as_str()]);
    roff.text([bold(command.usage.as_str())]);
    roff.control("PP", []);
    roff.text([roman(format!("{}.", command.about))]);
    for (name, help) in &command.arguments {
        roff.control("TP", []);
        roff.text([bold(name.as_str())]);
        roff.text([roman(help.as_str())]);
    }
    if let Some(notes) = &command.notes {
        roff.control("PP", []);
        roff.control("nf", []);
        roff.text([roman(notes.as_str())]);
        roff.control("fi", []);
    }
    roff.to_writer(out)?;
    command.commands.iter().try_for_each(|inner| self::command(out, inner))
}

fn section(out: &mut Vec<u8>, name: &str, paragraphs: &[&str]) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [name]);
    for paragraph in paragraphs {
        roff.text([roman(*paragraph)]);
        roff.control("PP", []);
    }
    roff.to_writer(out)
}

fn terms(out: &mut Vec<u8>, name: &str, terms: &[(&str, &str)]) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [name]);
    for (term, means) in terms {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*means)]);
    }
    roff.to_writer(out)
}

/// What not every release of FreeBSD has.
fn releases(out: &mut Vec<u8>) -> io::Result<()> {
    section(out, "RELEASES", RELEASES)?;
    let mut roff = Roff::new();
    for gate in &GATES {
        let before = gate.before.map(|before| format!("; before it, {before}")).unwrap_or_default();
        roff.control("TP", []);
        roff.text([bold(gate.option)]);
        roff.text([roman(format!("{}{before} ({}: {}).", gate.since, gate.certainty.word(), gate.source))]);
    }
    roff.to_writer(out)
}

const RELEASES: &[&str] = &[
    "A host of another kind is named as freebsd-14.3, freebsd-14.4, freebsd-14.5, freebsd-15.0, freebsd-15.1 or freebsd-16. \
     freebsd-14 and freebsd-15 are the newest of these, and freebsd is the host's own release, or else the newest that is out. A \
     host that is older or newer than all of them is treated as the nearest. What came when:",
];

const DESCRIPTION: &[&str] = &[
    "vmrun runs bhyve virtual machines from recipes: small scripts in Rhai with words that know bhyve. One evaluation of a \
     recipe is one boot. When the guest reboots, the recipe is evaluated again, with `init` false; when it powers off, the \
     run ends, and what it took of the host is given back.",
    "Every run begins with a rehearsal: the recipe is evaluated on the host's own facts, with every change simulated. A \
     recipe that is wrong changes nothing, and says where it is wrong. `vmrun words` is the reference of the words.",
    "`vmrun start` runs a machine in the background, where the word `restart` says when it is started again. Its guest goes on \
     when its supervisor is killed: `vmrun adopt` takes it over.",
    "Ctrl-C or SIGTERM asks the guest to power off; once more, or when its time is over, the machine is switched off.",
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("VMRUN_PLATFORM", "freebsd, freebsd-14.3 or linux: the kind of host, if not this one's own."),
    ("VMRUN_STATE_DIR", "The folder for running machines."),
    ("VMRUN_LOG_DIR", "The folder for the logs of machines in the background."),
    ("VMRUN_CACHE_DIR", "The folder of the files that were fetched."),
    ("VMRUN_VMM_DIR", "The folder with the nodes of bhyve's machines, if not /dev/vmm."),
    ("VMRUN_ZVOL_DIR", "The folder with the devices of ZFS's volumes, if not /dev/zvol."),
    ("VMRUN_CONFIG", "The folder with the configuration and the secrets."),
    ("VMRUN_SECRET_NAME", "The secret `name`: VMRUN_SECRET_VNC is secret(\"vnc\")."),
    ("NO_COLOR", "No colour, even on a terminal."),
];

const FILES: &[(&str, &str)] = &[
    (
        "/var/run/vmrun",
        "Locks, journals, sockets and secrets of running machines; for a plain user the user's own runtime folder.",
    ),
    (
        "/var/run/vmrun/NAME/standing.json",
        "How a machine in the background stands: starting, running, stopping, waiting or held, with its last error.",
    ),
    (
        "/var/log/vmrun/NAME.log",
        "What a machine in the background and its supervisor have said; the last three are kept.",
    ),
    ("/var/log/vmrun/NAME.events.jsonl", "What happened to a machine in the background: what `vmrun events` prints."),
    (
        "/usr/local/etc/vmrun/config.toml",
        "The hosts that `vmrun find` asks, the folders with recipes, what `vmrun start --all` starts, and the viewer: `hosts`, \
         `recipes`, `start` and `viewer`, each a list of texts; and what libraries may do: `[allow]` with `paths`, `run` and \
         `interfaces`. It need not be there.",
    ),
    (
        "vmrun.toml, vmrun.lock",
        "Beside recipes: the libraries that they may import, and the commit and the sums of the files of each.",
    ),
    (
        "/usr/local/etc/vmrun/secrets/NAME",
        "The secret `name`, readable by its owner only; on Linux below /etc/vmrun, for a plain user in the user's own \
         configuration folder.",
    ),
];

const EXAMPLES: &[(&str, &str)] = &[
    ("vmrun web.rhai --init", "Makes the disks of a machine and boots its installer."),
    ("vmrun plan --on freebsd-15 web.rhai", "Prints the commands of a boot, on any system and without root."),
    ("vmrun start db.rhai web.rhai", "Runs two machines in the background, in the order that they ask for."),
    ("vmrun stop --all --within 80s", "Stops what runs in the background, and waits until it is down."),
    ("vmrun gc --dry-run", "Prints what killed runs have left, and what would give it back."),
    ("vmrun import /vm/web/web.conf --out web.rhai", "Brings a guest of vm-bhyve along."),
    ("vmrun record --init-args '-i' -- ./vm.sh web", "Writes the recipe of what a shell script does."),
    ("vmrun lib add net https://git.example.org/net.git", "Lets the recipes of this folder import \"net/…\"."),
    ("vmrun find web", "Tells which host runs a machine."),
];
