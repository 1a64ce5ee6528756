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

/// Returns where file systems are mounted that hold files, from the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
pub(super) fn of_files(mountinfo: &[u8]) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let mut found = Vec::new();
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4) else { continue };
        let kind = fields.skip_while(|field| *field != b"-").nth(1).map(String::from_utf8_lossy).unwrap_or_default();
        let path = PathBuf::from(std::ffi::OsString::from_vec(unescaped(point)));
        if !WITHOUT_FILES.contains(&kind.as_ref()) && path != Path::new("/") && !is_anew(&path) {
            found.push(path);
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
        assert_eq!(of_files(text), [Path::new("/home/a b"), Path::new("/tmp")]);
        assert_eq!(unescaped(b"a\\134040\\9\\"), b"a\\040\\9\\");
    }
}
