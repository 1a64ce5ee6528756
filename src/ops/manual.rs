//! The manual: a page for the program, one for each of its commands, and those of its files.

mod file_pages;

use super::reference::{self, ReferenceFormat};
use super::roff::{inlines, page, prose, term, text};
use crate::diag::exit_code::EXIT_CODES;
use crate::diag::{Diagnostic, Fault};
use crate::host::files;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A command of the program, as the manual has it.
pub(crate) struct Command {
    /// Its name, with that of the command that it is one of.
    pub(crate) name: String,
    /// How it is called.
    pub(crate) usage: String,
    /// What it does, in one sentence without its full stop.
    pub(crate) about: String,
    /// Its arguments and options, with what each means.
    pub(crate) arguments: Vec<(String, String)>,
    /// What is said after its options.
    pub(crate) notes: Option<String>,
    /// Command lines, with what they do.
    pub(crate) examples: Vec<(&'static str, &'static str)>,
    /// Its subcommands, in the order of `--help`.
    pub(crate) commands: Vec<Command>,
}

/// The program: its own options, and its commands in their groups.
pub(crate) struct Program {
    /// The program without its commands.
    pub(crate) own: Command,
    /// The titles of the groups, with what is in each.
    pub(crate) groups: Vec<(&'static str, Vec<Command>)>,
}

/// A page of the manual.
pub(crate) struct ManualPage {
    /// Its name, with its section: `vmrun-plan.1`.
    pub(crate) file: String,
    /// Its source, for man(1).
    pub(crate) text: String,
}

impl ManualPage {
    /// Returns the name by which it is asked for.
    fn name(&self) -> &str {
        self.file.rsplit_once('.').map_or(self.file.as_str(), |(name, _)| name)
    }
}

/// Returns all pages, that of the program first.
pub(crate) fn pages(program: &Program) -> Result<Vec<ManualPage>, Fault> {
    let page = |name: &str, section: u8, text| ManualPage { file: format!("{name}.{section}"), text };
    let mut all = vec![page("vmrun", 1, overview(program)?)];
    for one in program.groups.iter().flat_map(|(_, commands)| commands) {
        all.push(page(&format!("vmrun-{}", one.name), 1, of_command(one)?));
    }
    all.push(page("vmrun-recipe", 5, reference::words(ReferenceFormat::Man)?));
    all.push(page("vmrun.toml", 5, file_pages::manifest()?));
    all.push(page("vmrun-config", 5, file_pages::config()?));
    Ok(all)
}

/// Returns the page of a name: of the program where there is none, else that of a command or of a file.
pub(crate) fn named(pages: Vec<ManualPage>, name: Option<&str>) -> Result<ManualPage, Fault> {
    let wanted = name.unwrap_or("vmrun");
    let is_it = |page: &ManualPage| page.name() == wanted || page.name() == format!("vmrun-{wanted}");
    let names: Vec<String> = pages.iter().map(|page| page.name().trim_start_matches("vmrun-").to_string()).collect();
    pages.into_iter().find(is_it).ok_or_else(|| {
        let known = || names.iter().map(String::as_str);
        let fault = Fault::usage(format!("there is no page `{wanted}`"));
        fault.hint("`vmrun man` lists them").did_you_mean(wanted, known())
    })
}

/// Writes pages below a folder, each into that of its section, and returns the files.
pub(crate) fn write(out: &Path, pages: &[ManualPage]) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let mut files = Vec::new();
    for page in pages {
        let folder = out.join(format!("man{}", page.file.rsplit('.').next().unwrap_or_default()));
        files::make_folder(&folder, None)?;
        let file = folder.join(&page.file);
        files::replace(&file, |file| file.write_all(page.text.as_bytes()))?;
        files.push(file);
    }
    Ok(files)
}

/// The page of the program: what it is, and the map of its commands.
fn overview(program: &Program) -> Result<String, Fault> {
    let mut roff = page("vmrun", "runs bhyve virtual machines from recipes", "vmrun", "1");
    synopsis(&mut roff, &["vmrun RECIPE [--init] [--set NAME=VALUE]…", "vmrun COMMAND [OPTIONS]"]);
    section(&mut roff, "DESCRIPTION", DESCRIPTION);
    roff.control("SH", ["COMMANDS"]);
    roff.text(inlines(
        "`vmrun plan` has the page vmrun-plan(1), and so each of them; `vmrun help` shows the same list.",
    ));
    for (title, commands) in &program.groups {
        roff.control("SS", [*title]);
        commands.iter().for_each(|one| term(&mut roff, &one.name, &one.about));
    }
    roff.control("SH", ["OPTIONS"]);
    program.own.arguments.iter().for_each(|(name, help)| term(&mut roff, name, help));
    exit_codes(&mut roff);
    terms(&mut roff, "ENVIRONMENT", ENVIRONMENT);
    terms(&mut roff, "FILES", FILES);
    examples(&mut roff, EXAMPLES);
    see_also(
        &mut roff,
        "vmrun-recipe(5), vmrun.toml(5), vmrun-config(5), bhyve(8), bhyve_config(5), bhyvectl(8), vmm(4)",
    );
    text(&roff)
}

/// The page of a command; the commands that it has follow its options.
fn of_command(command: &Command) -> Result<String, Fault> {
    let name = format!("vmrun-{}", command.name);
    let mut letters = command.about.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let mut roff = page(&name, &first.into_iter().chain(letters).collect::<String>(), &name, "1");
    let usages: Vec<&str> = match command.commands.as_slice() {
        [] => vec![&command.usage],
        several => several.iter().map(|one| one.usage.as_str()).collect(),
    };
    synopsis(&mut roff, &usages);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text(inlines(&format!("{}.", command.about)));
    if !command.arguments.is_empty() {
        roff.control("SH", ["OPTIONS"]);
        command.arguments.iter().for_each(|(name, help)| term(&mut roff, name, help));
    }
    if !command.commands.is_empty() {
        roff.control("SH", ["COMMANDS"]);
    }
    for one in &command.commands {
        roff.control("SS", [one.usage.as_str()]);
        roff.text(inlines(&format!("{}.", one.about)));
        one.arguments.iter().for_each(|(name, help)| term(&mut roff, name, help));
        if let Some(notes) = &one.notes {
            roff.control("PP", []);
            told(&mut roff, notes);
        }
    }
    if let Some(notes) = &command.notes {
        roff.control("SH", ["NOTES"]);
        told(&mut roff, notes);
    }
    examples(&mut roff, &command.examples);
    see_also(&mut roff, "vmrun(1), vmrun-recipe(5)");
    text(&roff)
}

/// Adds what `--help` says after its options: paragraphs, terms with what they mean, items, and lines that are shown as they are.
fn told(roff: &mut Roff, notes: &str) {
    for (at, line) in notes.lines().enumerate() {
        let words = line.trim();
        let columns = words.split_once("  ").map(|(key, means)| (key, means.trim()));
        match (words.strip_prefix("- "), columns) {
            _ if words.is_empty() => {}
            (Some(item), _) => {
                roff.control("IP", ["\\(bu", "2"]);
                roff.text(inlines(item));
            }
            (None, Some((key, means))) => term(roff, key, means),
            (None, None) => {
                if at > 0 {
                    roff.control("PP", []);
                }
                roff.text(inlines(words));
            }
        }
    }
}

fn synopsis(roff: &mut Roff, usages: &[&str]) {
    roff.control("SH", ["SYNOPSIS"]);
    for (at, usage) in usages.iter().enumerate() {
        if at > 0 {
            roff.control("br", []);
        }
        roff.text([bold(*usage)]);
    }
}

fn section(roff: &mut Roff, name: &str, paragraphs: &[&str]) {
    roff.control("SH", [name]);
    prose(roff, &paragraphs.join("\n\n"));
}

fn terms(roff: &mut Roff, name: &str, terms: &[(&str, &str)]) {
    roff.control("SH", [name]);
    terms.iter().for_each(|(name, means)| term(roff, name, means));
}

/// The exit codes of all commands.
fn exit_codes(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        let mut letters = meaning.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let sentence: String = first.into_iter().chain(letters).chain(['.']).collect();
        term(roff, &code.to_string(), &sentence);
    }
}

fn examples(roff: &mut Roff, examples: &[(&str, &str)]) {
    let ended: Vec<(&str, String)> =
        examples.iter().map(|(line, what)| (*line, format!("{}.", what.trim_end_matches('.')))).collect();
    terms(roff, "EXAMPLES", &ended.iter().map(|(line, what)| (*line, what.as_str())).collect::<Vec<_>>());
}

fn see_also(roff: &mut Roff, pages: &str) {
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(pages)]);
}

const DESCRIPTION: &[&str] = &[
    "vmrun runs bhyve virtual machines from recipes: small scripts in Rhai with words that know bhyve. One evaluation of a \
     recipe is one boot. When the guest reboots, the recipe is evaluated again, with `init` false; when it powers off, the \
     run ends, and what it took of the host is given back.",
    "Every run begins with a rehearsal: the recipe is evaluated on the host's own facts, with every change simulated. A \
     recipe that is wrong changes nothing, and says where it is wrong. vmrun-recipe(5) is the language.",
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
    ("VMRUN_JAIL", "The host name of the jail that this is, where another system stands for FreeBSD."),
    ("VMRUN_ZVOL_DIR", "The folder with the devices of ZFS's volumes, if not /dev/zvol."),
    ("VMRUN_KVM_DIR", "The folder in which dev/kvm, proc/cpuinfo and proc/uptime are looked for, if not /."),
    ("VMRUN_CGROUP_DIR", "The folder in which control groups are made, if not /sys/fs/cgroup: one that is delegated."),
    (
        "VMRUN_HOST_WITHIN",
        "How long another host may say nothing that was asked to take or restart a machine, if not 15m.",
    ),
    ("VMRUN_CONFIG", "The folder with the configuration and the secrets."),
    ("VMRUN_SECRET_NAME", "The secret `name`: VMRUN_SECRET_VNC is secret(\"vnc\")."),
    ("NO_COLOR", "No colour, even on a terminal."),
    ("CLICOLOR_FORCE", "Colours, even where it is no terminal, unless NO_COLOR is set; `0` is as if it was not set."),
    ("CLICOLOR", "No colour if it is `0`."),
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
