//! What a bhyve that runs says of its machine, whoever has started it.

/// bhyve calls itself `bhyve: NAME`; ps adds what the command is called where the two differ.
fn title(command: &str) -> Option<&str> {
    let name = command.strip_prefix("bhyve: ")?;
    Some(name.strip_suffix(" (bhyve)").unwrap_or(name))
}

/// Returns the machine that a process runs, if it is a bhyve: one that has not come to give itself a title, as one that waits for
/// its viewer, is known by its command line, whose last word is the name (bhyve(8)).
pub fn machine_of(command: &str) -> Option<&str> {
    let is_bhyve = |word: &str| word.rsplit('/').next() == Some("bhyve");
    let of_words = || {
        let (words, name) = command.rsplit_once(' ')?;
        // With limits sh(1) becomes bhyve once rctl(8) has set them, or nice(1).
        let mut words = words.split(' ');
        let becomes = |shell: &str| command.starts_with(shell);
        let is_its = words.next().is_some_and(is_bhyve)
            || becomes("sh -c rctl ") && words.any(is_bhyve)
            || becomes("nice -n ") && words.nth(2).is_some_and(is_bhyve);
        is_its.then_some(name)
    };
    title(command).or_else(of_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bhyve_is_known_by_its_title_or_by_its_command_line() {
        let said = [
            "bhyve: web (bhyve)",
            "bhyve: web",
            "bhyve -c 1 -m 32M -s 29,fbuf,tcp=127.0.0.1:5901,wait -s 31,lpc web",
            "/usr/sbin/bhyve -k /vm/web.conf web",
            "sh -c rctl -a process:$$:memoryuse:deny=1G && exec \"$0\" \"$@\" || exit 73 bhyve -c 1 web",
            "nice -n 10 bhyve -c 1 web",
        ];
        assert_eq!(said.map(machine_of), [Some("web"); 6]);
        let others = [
            "nice -n 10 vi bhyve web",
            "vi bhyve web",
            "bhyve",
            "bhyvectl --destroy --vm=web",
            "sh -c bhyve web",
            "",
            "grep bhyve web",
        ];
        assert_eq!(others.map(machine_of), [None; 7]);
    }
}
