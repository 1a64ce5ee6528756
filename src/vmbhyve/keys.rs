//! Every key of a guest's file: what it means to vm-bhyve, and what becomes of it here.
//!
//! To add a key, add a row to the table of the file in `keys` where its kin are.

mod devices;
mod host;
mod machine;
mod stale;

use crate::diag::suggest::did_you_mean;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// A part of bhyve's command line, of what is plugged into it, or of what the recipe does before it: which.
    Command(&'static str),
    /// Something that has no place in bhyve's command line: what to do here instead.
    Instead(&'static str),
    /// Nothing: why vm-bhyve itself does nothing with it when a guest starts.
    Nothing(&'static str),
}

/// A key of a guest's file.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name, with `N` in place of a number: `diskN_type`.
    pub name: &'static str,
    /// What vm-bhyve takes when the file does not have it; empty for nothing.
    pub default: &'static str,
    /// What becomes of it here.
    pub becomes: Becomes,
}

impl Key {
    const fn command(name: &'static str, default: &'static str, part: &'static str) -> Self {
        Self { name, default, becomes: Becomes::Command(part) }
    }

    const fn instead(name: &'static str, default: &'static str, what: &'static str) -> Self {
        Self { name, default, becomes: Becomes::Instead(what) }
    }

    const fn nothing(name: &'static str, why: &'static str) -> Self {
        Self { name, default: "", becomes: Becomes::Nothing(why) }
    }

    /// Returns the key with the number in a name, if the name is of its pattern.
    fn matching(&'static self, name: &str) -> Option<(&'static Self, Option<usize>)> {
        let Some((head, tail)) = self.name.split_once('N') else { return (self.name == name).then_some((self, None)) };
        let digits = name.strip_prefix(head)?.strip_suffix(tail)?;
        let number: usize = digits.parse().ok()?;
        // vm-bhyve counts up and compares whole names, so `disk01_type` is not `disk1_type`.
        (number.to_string() == digits).then_some((self, Some(number)))
    }
}

/// Returns every key, in the order of the reference.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    [machine::KEYS, devices::KEYS, host::KEYS, stale::KEYS].into_iter().flatten()
}

/// Finds the key of a name, and the number in the name.
pub(crate) fn find(name: &str) -> Option<(&'static Key, Option<usize>)> {
    all().find_map(|key| key.matching(name))
}

/// Returns the hint that names the nearest key that vm-bhyve reads.
pub(crate) fn nearest(name: &str) -> Option<String> {
    let number: String = name.chars().filter(char::is_ascii_digit).collect();
    let read = all().filter(|key| !matches!(key.becomes, Becomes::Nothing(_)));
    let number = if number.is_empty() { "0" } else { &number };
    let names: Vec<String> = read.map(|key| key.name.replace('N', number)).collect();
    did_you_mean(name, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The keys of the configuration section of vm(8).
    const MANUAL: &str = "loader uefi_vars bhyveload_loader bhyveload_args loader_timeout cpu_sockets cpu_cores cpu_threads \
        memory wired_memory hostbridge fwcfg comports utctime debug networkN_type networkN_switch networkN_device \
        networkN_mac networkN_span diskN_type diskN_name diskN_dev diskN_opts diskN_size ahci_device_limit uuid \
        ignore_bad_msr bhyve_options grub_installN grub_run_partition grub_runN grub_run_dir grub_run_file passthruN \
        passthruN_options virt_random graphics graphics_port graphics_listen graphics_res graphics_wait graphics_vga \
        xhci_mouse sound sound_play sound_rec virt_consoleN zfs_dataset_opts zfs_zvol_opts prestart priority limit_pcpu \
        limit_rbps limit_wbps limit_riops limit_wiops";

    /// The keys that only config.sample names.
    const SAMPLE: &str = "cpu networkN_name start_slot install_slot vnc_password";

    /// The keys that only the scripts read.
    const SCRIPTS: &str = "ignore_msr nulliso_fix on_restart on_fault tags";

    /// Keys of other versions, which 1.7 reads nowhere.
    const STALE: &str = "uefi guest guest_version arch linux_kernel grub_commands nice fwcfg_type tpm sound_req hostbridge_slot \
        lpc_slot disk_slot_start diskN_slot network_slot_start networkN_slot passthru_slot_start virt_random_slot \
        virt_console_slot sound_slot xhci_slot fbuf_slot";

    #[test]
    fn the_table_holds_every_key_once_and_no_other() {
        let known: Vec<&str> = all().map(|key| key.name).collect();
        let set: BTreeSet<&str> = known.iter().copied().collect();
        assert_eq!(known.len(), set.len(), "a key is there twice");
        let expected = [MANUAL, SAMPLE, SCRIPTS, STALE].into_iter().flat_map(str::split_whitespace);
        assert_eq!(set, expected.collect());
    }

    #[test]
    fn only_a_key_of_the_manual_or_of_another_version_comes_to_nothing() {
        for key in all() {
            let nothing = matches!(key.becomes, Becomes::Nothing(_));
            let stale = STALE.split_whitespace().any(|name| name == key.name);
            assert!(!stale || nothing, "{}", key.name);
        }
    }

    #[test]
    fn a_numbered_name_is_found_as_vm_bhyve_would_ask_for_it() {
        let found = |name| find(name).map(|(key, number)| (key.name, number));
        assert_eq!(found("disk12_type"), Some(("diskN_type", Some(12))));
        assert_eq!(found("grub_run3"), Some(("grub_runN", Some(3))));
        assert_eq!(found("grub_run_dir"), Some(("grub_run_dir", None)));
        assert_eq!(found("passthru0_options"), Some(("passthruN_options", Some(0))));
        for name in
            ["disk01_type", "disk_type", "disk-1_type", "disk+1_type", "diskN_type", "Cpu", "", "disk\u{661}_type"]
        {
            assert_eq!(found(name), None, "{name}");
        }
        assert_eq!(found("disk99999999999999999999_type"), None);
    }

    #[test]
    fn a_misspelt_key_finds_its_neighbour_with_its_number() {
        assert_eq!(nearest("disk3_typ").unwrap(), "did you mean `disk3_type`?");
        assert_eq!(nearest("memroy").unwrap(), "did you mean `memory`?");
        assert_eq!(nearest("zzzzzzzz"), None);
    }
}
