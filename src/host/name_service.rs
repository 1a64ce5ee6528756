//! Who a number of a user or a group is, and where a host is, by what this host's name service knows (nsswitch.conf(5)).
//!
//! The C library loads what answers for files, directories and name servers while a program runs, and the program that is linked
//! for Linux without shared libraries cannot: glibc ends it then, or its own copy of the library does. So getent(1), which is of
//! that library, is asked there, and the library itself where the program is linked with it.

use crate::diag::Fault;
use std::net::IpAddr;

/// Returns the name of a user; nothing of one that has none.
pub(crate) fn user(uid: u32) -> Option<String> {
    system::user(uid)
}

/// Returns the name of a group; nothing of one that has none.
pub(crate) fn group(gid: u32) -> Option<String> {
    system::group(gid)
}

/// Returns the addresses of a host by its name, the one to be taken first.
///
/// # Errors
///
/// It has none, or they could not be asked for.
pub(crate) fn addresses(name: &str) -> Result<Vec<IpAddr>, Fault> {
    system::addresses(name)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "this is the door")]
mod system {
    use super::{Fault, IpAddr};
    use crate::host::files::reason;
    use nix::unistd::{Gid, Group, Uid, User};
    use std::net::ToSocketAddrs as _;

    pub(super) fn user(uid: u32) -> Option<String> {
        User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
    }

    pub(super) fn group(gid: u32) -> Option<String> {
        Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name)
    }

    pub(super) fn addresses(name: &str) -> Result<Vec<IpAddr>, Fault> {
        let all = (name, 0).to_socket_addrs().map_err(|error| Fault::host(reason(&error)))?;
        Ok(all.map(|address| address.ip()).collect())
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Fault, IpAddr};
    use crate::host::program;
    use crate::model::Argv;

    /// What getent(1) says of one key.
    fn getent(database: &str, key: &str) -> Result<String, Fault> {
        program::run(&Argv::new("getent").arg("--").arg(database).arg(key))
    }

    /// The first column of a line of passwd(5) or group(5).
    fn name(line: &str) -> Option<String> {
        line.split(':').next().map(str::trim).filter(|name| !name.is_empty()).map(String::from)
    }

    pub(super) fn user(uid: u32) -> Option<String> {
        name(&getent("passwd", &uid.to_string()).ok()?)
    }

    pub(super) fn group(gid: u32) -> Option<String> {
        name(&getent("group", &gid.to_string()).ok()?)
    }

    pub(super) fn addresses(name: &str) -> Result<Vec<IpAddr>, Fault> {
        let address = |line: &str| line.split_whitespace().next()?.parse().ok();
        Ok(getent("ahosts", name)?.lines().filter_map(address).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_groups_and_hosts_have_the_names_that_this_host_knows() {
        assert_eq!((user(0).as_deref(), user(4_123_456_789)), (Some("root"), None));
        assert!(group(0).is_some_and(|name| ["root", "wheel"].contains(&name.as_str())));
        assert_eq!(group(4_123_456_789), None);
        assert!(addresses("localhost").unwrap().iter().all(IpAddr::is_loopback));
        assert!(addresses("a b").is_err() && addresses("--help").is_err());
    }
}
