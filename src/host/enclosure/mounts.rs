//! What is mounted on this host, and which of it an enclosure covers.

use std::path::{Path, PathBuf};

/// File systems that are no place for files, or of which a look makes changes.
const WITHOUT_FILES: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// The folders that an enclosure has anew.
pub(super) const ANEW: &[&str] = &["/dev", "/proc", "/sys"];

/// A place where something is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) at: PathBuf,
    /// Whether it is a file system that holds files.
    pub(super) has_files: bool,
}

/// Returns what is mounted below /, but in the folders that are made anew, from the text of /proc/self/mountinfo
/// (proc_pid_mountinfo(5)).
pub(super) fn mounted(mountinfo: &[u8]) -> Vec<Mounted> {
    use std::os::unix::ffi::OsStringExt as _;
    let mut found = Vec::new();
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4) else { continue };
        let kind = fields.skip_while(|field| *field != b"-").nth(1).map(String::from_utf8_lossy).unwrap_or_default();
        let at = PathBuf::from(std::ffi::OsString::from_vec(unescaped(point)));
        if at != Path::new("/") && !is_anew(&at) {
            found.push(Mounted { at, has_files: !WITHOUT_FILES.contains(&kind.as_ref()) });
        }
    }
    found
}

/// Whether a path is in a folder that an enclosure has anew.
pub(super) fn is_anew(path: &Path) -> bool {
    ANEW.iter().any(|folder| path.starts_with(folder))
}

/// A blank, a tab, a newline and a backslash are written as `\ooo`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        let code = digits.and_then(|digits| u8::from_str_radix(&String::from_utf8_lossy(digits), 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_with_files_are_found_and_others_are_not() {
        let text = b"21 1 254:0 / / rw - ext4 /dev/vda rw\n22 21 0:5 / /proc rw - proc proc rw\n\
                     23 21 0:20 / /home/a\\040b rw,nosuid shared:3 master:1 - btrfs /dev/sdb rw\n24 21 0:6 / /dev/shm rw - tmpfs shm rw\n\
                     25 21 0:7 / /net rw - autofs auto rw\n26 21 0:8 / /tmp rw - tmpfs tmpfs rw\nnothing\n";
        let found: Vec<(PathBuf, bool)> = mounted(text).into_iter().map(|one| (one.at, one.has_files)).collect();
        assert_eq!(found, [("/home/a b".into(), true), ("/net".into(), false), ("/tmp".into(), true)]);
        assert_eq!(unescaped(b"a\\134040\\9\\"), b"a\\040\\9\\");
    }
}
