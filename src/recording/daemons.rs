//! The files that programs make which a script starts and leaves running: it waits for them, and ends by them what it has started.

/// What is in such a file of a process: a number that no process of an enclosure has.
pub(crate) const PROCESS: &[u8] = b"4194304\n";

/// Returns the file into which a program that is started writes its number: of dnsmasq(8), of dhcpd(8), and of swtpm(8).
pub(crate) fn process_file(words: &[String]) -> Option<&str> {
    let (program, args) = words.split_first()?;
    let joined = |option: &str| args.iter().find_map(|word| word.strip_prefix(option)).filter(|path| !path.is_empty());
    let after = |option: &str| args.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1].as_str());
    match program.as_str() {
        "dnsmasq" => joined("--pid-file=").or_else(|| after("-x")).or_else(|| joined("-x")),
        "dhcpd" => after("-pf"),
        "swtpm" => after("--pid").and_then(|value| value.split(',').find_map(|part| part.strip_prefix("file="))),
        _ => None,
    }
}

/// Returns the socket at which swtpm(8) listens, for which scripts wait: `--ctrl type=unixio,path=PATH`.
pub(crate) fn socket(words: &[String]) -> Option<&str> {
    words.first().filter(|program| *program == "swtpm")?;
    let at = words.iter().position(|word| word == "--ctrl" || word == "--server")?;
    words.get(at + 1)?.split(',').find_map(|part| part.strip_prefix("path="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_process_are_found() {
        let of = |line: &str| {
            let words: Vec<String> = line.split(' ').map(String::from).collect();
            [process_file(&words), socket(&words)].map(|path| path.unwrap_or("-").to_string()).join(" ")
        };
        assert_eq!(of("dnsmasq -C /a -x /var/run/a.pid"), "/var/run/a.pid -");
        assert_eq!(
            (of("dnsmasq --pid-file=/a"), of("dnsmasq -x/a"), of("dnsmasq -C /a")),
            ("/a -".into(), "/a -".into(), "- -".into())
        );
        assert_eq!((of("dhcpd -pf /a -cf /b"), of("bhyve -x /a")), ("/a -".into(), "- -".into()));
        assert_eq!(of("swtpm socket --ctrl type=unixio,path=/s --pid file=/a,mode=600"), "/a /s");
    }
}
