//! The files and devices of the host that a machine is told of.

use super::Draft;
use crate::model::value::Value;
use crate::model::{Device, DevicePath, Loader, Part};

impl Draft {
    /// Returns every path of the host, with what a fault would be about.
    pub(crate) fn paths_mut(&mut self) -> Vec<(Part, &mut DevicePath)> {
        let mut all: Vec<(Part, &mut DevicePath)> = Vec::new();
        let settings = self.settings.iter_mut();
        all.extend(settings.filter_map(|(name, value)| Some((Part::Key(name), path_mut(value)?))));
        if let Some(rom) = &mut self.bootrom {
            let paths = [Some(&mut rom.code), rom.vars.as_mut(), rom.template.as_mut()];
            all.extend(paths.into_iter().flatten().map(|path| (Part::Key("bootrom"), path)));
        }
        let loader = self.loader.iter_mut().flat_map(Loader::paths_mut);
        all.extend(loader.map(|(key, path)| (Part::Under("loader", key.into()), path)));
        all.extend(self.fw_items.iter_mut().filter_map(|item| Some((Part::Key("fw_cfg"), item.file_mut()?))));
        all.extend(self.ssh.identity.as_mut().map(|path| (Part::Under("ssh", "identity".into()), path)));
        all.extend(self.tpm_state.as_mut().map(|path| (Part::Under("tpm", "state".into()), path)));
        all.extend(self.serial_log.as_mut().map(|path| (Part::Key("serial_log"), path)));
        for (slot, device) in &mut self.slots {
            let part = |(number, name, path)| (Part::option(*slot, number, name), path);
            all.extend(device.paths_mut().map(part));
        }
        all
    }
}

impl Device {
    /// Returns every path of the host, with its number in a group and its parameter.
    fn paths_mut(&mut self) -> impl Iterator<Item = (Option<u16>, &'static str, &mut DevicePath)> {
        self.items_mut().iter_mut().filter_map(|item| {
            let (number, name) = (item.number, item.parameter.name);
            path_mut(&mut item.value).map(|path| (number, name, path))
        })
    }
}

/// The path that a value is.
fn path_mut(value: &mut Value) -> Option<&mut DevicePath> {
    match value {
        Value::Path(path) | Value::Socket(path) => Some(path),
        // The others name no file of the host.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::model::samples::any;
    use proptest::prelude::*;

    proptest! {
        /// A path that is added to a machine and forgotten here would stay as it is written.
        #[test]
        fn every_path_that_shows_in_a_machine_is_found(machine in any::machine(any::items())) {
            let mut draft = machine.draft().clone();
            let shown = format!("{draft:?}");
            let ttys = shown.matches("DevicePath(\"/dev/nmdm").count();
            prop_assert_eq!(draft.paths_mut().len() + ttys, shown.matches("DevicePath(").count());
        }
    }
}
