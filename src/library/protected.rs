//! Folders that no permission is given for as a whole: those of the system, and what they are in.

use std::path::{Component, Path};

/// The folder for machines: what is in it belongs to the machine whose name it has.
pub(crate) const MACHINES: &str = "/vm";

/// What is in these is the system's (hier(7) of FreeBSD and Linux).
const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libexec",
    "/proc",
    "/rescue",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/at",
    "/var/backups",
    "/var/cron",
    "/var/db",
    "/var/log",
    "/var/run",
    "/var/spool",
];

/// Further ones that hold what is not one machine's.
const SHARED: &[&str] = &[
    "/dev/zvol",
    "/home",
    "/usr/bin",
    "/usr/home",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/lib",
    "/usr/local/libexec",
    "/usr/local/sbin",
    "/usr/local/share",
    "/usr/sbin",
    "/usr/share",
    "/var/lib",
];

/// Volumes of ZFS: what is below belongs to whoever made it.
pub(crate) const VOLUMES: &str = "/dev/zvol";

/// Returns whether a path is a folder's or below it, by its letters: one with `..` is below none.
pub(crate) fn is_below(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder) && path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

/// Returns every folder that is never given as a whole, and is in none that is not.
pub(crate) fn wholes() -> impl Iterator<Item = &'static Path> {
    SYSTEM.iter().chain(SHARED).map(Path::new)
}

/// Returns whether a folder is never given as a whole: the root, what is the system's, and whatever these are in.
pub(crate) fn is_whole(folder: &Path) -> bool {
    wholes().any(|whole| whole.starts_with(folder))
}

/// Returns whether a path is in a folder of the system.
pub(crate) fn is_systems(path: &Path) -> bool {
    let is_volume = path.strip_prefix(VOLUMES).is_ok_and(|rest| rest.components().next().is_some());
    !is_volume && SYSTEM.iter().any(|system| is_below(path, Path::new(system)))
}

/// The same of the folder that a link leads to: what is in /usr and is none of its own folders may be anybody's, as a home is that
/// FreeBSD has in /usr/home.
pub(crate) fn is_systems_by_link(real: &Path) -> bool {
    let is_of_usr = |shared: &&&str| shared.starts_with("/usr/") && !["/usr/home", "/usr/local"].contains(shared);
    let is_in_usr = is_below(real, Path::new("/usr"));
    is_systems(real) && (!is_in_usr || SHARED.iter().filter(is_of_usr).any(|own| is_below(real, Path::new(own))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_what_is_below_it_and_nothing_else() {
        let below = |path: &str, folder: &str| is_below(Path::new(path), Path::new(folder));
        assert!(below("/vm/a", "/vm") && below("/vm", "/vm") && below("/vm/a/b", "/vm/a/"));
        for path in ["/vmx", "vm/a", "/vm/../etc", "/vm/a/../..", "/etc"] {
            assert!(!below(path, "/vm"), "{path}");
        }
    }

    #[test]
    fn a_link_to_a_folder_of_the_system_leads_there_and_one_to_a_home_does_not() {
        for folder in ["/etc/cron.d", "/usr/local/etc/rc.d", "/usr/bin", "/var/cron/tabs", "/root"] {
            assert!(is_systems_by_link(Path::new(folder)), "{folder}");
        }
        for folder in ["/usr/home/me", "/usr/vm", "/usr/local/vm", "/data/vm", "/dev/zvol/tank"] {
            assert!(!is_systems_by_link(Path::new(folder)), "{folder}");
        }
    }

    #[test]
    fn no_folder_of_the_system_is_given_as_a_whole() {
        for folder in ["/", "/etc", "/usr", "/usr/local", "/usr/local/etc", "/var", "/dev", "/dev/zvol", "/home"] {
            assert!(is_whole(Path::new(folder)), "{folder}");
        }
        for folder in ["/data", "/vm", "/home/me", "/var/vm", "/dev/zvol/tank", "/usr/local/share/x"] {
            assert!(!is_whole(Path::new(folder)), "{folder}");
        }
        assert!(is_systems(Path::new("/etc/cron.d")) && is_systems(Path::new("/dev/ada0")));
        assert!(!is_systems(Path::new("/dev/zvol/tank/a")) && !is_systems(Path::new("/data")));
    }
}
