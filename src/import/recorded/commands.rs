//! What a script calls beside ifconfig(8) and bhyve(8), as a recipe says it so that every start and every reboot can stand it.

use super::super::expressions::size;
use super::super::layout::{comment, quoted};
use super::{Guard, Writer, truncated};
use crate::bhyve::UEFI_CODE;
use crate::model::Size;
use crate::recording::file_programs::{self, FileCall, UNPACKERS};
use crate::recording::settled::counting;
use crate::recording::{Call, PASSING, Step, When, base_name, node_of};

/// How a raw command stands in a recipe.
enum Way {
    /// As it is: it may be repeated.
    AsItIs,
    /// Before each boot of the run, and given back after it.
    EachBoot,
    /// Where the machine is initialized: a second start would be refused.
    Once(&'static str),
    /// Its failure is none.
    Tried(&'static str),
}

/// Returns where a command copies the variables to with which UEFI firmware begins.
pub(in crate::import) fn copied_vars(argv: &[String]) -> Option<&str> {
    let call = FileCall::of(argv).filter(|_| argv.first().is_some_and(|program| program == "cp"))?;
    match (call.sources.as_slice(), call.targets.as_slice()) {
        ([from], [to]) if base_name(from) == "BHYVE_UEFI_VARS.fd" => Some(to),
        _ => None,
    }
}

/// Whether a call boots a machine with the firmware for which vmrun copies the variables to this file.
fn has_vars(call: &Call, path: &str) -> bool {
    let is_rom = |arg: &String| {
        arg.strip_prefix("bootrom,")
            .and_then(|rom| rom.split_once(','))
            .is_some_and(|(code, vars)| code == UEFI_CODE && vars.split(',').any(|part| part == path))
    };
    call.boots().is_some() && call.args().iter().any(is_rom)
}

/// Returns the file or the folder that a command makes and that later steps may need, where it is one.
pub(super) fn made_file(call: &Call) -> Option<&str> {
    if let Some(watched) = &call.watched {
        let lasting: Vec<&String> = counting(watched, &|_| false).collect();
        let made = if lasting.is_empty() { counting(watched, &|_| true).collect() } else { lasting };
        return if let [path] = made.as_slice() { Some(path) } else { None };
    }
    let program = call.program();
    let call = FileCall::of(&call.argv)?;
    let is_making = ["cp", "dd", "install", "ln", "mkdir", "touch"].contains(&program) || UNPACKERS.contains(&program);
    match call.targets.as_slice() {
        [path] if is_making && !path.ends_with('/') && call.sources.len() < 2 => Some(path),
        _ => None,
    }
}

/// Returns the module that kldstat(8) is asked for.
pub(in crate::import) fn asked_module(args: &[String]) -> Option<String> {
    let asked = args.windows(2).find_map(|pair| match pair {
        [option, name] if option.starts_with('-') && option.ends_with(['m', 'n']) => Some(name),
        _ => None,
    })?;
    Some(base_name(asked).trim_end_matches(".ko").to_string())
}

/// Returns the arguments of mdconfig(8) with the disk that they name by its number named by its name: `-u 0` is `-u md0`.
pub(in crate::import) fn unit_by_name(call: &Call) -> Option<Vec<String>> {
    let at = call.args().iter().position(|word| word == "-u").filter(|_| call.program() == "mdconfig")?;
    let mut args = call.args().to_vec();
    let unit = args.get_mut(at + 1).filter(|unit| unit.parse::<u32>().is_ok())?;
    unit.insert_str(0, "md");
    Some(args)
}

/// Whether a step makes a dataset, or a snapshot.
fn makes_dataset(step: &Step, name: &str) -> bool {
    let args = step.call.args();
    step.call.program() == "zfs"
        && args.first().is_some_and(|word| word != "destroy" && word != "list")
        && args.last().is_some_and(|made| made == name)
}

impl Writer<'_> {
    /// Says the call of a step, which is no machine, no loader and no interface.
    pub(super) fn command(&mut self, at: usize, step: &Step) {
        let args = step.call.args();
        match (step.call.program(), args) {
            ("bhyvectl", _) => self.bhyvectl(step),
            ("truncate", _) if truncated(args).is_some() => self.truncate(step),
            ("kldstat", _) => self.asked_module(step),
            ("kldload", names) => {
                let names: Vec<String> = names.iter().filter(|name| !name.starts_with('-')).cloned().collect();
                self.load_modules(step.when, &names);
                if let Some(back) = self.back(at, step) {
                    self.say(step.when, format!("defer(|| {back});\n"));
                }
            }
            // A guest's console, which a recipe has by itself.
            ("cu", _) => {}
            // The variables of the firmware, which vmrun copies where they are missing.
            ("cp", _) if self.copies_missing_vars(step) => {}
            _ => self.raw(at, step),
        }
    }

    /// Whether a command copies the variables of a machine's firmware where they are missing.
    fn copies_missing_vars(&self, step: &Step) -> bool {
        let Some(path) = copied_vars(&step.call.argv) else { return false };
        let is_where_missing = |guard: &Guard| {
            guard.what == step.call.argv && !guard.is_otherwise && guard.files == [(path.to_string(), false)]
        };
        self.guards.iter().any(is_where_missing) && self.steps.iter().any(|step| has_vars(&step.call, path))
    }

    fn load_modules(&mut self, when: When, names: &[String]) {
        let words: Vec<String> = std::iter::once("-n").chain(names.iter().map(String::as_str)).map(quoted).collect();
        let line = format!("run(\"kldload\", [{}]);\n", words.join(", "));
        if !self.has_said(when, &line) {
            self.say(when, line);
        }
    }

    /// Who asks whether a module is loaded goes on only with it, or loads it where it is not.
    fn asked_module(&mut self, step: &Step) {
        if let Some(name) = asked_module(step.call.args()) {
            self.load_modules(step.when, &[name]);
        }
    }

    /// A node is taken away where it is there; bhyve makes it.
    fn bhyvectl(&mut self, step: &Step) {
        let args: Vec<&str> = step.call.args().iter().map(String::as_str).collect();
        let Some(name) = node_of(&args) else { return self.raw(usize::MAX, step) };
        let says = |words: &[&str]| args.iter().any(|arg| words.contains(arg));
        if says(&["--destroy"]) {
            self.say(step.when, format!("bhyvectl({}).destroy();\n", quoted(name)));
        } else if !says(&["--create", "--force-poweroff", "--force-reset"]) {
            self.raw(usize::MAX, step);
        }
    }

    fn truncate(&mut self, step: &Step) {
        let Some((length, paths)) = truncated(step.call.args()) else { return };
        let length = length.parse().map_or_else(|_| quoted(&length), |of: Size| size(of));
        for path in paths {
            let path = self.words.values.get(path).cloned().unwrap_or_else(|| quoted(path));
            self.say(step.when, format!("truncate({path}, {length});\n"));
        }
    }

    /// Returns the call that gives back what a step takes, where it comes after the last boot.
    fn back(&self, at: usize, step: &Step) -> Option<String> {
        let back = step.given_back_by.filter(|_| at != usize::MAX).filter(|back| self.is_over(*back))?;
        // A file that the script makes once, and removes when the guest reboots no more, stays: what is deferred is done after each boot.
        let is_repeated = || self.each_boot.contains(&step.call.command().to_string());
        if file_programs::is_one(step.call.program()) && self.goes_on && !is_repeated() {
            return None;
        }
        let call = &self.steps.get(back)?.call;
        let args = unit_by_name(call).unwrap_or_else(|| call.args().to_vec());
        Some(format!("run({}, [{}])", quoted(call.program()), self.list(&args)))
    }

    /// A path as the recipe names it.
    fn path(&self, path: &str) -> String {
        self.words.values.get(path).cloned().unwrap_or_else(|| quoted(path))
    }

    fn list(&self, words: &[String]) -> String {
        let word = |word: &String| match (self.of_disk(word), word.starts_with("/dev/")) {
            (Some((variable, part)), true) => format!("`/dev/${{{variable}}}{part}`"),
            (Some((variable, "")), false) => variable.into(),
            (Some((variable, part)), false) => format!("`${{{variable}}}{part}`"),
            (None, _) => quoted(word),
        };
        words.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// Returns the variable of the memory disk that a word names, by itself or by its path, and which part of it: `/dev/md0p2`, `md0s1a`.
    fn of_disk<'w>(&self, word: &'w str) -> Option<(&str, &'w str)> {
        let name = word.strip_prefix("/dev/").unwrap_or(word);
        let is_part = |part: &str| {
            let rest = part.strip_prefix(['p', 's']).unwrap_or_default();
            part.is_empty()
                || rest.starts_with(|c: char| c.is_ascii_digit()) && rest.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let mut disks = self.disks.iter();
        disks.find_map(|(disk, variable)| {
            let part = name.strip_prefix(disk.as_str()).filter(|part| is_part(part))?;
            Some((variable.as_str(), part))
        })
    }

    fn raw(&mut self, at: usize, step: &Step) {
        let call = &step.call;
        let back = self.back(at, step);
        let way = self.way(at, step, back.is_some());
        let printed = call.output.trim().to_string();
        let is_disk = call.program() == "mdconfig" && printed.starts_with("md");
        let mut options = Vec::new();
        if is_disk {
            options.push(format!("stand_in: {}", quoted(&printed)));
        }
        options.extend(made_file(call).map(|path| format!("makes: {}", self.path(path))));
        // What sets a variable of the kernel once more changes nothing.
        let is_repeated = call.program() != "sysctl" && self.each_boot.contains(&call.command().to_string());
        if matches!(way, Way::EachBoot) || is_repeated && !matches!(way, Way::Once(_)) {
            options.push("each_boot: true".into());
        }
        let options = if options.is_empty() { String::new() } else { format!(", #{{ {} }}", options.join(", ")) };
        let args = unit_by_name(call).unwrap_or_else(|| call.args().to_vec());
        let mut text = format!("run({}, [{}]{options})", quoted(call.program()), self.list(&args));
        if is_disk && step.when == When::Always && !matches!(way, Way::Once(_)) {
            let variable = if self.disks.is_empty() { "md".to_string() } else { format!("md{}", self.disks.len() + 1) };
            text = format!("let {variable} = {text}");
            self.words.values.insert(format!("/dev/{printed}"), format!("`/dev/${{{variable}}}`"));
            self.disks.insert(printed, variable);
        }
        let line = call.command().to_string();
        let instead = self.instead.iter().find(|(failing, _)| *failing == line).map(|(_, calls)| calls);
        match way {
            Way::AsItIs | Way::EachBoot if instead.is_some() => {
                let calls = instead.into_iter().flatten();
                let others: String = calls
                    .map(|call| format!("run({}, [{}]); ", quoted(call.program()), self.list(call.args())))
                    .collect();
                let why = comment(0, "It may be so already: then the script does the other.");
                self.say(step.when, format!("{why}try {{ {text}; }} catch {{ {others}}}\n"));
            }
            Way::AsItIs | Way::EachBoot => self.say(step.when, format!("{text};\n")),
            Way::Tried(why) => self.say(step.when, format!("{}try {{ {text}; }} catch {{ }}\n", comment(0, why))),
            Way::Once(why) => {
                let when = if step.when == When::Always { When::OnlyInit } else { step.when };
                let why = comment(0, why);
                let is_told = self.lines.last().is_some_and(|last| last.when == when && last.text.contains(&why));
                self.say(when, if is_told { format!("{text};\n") } else { format!("{why}{text};\n") });
            }
        }
        // The variable of a disk may stand in it.
        if let Some(back) = self.back(at, step) {
            self.say(step.when, format!("defer(|| {back});\n"));
        }
    }

    fn way(&self, at: usize, step: &Step, is_given_back: bool) -> Way {
        const THERE: &str = "Once: a second start would find it there.";
        const GONE: &str = "Once: it takes away what a later start has.";
        let args: Vec<&str> = step.call.args().iter().map(String::as_str).collect();
        let later = self.steps.get(at.saturating_add(1)..).unwrap_or_default();
        match (step.call.program(), args.as_slice()) {
            // What hangs on a file is done as often as that says.
            _ if self.guard.is_some() && !is_given_back => Way::AsItIs,
            _ if is_given_back || step.call.program() == "mdconfig" => Way::EachBoot,
            // What works on a disk that each boot has anew.
            _ if args.iter().any(|arg| self.of_disk(arg).is_some() || self.is_mounted_each_boot(arg)) => Way::EachBoot,
            ("zfs", ["destroy", .., name]) => {
                if later.iter().any(|step| makes_dataset(step, name)) {
                    Way::Tried("It may not be there.")
                } else {
                    Way::Once(GONE)
                }
            }
            (
                "zfs",
                ["create" | "clone" | "snapshot" | "snap" | "rename" | "receive" | "recv" | "promote", .., name],
            ) => {
                let is_taken_away_before = self.steps.iter().take(at).any(|other| {
                    let args: Vec<&str> = other.call.args().iter().map(String::as_str).collect();
                    let (["destroy", .., gone] | ["rename", .., gone, _]) = args.as_slice() else { return false };
                    other.call.program() == "zfs" && gone == name
                });
                // What is made later is not there at the first start.
                let is_moved_first = matches!(args.as_slice(), ["rename", .., from, _] if later.iter().any(|step| makes_dataset(step, from)));
                if is_taken_away_before && is_moved_first {
                    return Way::Tried("It may not be there.");
                }
                if is_taken_away_before { Way::AsItIs } else { Way::Once(THERE) }
            }
            ("zpool", ["create" | "import" | "add" | "attach", ..]) => Way::Once(THERE),
            ("zpool", ["destroy" | "export" | "detach" | "remove", ..]) => Way::Once(GONE),
            ("mv", _) => Way::Tried("It may not be there."),
            ("rmdir", _) => Way::Tried("It may not be there, or have something in it."),
            ("ln", _) if !args.iter().any(|word| word.starts_with('-') && word.contains('f')) => {
                Way::Tried("It may be there already.")
            }
            ("dd" | "gpart" | "newfs_msdos", _) => Way::Once("Once: it writes over what is there."),
            ("truncate", _) if !args.contains(&"-c") => Way::Once("Once: each start would change its size again."),
            ("mount", _) => Way::Tried("It may be mounted already."),
            ("umount", _) => Way::Tried("It may not be mounted."),
            ("kldunload", _) => Way::Tried("It may not be loaded."),
            ("pkill" | "killall", _) => Way::Tried("It may not run."),
            // A jail lasts no longer than the host is up.
            ("jail", _) if self.missing.contains(&step.call.command().to_string()) => {
                Way::Tried("It may be there already.")
            }
            (program, _) if PASSING.contains(&program) && self.passing.contains(&step.call.command().to_string()) => {
                Way::Tried("It may be there already.")
            }
            _ => self.way_of_others(step),
        }
    }

    /// How a command stands of which only is known when the script calls it.
    fn way_of_others(&self, step: &Step) -> Way {
        let line = step.call.command().to_string();
        if self.tolerated.contains(&line) && step.call.watched.is_some() {
            Way::Tried("It fails where the script was recorded, and the script goes on.")
        } else if self.tolerated.contains(&line) {
            Way::Tried("It may be so already, and the script goes on.")
        } else if self.missing.contains(&line) {
            Way::Once("Once: the script does so only where something is missing.")
        } else {
            Way::AsItIs
        }
    }

    /// Whether a path is that of a place, or in one, at which a step mounts a disk that each boot has anew.
    fn is_mounted_each_boot(&self, path: &str) -> bool {
        self.steps.iter().any(|step| {
            let args = step.call.args();
            let is_below = |place: &String| {
                path.strip_prefix(place.trim_end_matches('/'))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let is_there = step.call.program() == "mount" && args.len() > 1 && args.last().is_some_and(is_below);
            is_there && args.iter().any(|word| self.of_disk(word).is_some())
        })
    }
}
