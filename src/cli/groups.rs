//! The groups of commands of the top page of `--help`, with examples of each command. A new command is one row of this table, without
//! which a test fails.

use clap::Command;
use clap::builder::StyledStr;

/// Commands that do things of one kind.
pub(super) struct Group {
    /// What stands above them.
    pub(super) title: &'static str,
    /// The commands, those that are needed first first.
    pub(super) commands: &'static [Entry],
}

/// A command, and command lines of it, or of its own commands, each with what it does.
pub(super) struct Entry(pub(super) &'static str, pub(super) &'static [Example]);

/// A command line, and what it does.
pub(super) type Example = (&'static str, &'static str);

/// Every command but those that are hidden, in the order of `vmrun --help` and of vmrun(1).
#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    Group { title: "Run machines", commands: &[
        Entry("new", &[
            ("vmrun new web --os debian-13", "Write the recipe of a machine that one can ssh into"),
            ("vmrun new db --os freebsd-15.1 --net bridge0 --zvol zroot/vm --size 40G", "With its disk on ZFS"),
        ]),
        Entry("run", &[
            ("vmrun web.rhai --init", "Make the disks of a machine, and boot its installer"),
            ("vmrun web.rhai --set memory=4G", "Boot it with another value of one of its parameters"),
        ]),
        Entry("plan", &[
            ("vmrun plan web.rhai --init", "Print the commands of its first boot; nothing is run"),
            ("vmrun plan web.rhai --on freebsd-15.0", "Print those that FreeBSD 15.0 would be given, on any system"),
        ]),
        Entry("start", &[
            ("vmrun start db.rhai web.rhai", "Run two machines in the background, in the order that they ask for"),
            ("vmrun start --all", "Start what `start` in config.toml lists, as a system does when it boots"),
        ]),
        Entry("stop", &[
            ("vmrun stop web", "Ask the guest to power off, and wait until it is down"),
            ("vmrun stop --all --within 80s", "Stop every machine; what still runs after 80 seconds is switched off"),
        ]),
        Entry("restart", &[
            ("vmrun restart web", "Stop a machine in the background, and start it again as it was started"),
            ("vmrun restart db web --within 2m", "Restart two; both have two minutes to power off"),
            ("vmrun restart --all-hosts --dry-run", "Rehearse it for the machines of many hosts, and print their order"),
            ("vmrun restart --all-hosts --at-once 2", "Restart these, two at a time; the first that does not come back ends it"),
        ]),
        Entry("kill", &[
            ("vmrun kill web", "Switch a machine off at once, as by pulling its plug"),
            ("vmrun kill db web", "Switch off two"),
        ]),
        Entry("adopt", &[
            ("vmrun adopt web", "Look after a guest again whose supervisor was killed"),
            ("vmrun adopt --all", "Take over every guest of this host whose supervisor is gone"),
        ]),
        Entry("gc", &[
            ("vmrun gc --dry-run", "Print what killed runs have left, and what would give it back"),
            ("vmrun gc /vm", "Give it back, and remove files below /vm that a power cut left half written"),
        ]),
        Entry("doctor", &[
            ("vmrun doctor", "Tell what this host lacks for machines, and what mends it"),
            ("vmrun doctor --json", "The same, for a program"),
        ]),
    ] },
    Group { title: "See machines", commands: &[
        Entry("list", &[
            ("vmrun list --all", "List the machines of this host, those that are down as well"),
            ("vmrun list --watch", "Draw them anew every two seconds, until q is pressed"),
            ("vmrun list --all-hosts", "Ask the hosts of the configuration too: what runs twice is an error"),
            ("vmrun list --json", "The same, for a program"),
        ]),
        Entry("status", &[
            ("vmrun status web", "Tell all that is known of a machine, with the threads of its hypervisor"),
            ("vmrun status web --json", "The same, for a program"),
        ]),
        Entry("monitor", &[
            ("vmrun monitor web", "Tell by the exit code whether a machine runs: 0 is yes, 8 is no"),
            ("vmrun monitor web --json", "The same, with what is known of it"),
        ]),
        Entry("top", &[
            ("vmrun top", "Watch the machines of this host"),
            ("vmrun top --every 5s", "Look only every five seconds"),
        ]),
        Entry("logs", &[
            ("vmrun logs web -f", "Print the end of a machine's log, and go on with it"),
            ("vmrun logs web -n 200", "Print its last 200 lines"),
        ]),
        Entry("events", &[
            ("vmrun events -f", "Print what happens to all machines in the background, as it happens"),
            ("vmrun events web -n 10", "Print the last ten events of one"),
        ]),
        Entry("metrics", &[
            ("vmrun metrics", "Print numbers of the machines of this host"),
            ("vmrun metrics --out /var/lib/node_exporter/vmrun.prom", "Write them where node_exporter looks"),
        ]),
    ] },
    Group { title: "Reach machines", commands: &[
        Entry("ssh", &[
            ("vmrun ssh web", "Log in to the guest of a machine"),
            ("vmrun ssh --wait 60s web -- uname -a", "Run a command there, as soon as its sshd answers"),
        ]),
        Entry("cp", &[
            ("vmrun cp notes.txt web:/tmp/", "Copy a file to the guest of a machine"),
            ("vmrun cp -r web:/var/log logs", "Copy a folder from there"),
        ]),
        Entry("exec", &[
            ("vmrun exec web -- uname -a", "Run a command in a guest by its agent: no network and no key is needed"),
            ("tar c etc | vmrun exec web --within 30s -- tar x -C /srv", "Give it what comes from a pipe, and half a minute"),
        ]),
        Entry("ssh-config", &[
            ("vmrun ssh-config >~/.ssh/vmrun", "Let ssh, scp and others know all machines: Include vmrun"),
            ("vmrun ssh-config web >>~/.ssh/config", "Let them know one"),
        ]),
        Entry("console", &[
            ("vmrun console web", "Connect the terminal with the serial port of a machine; Ctrl-] leaves it"),
            ("vmrun console web --port com2", "The same with its second one"),
        ]),
        Entry("vnc", &[
            ("vmrun vnc web", "Open a viewer on the screen of a machine"),
            ("vmrun vnc web --hosts ssh://h1,ssh://h2", "Look for it on these two hosts"),
        ]),
        Entry("screenshot", &[
            ("vmrun screenshot web web.png", "Save what is on the screen of a machine"),
            ("vmrun screenshot web --text", "Print the text that is on it"),
        ]),
        Entry("type", &[
            ("vmrun type web 'root<enter>'", "Type a name and the Enter key"),
            ("vmrun type web '<Ctrl-Alt-Del>'", "Press three keys at once"),
            ("vmrun type web - --pace 100ms", "Type what the standard input has, slowly"),
        ]),
        Entry("wait-screen", &[
            ("vmrun wait-screen web 'login:'", "Wait until the screen shows a text"),
            ("vmrun wait-screen web --picture ready.png --within 5m", "Wait until it shows a picture"),
        ]),
        Entry("wait-serial", &[
            ("vmrun wait-serial web 'login:'", "Wait until the serial port says a text"),
            ("vmrun wait-serial web 'login:' --within 5m", "Wait for five minutes at most"),
        ]),
        Entry("find", &[
            ("vmrun find web", "Tell which host runs a machine"),
            ("vmrun find --all", "Ask every host for every machine: finds what runs twice"),
        ]),
    ] },
    Group { title: "Write recipes", commands: &[
        Entry("check", &[
            ("vmrun check", "Check every recipe and library below this folder"),
            ("vmrun check web.rhai --on linux", "Rehearse one recipe for Linux"),
        ]),
        Entry("test", &[
            ("vmrun test", "Run every test below this folder"),
            ("vmrun test web_test.rhai --only init", "Run the tests of one file whose name holds `init`"),
        ]),
        Entry("words", &[
            ("vmrun words", "Print all words of the recipe language"),
            ("vmrun words tap", "Print what one word does and takes"),
        ]),
        Entry("import", &[
            ("vmrun import /vm/web/web.conf --out web.rhai", "Write a recipe of a guest of vm-bhyve"),
            ("vmrun import -- bhyve -c 2 -m 1G web", "Print the recipe of a command line"),
            ("vmrun import web.xml --out web.rhai", "Write a recipe of a domain of libvirt"),
            ("vmrun import web.tar.zst --dry-run", "Tell what bringing an exported machine here would do"),
            ("vmrun import --all /vm --out ./recipes", "Write recipes of all guests of vm-bhyve, CBSD or libvirt"),
            ("vmrun import --all --running --out ./recipes", "Write recipes of what runs on this host now"),
        ]),
        Entry("record", &[
            ("vmrun record -- ./vm.sh web", "Write the recipe of what a shell script does"),
            ("vmrun record --init-args=-i -- ./vm.sh web", "The same of a script that initializes a machine by -i"),
            ("vmrun record --all-arms --out ./recipes -- ./vm.sh web", "Write a recipe for each machine that it knows"),
        ]),
        Entry("lsp", &[
            ("vmrun lsp", "Serve an editor, which starts it by itself"),
            ("vmrun --verbose lsp", "Serve it, with every command shown on the standard error"),
        ]),
    ] },
    Group { title: "Images and disks", commands: &[
        Entry("images", &[
            ("vmrun images", "List the images of systems that are known"),
            ("vmrun images pin debian-12", "Print the line by which a recipe pins one"),
            ("vmrun images pin --check web.rhai", "Tell whether the pins of a recipe are still what is published"),
        ]),
        Entry("image", &[
            ("vmrun image ipxe boot.img", "Write a boot image with iPXE, which asks DHCP"),
            ("vmrun image ipxe boot.img --script boot.ipxe", "Write one that runs a script"),
            ("vmrun image seed seed.img --user-data user.yaml --meta-data 'text:instance-id: web'",
             "Write what cloud-init reads"),
            ("vmrun image seed seed.img --user-data - --meta-data meta.yaml", "Take a file from the standard input"),
            ("vmrun image inspect boot.img", "Show what is in an image"),
            ("vmrun image inspect boot.img --json", "The same, for a program"),
            ("vmrun image verify boot.img web.rhai", "Tell whether an image is what a recipe would write"),
            ("vmrun image verify boot.img web.rhai --set host=web1", "The same with a parameter"),
        ]),
        Entry("resize", &[
            ("vmrun resize web web.img 40G", "Make a disk of a machine larger"),
            ("vmrun resize web web.img 40G --edit", "Write its size into the recipe as well"),
        ]),
        Entry("snapshot", &[
            ("vmrun snapshot web before-upgrade", "Keep the disks of a machine as they are now"),
            ("vmrun snapshot web --dry-run", "Print the commands that would"),
        ]),
        Entry("snapshots", &[
            ("vmrun snapshots web", "List the snapshots of a machine"),
            ("vmrun snapshots web --remove before-upgrade", "Remove one of them"),
        ]),
        Entry("rollback", &[
            ("vmrun rollback web before-upgrade", "Have the disks of a machine as they were"),
            ("vmrun rollback web before-upgrade --destroy-newer", "Give up the snapshots that came after it, too"),
        ]),
        Entry("clone", &[
            ("vmrun clone web web2", "Make a machine of another one, with copies of its disks"),
            ("vmrun clone web web2 --dry-run", "Print the commands that would"),
        ]),
        Entry("export", &[
            ("vmrun export web web.vmrun", "Write a machine with its disks into one file"),
            ("vmrun export web - | ssh h2 vmrun import -", "Bring it to another host"),
        ]),
        Entry("migrate", &[
            ("vmrun migrate web vm6", "Move a machine to the host vm6; it is down while the rest of its disks is sent"),
            ("vmrun migrate --all vm6 vm7", "Empty this host: each machine goes to the first of these that takes it"),
        ]),
        Entry("replicate", &[
            ("vmrun replicate web vm6", "Keep its disks as they are now on the host vm6; only what has changed is sent"),
            ("vmrun replicate web vm6 --keep 24", "Keep the last 24 of them there"),
        ]),
        Entry("remove", &[
            ("vmrun remove web", "Remove a machine with its disks, after a question"),
            ("vmrun remove web --snapshots --recipe --yes", "Remove all that there is of it, without one"),
        ]),
        Entry("cache", &[
            ("vmrun cache list", "List what was fetched"),
            ("vmrun cache list --json", "The same, for a program"),
            ("vmrun cache prune", "Remove what was not used for 30 days"),
            ("vmrun cache prune --older-than 0s --dry-run", "Print what removing all of it would remove"),
        ]),
    ] },
    Group { title: "Network", commands: &[
        Entry("network", &[
            ("vmrun network up lab.rhai", "Make what is missing of a recipe's network, and let it stay"),
            ("vmrun network up lab.rhai --set vlan=82", "The same with a parameter"),
            ("vmrun network down lab.rhai", "Take it away, as far as vmrun made it"),
            ("vmrun network down lab.rhai --set vlan=82", "The same with a parameter"),
            ("vmrun network rcconf lab.rhai", "Print the lines of rc.conf that make it at every boot"),
            ("vmrun network rcconf lab.rhai --on linux", "Print systemd-networkd's files that do"),
        ]),
        Entry("netboot", &[
            ("vmrun netboot chainload web.rhai --out /tftp", "Write the iPXE script of a machine for a TFTP server"),
            ("vmrun netboot chainload *.rhai --out /tftp --prune", "Write all, and remove those of no recipe"),
            ("vmrun netboot dnsmasq *.rhai", "Print the lines for dnsmasq.conf"),
            ("vmrun netboot dnsmasq web.rhai --server 192.168.2.1", "The same, with who has the files"),
            ("vmrun netboot dhcpd *.rhai", "Print the lines for ISC's dhcpd.conf"),
            ("vmrun netboot dhcpd *.rhai --kea", "Print what to add to Kea's configuration"),
            ("vmrun netboot serve *.rhai --bridge lab0", "Serve DHCP and TFTP on a bridge that vmrun made"),
            ("vmrun netboot serve *.rhai --bridge lab0 --tftp /tftp", "The same, with the scripts in a folder"),
        ]),
    ] },
    Group { title: "Share recipes", commands: &[
        Entry("lib", &[
            ("vmrun lib add net https://git.example.org/net.git", "Let the recipes of this folder import \"net/…\""),
            ("vmrun lib add net https://git.example.org/net.git --semver 1.2", "Take a tag compatible with 1.2"),
            ("vmrun lib sync", "Fetch what vmrun.lock pins"),
            ("vmrun lib sync --folder /vm/recipes", "The same for another folder"),
            ("vmrun lib verify", "Compare every file of every library with vmrun.lock"),
            ("vmrun lib verify --json", "The same, for a program"),
            ("vmrun lib update", "Pin the newest that vmrun.toml allows"),
            ("vmrun lib update net", "Do so with one library"),
            ("vmrun lib vendor", "Keep the libraries with the recipes"),
            ("vmrun lib vendor --folder /vm/recipes", "The same for another folder"),
            ("vmrun lib list", "List the libraries, and what is pinned"),
            ("vmrun lib list --json", "The same, for a program"),
            ("vmrun lib new net", "Begin a library of your own"),
            ("vmrun lib new net --folder /vm/recipes", "The same in another folder"),
        ]),
        Entry("audit", &[
            ("vmrun audit net", "List all that a library can ask the host for"),
            ("vmrun audit ./net --json", "The same of a folder, for a program"),
        ]),
        Entry("doc", &[
            ("vmrun doc net", "Print the reference of a library as Markdown"),
            ("vmrun doc std/guest --format man", "Print that of a standard module as a manual page"),
        ]),
    ] },
    Group { title: "Elsewhere", commands: &[
        Entry("definitions", &[
            ("vmrun definitions", "Write what editors read of the words into the folder definitions"),
            ("vmrun definitions /tmp/rhai --folder /vm/recipes", "Write it elsewhere, with a folder's libraries"),
        ]),
        Entry("man", &[
            ("vmrun man plan | man -l -", "Read the page of a command"),
            ("vmrun man --out /usr/local/share/man", "Install all pages"),
        ]),
        Entry("completions", &[
            ("vmrun completions bash >/etc/bash_completion.d/vmrun", "Have bash complete commands, options, machines"),
            ("vmrun completions fish >~/.config/fish/completions/vmrun.fish", "Have fish do so"),
        ]),
    ] },
];

/// Returns the names of all commands, in the order of their groups.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.commands).map(|entry| entry.0)
}

/// Returns the examples of a command by its words, as `["lib", "add"]`. Of a command that has commands it is one of each of them.
pub(super) fn examples(path: &[&str], has_commands: bool) -> Vec<&'static Example> {
    let Some(name) = path.first() else { return Vec::new() };
    let entries = GROUPS.iter().flat_map(|group| group.commands);
    let all = entries.filter(|entry| entry.0 == *name).flat_map(|entry| entry.1);
    let is_own = format!("vmrun {} ", path.join(" "));
    let mut seen = Vec::new();
    all.filter(|(line, _)| {
        let second = line.split(' ').nth(2);
        let is_first = !seen.contains(&second);
        seen.push(second);
        (is_first || !has_commands) && (path.len() == 1 || format!("{line} ").starts_with(&is_own))
    })
    .collect()
}

/// Returns all commands in their groups, as the top page shows them.
pub(super) fn page(program: &Command) -> StyledStr {
    let styles = program.get_styles();
    let (header, name) = (styles.get_header(), styles.get_literal());
    let longest = GROUPS.iter().flat_map(|group| group.commands).map(|entry| entry.0.len()).max().unwrap_or_default();
    let mut text = String::new();
    for group in GROUPS {
        text += &format!("{header}{}:{header:#}\n", group.title);
        for Entry(command, _) in group.commands {
            let about = program.find_subcommand(command).and_then(Command::get_about).map(ToString::to_string);
            text += &format!("  {name}{command:<longest$}{name:#}  {}\n", about.unwrap_or_default());
        }
        text.push('\n');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, with_run};
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    #[test]
    fn every_command_that_is_not_hidden_is_in_one_group() {
        let program = Cli::command();
        let shown = program.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name);
        let (mut shown, mut grouped): (Vec<&str>, Vec<&str>) = (shown.collect(), names().collect());
        shown.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, shown, "GROUPS in src/cli/groups.rs has every command once");
    }

    #[test]
    fn every_command_has_two_examples() {
        fn of(command: &Command, path: &[&str], lacking: &mut Vec<String>) {
            for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
                let path = [path, &[inner.get_name()]].concat();
                if examples(&path, inner.has_subcommands()).len() < 2 {
                    lacking.push(path.join(" "));
                }
                of(inner, &path, lacking);
            }
        }
        let mut lacking = Vec::new();
        of(&Cli::command(), &[], &mut lacking);
        assert_eq!(lacking, [""; 0], "these need examples in GROUPS, src/cli/groups.rs");
    }

    #[test]
    fn every_example_is_a_command_line_of_its_command() {
        let command = Cli::command();
        for Entry(name, examples) in GROUPS.iter().flat_map(|group| group.commands) {
            for (line, what) in *examples {
                // What is piped to it, or from it, is another program's.
                let ours = line.split(" | ").find(|part| part.starts_with("vmrun ")).unwrap_or(line);
                let typed = ours.split(' ').take_while(|word| !word.starts_with('>'));
                let words = with_run(typed.map(|word| word.replace('\'', "")).collect(), &command);
                assert!(words.iter().any(|word| word == name), "{line} is no example of {name}");
                let error = command.clone().try_get_matches_from(words).err();
                // A text in quotes is several words here.
                let error = error.filter(|error| !(line.contains('\'') && error.kind() == ErrorKind::UnknownArgument));
                assert_eq!(error.map(|error| error.to_string()), None, "{line}");
                assert!(
                    !what.ends_with('.') && what.chars().count() < 80 && line.chars().count() < 88,
                    "{line}: {what}"
                );
            }
        }
    }

    #[test]
    fn the_top_page_fits_a_terminal_of_80_columns() {
        let page = page(&Cli::command()).to_string();
        let wide: Vec<&str> = page.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(wide, [""; 0], "the description of a command has to be shorter");
    }
}
