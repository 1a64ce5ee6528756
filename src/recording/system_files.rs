//! Files of FreeBSD's that scripts read by `.`, and that a host has not which is none.

use super::words;

/// One of them.
struct SystemFile {
    path: &'static str,
    content: &'static str,
    /// What is made up by its being there.
    told: &'static str,
}

/// What rc.conf(5) would say is not known, but for what a recording makes up.
const FILES: &[SystemFile] = &[
    SystemFile {
        path: "/etc/rc.subr",
        content: include_str!("rc.subr"),
        told: "/etc/rc.subr is there, and does what rc.subr(8) says",
    },
    SystemFile { path: "/etc/rc.conf", content: "", told: "/etc/rc.conf is there, and empty" },
    SystemFile { path: "/etc/defaults/rc.conf", content: "", told: "/etc/defaults/rc.conf is there, and empty" },
];

/// Returns what is in a file of the system's, if it is one.
pub(crate) fn content(path: &str) -> Option<&'static str> {
    FILES.iter().find(|file| file.path == path).map(|file| file.content)
}

/// Returns the files of the system's that a command of a shell reads or asks for, and what is made up by their being there: of
/// `. /etc/rc.subr` that file, and rc.conf(5), which it reads.
pub(crate) fn asked(line: &str) -> Vec<(&'static str, &'static str)> {
    let Some(all) = words::told(line) else { return Vec::new() };
    let reads = all.first().is_some_and(|word| [".", "source", "[", "[[", "test"].contains(&word.as_str()));
    let is_named = |path: &str| all.iter().any(|word| word == path);
    let is_asked = |file: &&SystemFile| is_named(file.path) || file.path == "/etc/rc.conf" && is_named("/etc/rc.subr");
    FILES.iter().filter(is_asked).filter(|_| reads).map(|file| (file.path, file.told)).collect()
}

/// Whether a file is one that rc.subr(8) reads by itself, if it is there: rc.conf(5) and what stands beside it.
pub(crate) fn is_of_rc(path: &str) -> bool {
    path.starts_with("/etc/rc.conf") || path.contains("/rc.conf.d/")
}

/// Returns what the stand-in of rc.subr(8) has made up of rc.conf(5), from what a shell tells of its commands.
pub(crate) fn assumed(line: &str) -> Option<String> {
    match words::told(line)?.as_slice() {
        [word, name, value] if word == "rc_assumed" => Some(format!("{name} is {value} in /etc/rc.conf")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_system_is_one_that_is_read_or_asked_for() {
        let lines = [
            "+ . /etc/rc.subr",
            "++ source /etc/rc.conf",
            "+ [ -r /etc/defaults/rc.conf ]",
            "+ cat /etc/rc.conf",
            "+ . /etc/rc.conf.d/web",
            ". /etc/rc.subr",
        ];
        let found = lines.map(|line| asked(line).into_iter().map(|(path, _)| path).collect::<Vec<_>>().join(" "));
        assert_eq!(found, ["/etc/rc.subr /etc/rc.conf", "/etc/rc.conf", "/etc/defaults/rc.conf", "", "", ""]);
        assert!(FILES.iter().all(|file| content(file.path).is_some()) && content("/etc/fstab").is_none());
    }

    #[test]
    fn what_is_made_up_of_rc_conf_is_heard() {
        let lines = ["+ rc_assumed web_enable YES", "+ echo rc_assumed web_enable YES", "+ rc_assumed"];
        assert_eq!(lines.map(assumed), [Some("web_enable is YES in /etc/rc.conf".into()), None, None]);
    }
}
