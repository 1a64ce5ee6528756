//! What ssh is offered as the key of a guest, and is not: said with the way out, before ssh says what it makes of it. ssh asks a
//! program for keys that it knows (ssh_config(5), `KnownHostsCommand`, since OpenSSH 8.5); that is vmrun, which knows no more of them.

use super::quoted;
use crate::diag::Fault;
use crate::host::files;
use crate::model::{HostKey, VmName};
use std::path::Path;

/// Returns the options by which ssh tells vmrun of the key that it was offered; an older ssh passes over them.
pub(super) fn options(program: &Path, name: &VmName, known_hosts: &Path) -> [String; 2] {
    let (program, file) = (quoted(program), quoted(known_hosts));
    [
        "-oIgnoreUnknown=KnownHostsCommand".into(),
        format!("-oKnownHostsCommand={program} ssh-offered {name} {file} %I %t %K"),
    ]
}

/// Returns what is wrong with a key that ssh was offered: it is none of those by which the guest is known. `stage` is what ssh asks
/// for: it knows no key yet where that is `ORDER`.
pub(crate) fn wrong_key(name: &VmName, known_hosts: &Path, stage: &str, kind: &str, key: &str) -> Option<Fault> {
    let known = files::read_text(known_hosts).ok()?;
    let keys = || known.lines().filter_map(|line| line.split_once(' ')?.1.parse::<HostKey>().ok());
    let is_known = keys().any(|one| one.to_string() == format!("{kind} {key}"));
    if stage != "HOSTNAME" || is_known {
        return None;
    }
    let of = keys().next().map_or("ed25519", |one| one.cloud_name());
    let fault =
        Fault::host(format!("what answers is not {name}: it has another host key, so that nothing was said to it"));
    Some(fault.hint(format!(
        "something else has the guest's address, or pretends to; or the guest was installed anew and has a new key: \
         `vmrun console {name}` leads to it without ssh, and /etc/ssh/ssh_host_{of}_key.pub there belongs into \
         `ssh: #{{ host_key }}` of its recipe"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_is_told_with_the_file_of_the_known_kind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known");
        let rsa = format!("ssh-rsa AAAAB3NzaC1yc2E{}", "A".repeat(101));
        files::create(&file, &format!("# The host key of web\nvmrun-web {rsa}\n")).unwrap();
        let (name, key) = ("web".parse().unwrap(), rsa.split_once(' ').unwrap().1);
        let told =
            |stage, kind, key| wrong_key(&name, &file, stage, kind, key).map(|fault| fault.hint.unwrap_or_default());
        assert_eq!((told("HOSTNAME", "ssh-rsa", key), told("ORDER", "NONE", "NONE")), (None, None));
        let hint = told("HOSTNAME", "ssh-ed25519", "AAAA").unwrap();
        assert!(hint.contains("/etc/ssh/ssh_host_rsa_key.pub there belongs into"), "{hint}");
    }
}
