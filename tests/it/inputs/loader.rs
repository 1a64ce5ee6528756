//! Boot images: a byte that tells how long the script is, the script, then iPXE.

use super::efi::application;
use std::rc::Rc;
use vmrun::internals::image::{Disk, ImageForm, IpxeImage, Loader, compare, inspect};

const SIZE: u64 = 1 << 20;

/// The smallest file that passes for an EFI application, for two machines, and what is often given in its place.
pub fn seeds() -> Vec<Vec<u8>> {
    let script = b"#!ipxe\nshell\n";
    let with = |loader: &[u8]| [&[13], script.as_slice(), loader].concat();
    let others: [&[u8]; 4] = [b"", script, b"\x7fELF\x02\0\0\0", b"MZ\x90\0"];
    [application(0x8664), application(0xaa64)].iter().map(Vec::as_slice).chain(others).map(with).collect()
}

pub fn holds(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else { return };
    let (script, loader) = rest.split_at_checked(usize::from(*length)).unwrap_or((rest, &[]));
    let Ok(script) = std::str::from_utf8(script) else { return };
    let loaders = vec![Loader { path: String::new(), bytes: Rc::new(loader.to_vec()), arch: None }];
    let form = ImageForm { size: SIZE, ..ImageForm::default() };
    let image = IpxeImage { loaders, script: script.into(), files: Vec::new(), form };
    if let Ok(disk) = image.build() {
        assert_eq!(disk.size(), SIZE);
        let found = inspect(&disk).unwrap();
        assert_eq!(found.wrong, [""; 0]);
        assert_eq!(found.volumes().next().and_then(|volume| volume.script.as_deref()), Some(script));
        assert_eq!(compare(&disk, &image.build().unwrap()), Ok(Vec::new()));
    }
}
