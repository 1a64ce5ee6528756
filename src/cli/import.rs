//! `vmrun import FILE`: a recipe of a machine that is described elsewhere, and the proof that it is the same machine.

mod moved;

use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::ops::import::all::{Summary, import_all};
use crate::ops::import::archive::{self, Begun, MoveOptions};
use crate::ops::import::source::Options;
use crate::ops::import::{Request, import};
use crate::ops::settings::Platform;
use clap::Args;
use std::path::Path;

#[derive(Args)]
#[command(after_help = AFTER)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct ImportArgs {
    /// The file, or `-` for the standard input; with `--all`, the folder of all guests
    #[arg(required_unless_present_any = ["command", "running"])]
    file: Option<String>,
    /// What it is, where its content does not tell: bhyve, config, vm-bhyve, libvirt, qemu, procstat, cbsd
    #[arg(long, value_name = "KIND")]
    from: Option<String>,
    /// Write the recipe to a new file; with `--all`, the recipes into a folder
    #[arg(long, value_name = "PATH")]
    out: Option<String>,
    /// Import all guests of a folder, its switches, and what starts with the host
    #[arg(long, requires = "out", conflicts_with_all = ["command", "from"])]
    all: bool,
    /// Import what runs on this host now; a folder says where its manager keeps it
    #[arg(long, requires = "all")]
    running: bool,
    /// Write NAME_test.rhai beside the recipe, which compares its plan from then on (`vmrun test`)
    #[arg(long, requires = "out")]
    with_test: bool,
    /// The rc.conf that has vm_list (/etc/rc.conf where it is there)
    #[arg(long, value_name = "FILE", requires = "all")]
    rc_conf: Option<String>,
    /// The bhyve that it is for: freebsd-14.3, freebsd-15-arm64
    #[arg(long, value_name = "HOST")]
    on: Option<String>,
    /// The folder of vm-bhyve's guests
    #[arg(long, value_name = "FOLDER")]
    datastore: Option<String>,
    /// Only say what would be made of a machine that `vmrun export` wrote
    #[arg(long, conflicts_with_all = ["all", "command", "from"])]
    dry_run: bool,
    /// Where the disks of such a machine are put: a folder for files, a filesystem of ZFS for volumes
    #[arg(long, value_name = "FOLDER|POOL/DATASET", conflicts_with_all = ["all", "command", "from"])]
    disks: Vec<String>,
    /// The command line, as you type it
    #[arg(last = true, value_name = "bhyve ARGS", conflicts_with = "file")]
    command: Vec<String>,
}

const AFTER: &str = "\
FILE holds a command line of bhyve (alone, in a script, or as `ps -axww` shows it) or of QEMU,
a configuration of bhyve_config(5), a guest of vm-bhyve, a guest's bhyve.conf of CBSD, the XML of a domain of libvirt, or what
`procstat -f PID`, `procstat -t PID` and `ifconfig` show of a bhyve. The recipe is rehearsed,
and its machine is compared with what was read; the exit code is 1 if it is another one.

A password is not copied: the recipe says secret(\"vnc\").

What `vmrun export` wrote is a machine with its disks, and known by its content: the recipe goes where
this host has its recipes, or to --out, and the disks to where the recipe has them. Nothing is written over;
what is there and the same is taken as it is, so that one that was interrupted can be called again.
--disks puts them elsewhere: the recipe's literals that say where they are get other ones, and it is
rehearsed with these before anything is written. All disks come into a folder as files, or into a filesystem
of ZFS as volumes; with both, each stays what it is.

With --all the folder is a whole datastore of vm-bhyve, CBSD's working folder (whose tables are
read by sqlite3), or holds libvirt's XML. Into the folder of --out come a recipe
for each guest, network.rhai for the switches, config.toml with what starts with the host, and
REPORT.md and report.json: what is the same machine, what was not taken over and why, and what
to do next. What you have changed there is not overwritten. The exit code is 1 if anything is
to be finished.

With --all --running it is what runs on this host: on Linux the command lines of QEMU. On FreeBSD
the title of a bhyve hides its command line: what vm-bhyve, libvirt or CBSD has of the guest is
taken, and compared with the files that the bhyve has open; else what procstat(1) and
ifconfig(8) show, with a comment at each place that neither tells. That takes root.";

/// Imports a whole folder.
fn run_all(request: &Request<'_>, args: &ImportArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let options = Options {
        source: args.file.as_deref(),
        running: args.running,
        with_test: args.with_test,
        out: args.out.as_deref().unwrap_or_default(),
        datastore: args.datastore.as_deref(),
        rc_conf: args.rc_conf.as_deref(),
        target: request.target()?,
    };
    let Summary { line, faults, left } = import_all(&options)?;
    term.say(line);
    for name in left {
        term.say(format_args!("{name} is of an earlier import, and of no guest any more: remove it"));
    }
    term.say(format_args!("what to do next is in {}/REPORT.md", options.out));
    if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().map(Diagnostic::error).collect()) }
}

/// Imports what `vmrun export` wrote; anything else is told by what was read of the standard input.
fn run_moved(args: &ImportArgs, term: &Term) -> Result<Option<Vec<u8>>, Vec<Diagnostic>> {
    if args.all || args.from.is_some() || args.file.is_none() {
        return Ok(Some(Vec::new()));
    }
    match archive::begin(args.file.as_deref())? {
        Begun::Other(_) if args.dry_run => {
            let fault = Fault::usage("--dry-run is for what `vmrun export` wrote");
            Err(fault.hint("without --out an import of anything else writes nothing").into())
        }
        Begun::Other(_) if !args.disks.is_empty() => {
            let fault = Fault::usage("--disks is for what `vmrun export` wrote");
            Err(fault.hint("edit the recipe that an import of anything else writes").into())
        }
        Begun::Other(begun) => Ok(Some(begun)),
        Begun::Packed(_) if args.with_test || args.on.is_some() || args.datastore.is_some() => {
            let fault = Fault::usage("what `vmrun export` wrote has its recipe already");
            Err(fault.hint("leave out --with-test, --on and --datastore").into())
        }
        Begun::Packed(from) => {
            let name = args.file.as_deref().filter(|file| *file != "-").unwrap_or("the standard input");
            let (out, disks) = (args.out.as_deref().map(Path::new), &args.disks);
            moved::run(from, &MoveOptions { name, out, disks, dry_run: args.dry_run }, term)?;
            Ok(None)
        }
    }
}

pub(super) fn run(args: &ImportArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let Some(begun) = run_moved(args, term)? else { return Ok(()) };
    let request = Request {
        file: args.file.as_deref(),
        begun,
        command: &args.command,
        from: args.from.as_deref(),
        on: args.on.as_deref(),
        datastore: args.datastore.as_deref(),
        out: args.out.as_deref(),
        with_test: args.with_test,
    };
    if args.all {
        return run_all(&request, args, term);
    }
    let imported = import(&request)?;
    if args.out.is_none() {
        term.data(imported.recipe.trim_end())?;
    }
    imported.warnings.iter().for_each(|warning| term.diagnostic(warning));
    if imported.hides_password {
        let folder = super::place::settings(Platform::FreeBsd.into(), false).map(|settings| settings.config);
        let file =
            folder.map_or_else(|_| "secrets/vnc".into(), |folder| folder.join("secrets/vnc").display().to_string());
        term.say(format_args!("the password is not copied: set VMRUN_SECRET_VNC, or write it to {file} (mode 0600)"));
    }
    if imported.differences.is_empty() && imported.holes.is_empty() {
        match &imported.prints {
            None => term.say("same machine"),
            Some(what) => term.say(format_args!("same machine: none, bhyve prints {what} and ends")),
        }
        return Ok(());
    }
    let fault = |line: &String| Diagnostic::error(Fault::new(format!("the recipe's machine is another one: {line}")));
    let holes = imported.holes.into_iter().map(Diagnostic::error);
    Err(imported.differences.iter().map(fault).chain(holes).collect())
}
