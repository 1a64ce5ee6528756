//! The files of chain scripts: which are to be written, and which are left over.

use super::NetbootHost;
use crate::diag::Fault;
use crate::model::HostName;
use std::collections::BTreeMap;

/// The folder of the scripts, below the TFTP server's.
pub(crate) const FOLDER: &str = "chainload";

/// The second line of every script of ours.
pub(crate) const MARKER: &str = "# vmrun: made by `vmrun netboot chainload`; what is changed here is lost";

/// Returns the name of a machine's script.
pub(crate) fn name(host: &HostName) -> String {
    format!("{host}.ipxe")
}

/// Returns whether a script was made by vmrun.
pub(crate) fn is_ours(text: &str) -> bool {
    text.lines().take(3).any(|line| line.trim_end() == MARKER)
}

/// What is to be done with a folder of scripts; names of files in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// To be written, with their texts.
    pub write: Vec<(String, String)>,
    /// As they should be.
    pub same: Vec<String>,
    /// Ours, and of no recipe any more.
    pub stale: Vec<String>,
}

/// Compares the scripts of machines with those that are there. One that is there and not ours is in the way.
pub(crate) fn changes(hosts: &[NetbootHost], there: &BTreeMap<String, String>) -> Result<Changes, Fault> {
    let mut changes = Changes::default();
    let wanted: BTreeMap<String, String> =
        hosts.iter().filter_map(|host| Some((name(&host.name), host.install.as_ref()?.script()))).collect();
    for (name, text) in &wanted {
        match there.get(name) {
            Some(old) if old == text => changes.same.push(name.clone()),
            Some(old) if !is_ours(old) => {
                let fault = Fault::host(format!("{FOLDER}/{name} is there, and vmrun did not make it"));
                return Err(fault.hint("move it away, or give it to the machine: netboot(#{ script: … })"));
            }
            _ => changes.write.push((name.clone(), text.clone())),
        }
    }
    let stale = there.iter().filter(|(name, text)| !wanted.contains_key(*name) && is_ours(text));
    changes.stale.extend(stale.map(|(name, _)| name.clone()));
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::samples::hosts;
    use super::*;

    #[test]
    fn only_what_changed_is_written_and_only_ours_is_stale() {
        let script = hosts()[1].install.as_ref().unwrap().script();
        let ours = format!("#!ipxe\n{MARKER}\nold\n");
        let there =
            |files: &[(&str, &str)]| files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        let write = vec![("install.ipxe".to_string(), script.clone())];
        let fresh = Changes { write: write.clone(), ..Changes::default() };
        assert_eq!(changes(&hosts(), &there(&[])).unwrap(), fresh);
        let files = there(&[("install.ipxe", &ours), ("gone.ipxe", &ours), ("own.ipxe", "#!ipxe\nshell\n")]);
        let expected = Changes { write, stale: vec!["gone.ipxe".into()], ..Changes::default() };
        assert_eq!(changes(&hosts(), &files).unwrap(), expected);
        let expected = Changes { same: vec!["install.ipxe".into()], ..Changes::default() };
        assert_eq!(changes(&hosts(), &there(&[("install.ipxe", &script)])).unwrap(), expected);
        let fault = changes(&hosts(), &there(&[("install.ipxe", "#!ipxe\nshell\n")])).unwrap_err();
        assert_eq!(fault.message, "chainload/install.ipxe is there, and vmrun did not make it");
        assert_eq!(fault.hint.as_deref(), Some("move it away, or give it to the machine: netboot(#{ script: … })"));
    }
}
