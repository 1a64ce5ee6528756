//! `vmrun record -- CMD…`: a recipe of what a script would do, recorded by stand-ins for the programs that do it.

use super::run::duration;
use super::term::Term;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Diagnostic, Fault};
use crate::ops::display::terminal::{self, Stream};
use crate::ops::record::folder::{Destination, into_folder};
use crate::ops::record::{self, Recorded, RecordingFormat, Request, record};
use crate::ops::settings::Asked;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct RecordArgs {
    /// What initializes the machine: the command is run without these arguments, then with them, at its end or where `{}` stands
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    init_args: Option<String>,
    /// The exit statuses of bhyve, in turn; the last one repeats
    #[arg(long, value_name = "LIST", default_value = "1", value_delimiter = ',')]
    exits: Vec<u8>,
    /// Answer a call with the content of a file: `ifconfig=FILE`, `sysctl -n hw.model=FILE`; or say what is in a file: `/etc/rc.conf=FILE`
    #[arg(long = "answer", value_name = "CALL=FILE")]
    answers: Vec<String>,
    /// How long each run may take: 60s, 2m
    #[arg(long = "within", alias = "timeout", value_name = "TIME", default_value = "60s", value_parser = duration)]
    timeout: Duration,
    /// How many calls each run may make
    #[arg(long, value_name = "CALLS", default_value = "1000", value_parser = clap::value_parser!(u16).range(1..=4000))]
    limit: u16,
    /// The bhyve that the recipe is for: freebsd-14.3, freebsd-15-arm64
    #[arg(long, value_name = "HOST")]
    on: Option<Asked>,
    /// Run the script on this host, without an enclosure: what has no stand-in is done for real
    #[arg(long)]
    anyway: bool,
    /// Print the steps as a transcript for sh(1) instead of a recipe
    #[arg(long, conflicts_with = "json")]
    transcript: bool,
    /// Print a JSON object: `steps`, `again`, and the recordings `with` and `without`, with the files written
    #[arg(long)]
    json: bool,
    /// Write the recipe into a folder, as MACHINE.rhai; one for each machine that the script boots
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["json", "transcript"])]
    out: Option<PathBuf>,
    /// Record each arm of the script's `case` of which an argument is one, and write ARM.rhai for each
    #[arg(long, requires = "out")]
    all_arms: bool,
    /// Write NAME_test.rhai beside the recipe, which compares its plan from then on (`vmrun test`)
    #[arg(long, requires = "out")]
    with_test: bool,
    /// The command, as you type it
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

const AFTER: &str = "\
The command runs with stand-ins in the place of these programs, however they are called. They do
nothing, write down how they were called, and answer:
  bhyve bhyvectl bhyveload bunzip2 bzip2 chmod chown cp cu curl date dd devctl devfs
  dhcpd dnsmasq fetch freebsd-version gpart grub-bhyve gunzip gzip halt hostname
  ifconfig install jail jexec jls kenv killall kldload kldstat kldunload ln logger mail
  mailx makefs mdconfig mkdir mktemp mount mv nc newfs newfs_msdos ngctl pciconf pfctl
  pgrep ping pkg pkill poweroff pw qemu-img rctl reboot rm rmdir route sendmail service
  shutdown sleep socat sockstat swtpm sysctl sysrc touch truncate umount uname unxz
  unzstd vale-ctl wall wget xz zfs zpool zstd
What changes something succeeds without a word. What only asks sees what was changed before; what
is made up for it is told. Of a script that loads no modules, those that it asks for are loaded.
bhyve ends as --exits says. The list of interfaces is the host's own, or has em0 with
192.168.2.5/24 where there is no ifconfig of FreeBSD. Where a script reads /etc/rc.subr and this host has none, it
does what rc.subr(8) says; /etc/rc.conf is what `--answer /etc/rc.conf=FILE` gives, else empty, with the
service switched on. A download makes an empty file. Programs for files, as cp and mkdir, do what they
are called for, but for dd and what is large in an enclosure; a template that is not here counts as
there. `sleep` is short there, and a program that this host lacks succeeds.
What `abduco`, `cpuset`, `daemon`, `doas`, `dtach`, `env`, `idprio`, `limits`, `lockf`, `nice`, `nohup`,
`protect`, `rtprio`, `screen`, `setfib`, `setsid`, `su`, `sudo`, `timeout` and `tmux` run is recorded,
or is run as by you; nothing of theirs is done. A machine that `jexec` or `jail -c … command=bhyve …`
boots has its jail in the recipe.

EVERYTHING ELSE IS DONE FOR REAL, BUT IN AN ENCLOSURE: on Linux the command sees the files of this
host, and changes copies of them in memory (at most half of it); it has no other process, no network
but a loopback of its own, no device and no right over the kernel. All that it has started ends with
it. As an ordinary user it is root in there, over the files that are yours. What a program without
a stand-in changes in files is seen: its call is in the recipe as it is, or is told.
Where the kernel refuses namespaces, and on FreeBSD, where a jail is planned, the command is not run.

--anyway RUNS IT ON THIS HOST, as the user who calls vmrun. For real are then:
  - redirections (> file), the shell's own commands, and all other programs: ssh, tar, and
    cp, dd and the like, whose stand-ins do what they are called for
  - programs that are named by their whole path, as /sbin/ifconfig, or found by a PATH that the
    script sets itself, by `env -i` or `command -p`; the script's text is searched for the first two
  - processes that leave the script's process group; the rest of it is ended at the end
No file is made by truncate, and no device by mdconfig: a test such as `[ -f /vm/a.img ]` sees
the real disk. The standard input is empty. A password is `***` wherever it is shown.

A script that is enclosed is recorded again, at most 64 times for 10 seconds each: with the same answers,
with each end of its first boot (bhyve's status 0 to 4), with each question that found nothing answered
the other way, with somebody who answers late or never where it asks by ping or nc, with other numbers of
processes, with something to read, and with each file that it tests for (`[ -f FILE ]`, as `sh -x` tells it,
or its text names it) or makes there and not there, alone and two of them at once, with what it compares an
answer with as the answer, and with one more file and none where it names files by a pattern; what is asked
only then is tried in turn. What is in a file that it reads, and that this host has not, is told as not known:
`--answer /etc/vm.conf=FILE` says it. What differs becomes `restart(…)`, or stands under `if init` or
`if exists(…)`. What cannot be said in a recipe stands in its first lines as NOT DERIVED, and the exit code
is 1.

A script that boots several machines is recorded with `--out FOLDER`: a recipe for each, in which stands
what is its own, and of what several use, as a bridge, what it is the first to need. They start in the
script's order (`after(…)`), and are checked beside each other.

The recipe is then rehearsed, with and without `init`, and run boot by boot on a host that has what it
needs and nothing else, once for each end of its first boot; its machines and commands are compared with
the script's, in order. `same machine, same commands` says that they are the same; what differs is told
line by line, with exit code 1. No difference is: what only asks; `kldload` with `-n` or again; how
`bhyvectl --destroy` and `truncate` are spelled; what is set again to what it is; the order of what is
said of one interface before a boot; that what a run makes is up, and stays from boot to boot; that vmrun
gives back by itself what it took; a card of the run's that joins its bridge before the guest runs; and,
without `init`, what lasts on disks (zfs, zpool, gpart, newfs_msdos, truncate), which the first start has
done.";

impl RecordArgs {
    const fn form(&self) -> RecordingFormat {
        match (self.json, self.transcript) {
            (true, _) => RecordingFormat::Json,
            (_, true) => RecordingFormat::Transcript,
            _ => RecordingFormat::Recipe,
        }
    }
}

pub(super) fn run(args: &RecordArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let request = Request {
        command: &args.command,
        init_args: args.init_args.as_deref(),
        exits: &args.exits,
        answers: &args.answers,
        timeout: args.timeout,
        limit: args.limit.into(),
        on: args.on,
        anyway: args.anyway,
        form: args.form(),
    };
    if let Some(folder) = &args.out {
        let to = Destination { folder, all_arms: args.all_arms, with_test: args.with_test };
        return into(&request, &to, term);
    }
    let recorded = record(&request, &mut |notice| term.notice(&notice))?;
    if recorded.hides_password {
        term.say(PASSWORD);
    }
    let text = recorded.text.trim_end_matches('\n');
    if args.json { term.json(text) } else { term.data(text) }?;
    if recorded.is_proved() {
        term.say(SAME);
    }
    told(wrong(recorded))
}

const PASSWORD: &str =
    "the password is not in the recipe: give it as VMRUN_SECRET_VNC, or in the file secrets/vnc (mode 0600)";

const SAME: &str = "same machine, same commands";

/// Writes recipes into a folder, and says of each what it is.
fn into(request: &Request<'_>, to: &Destination<'_>, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let all = into_folder(request, to, &mut |notice| term.notice(&notice))?;
    if all.recipes.iter().any(|one| one.recorded.hides_password) {
        term.say(PASSWORD);
    }
    let mut faults = Vec::new();
    for one in all.recipes {
        let path = one.path.display().to_string();
        let is_same = one.recorded.is_proved();
        term.say(format!("{path}: {}", if is_same { SAME } else { "not the same as the script" }));
        let of_it = wrong(one.recorded).into_iter();
        faults.extend(of_it.map(|one| Diagnostic { fault: one.fault.context(&path), ..one }));
    }
    faults.extend(all.findings);
    told(faults)
}

/// What of a script is not in its recipe, and how they differ.
fn wrong(recorded: Recorded) -> Vec<Diagnostic> {
    let gaps = recorded.gaps.into_iter().map(Diagnostic::error);
    match recorded.differences {
        None => gaps.collect(),
        Some(Ok(lines)) => gaps.chain(lines.into_iter().map(|line| Diagnostic::error(Fault::new(line)))).collect(),
        Some(Err(faults)) => gaps.chain(faults).collect(),
    }
}

/// What is wrong with a recipe, if anything is.
fn told(faults: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Does what a process of an enclosure does, if this is one, and returns its exit status.
pub(super) fn enclosure() -> Option<ExitCode> {
    record::enter()
}

/// Plays a program whose stand-in this is, and returns the exit status. Nothing if this is vmrun itself.
pub(super) fn stand_in() -> Option<ExitCode> {
    // Whoever called it may not listen.
    Some(match record::play()? {
        Ok(answer) => {
            terminal::print(Stream::Error, terminal::TextForm::Text, &answer.error)
                .may_fail("whoever called it may not listen");
            terminal::print(Stream::Output, terminal::TextForm::Text, &answer.output)
                .may_fail("whoever called it may not listen");
            ExitCode::from(answer.status)
        }
        Err(fault) => {
            terminal::say(&format!("vmrun: {fault}"));
            ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_program_that_has_a_stand_in() {
        let (_, list) = AFTER.split_once("answer:\n").unwrap();
        let (list, _) = list.split_once("\nWhat changes").unwrap();
        assert_eq!(list.split_whitespace().collect::<Vec<_>>(), crate::recording::NAMES);
        assert!(crate::recording::CARRIERS.iter().all(|name| AFTER.contains(&format!("`{name}`"))));
    }
}
