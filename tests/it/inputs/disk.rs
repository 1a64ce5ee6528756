//! Disks that somebody made: what is in them is told, or that it is broken.

use super::efi::application;
use std::rc::Rc;
use vmrun::internals::image::{Disk, Image, ImageForm, IpxeImage, Loader, Seed, compare, inspect};

fn bytes(image: &Image) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(image.size()).unwrap_or_default()];
    image.read(0, &mut bytes).expect("an image has all its bytes");
    bytes
}

fn image() -> Image {
    let loaders = vec![Loader { path: String::new(), bytes: Rc::new(application(0x8664)), arch: None }];
    let files = [("README.TXT", "x"), ("a long name/in a folder", "y")];
    let files = files.map(|(path, text)| (path.into(), Rc::new(text.as_bytes().to_vec()))).to_vec();
    let form = ImageForm { size: 1 << 20, ..ImageForm::default() };
    IpxeImage { loaders, script: "#!ipxe\nshell\n".into(), files, form }.build().expect("it fits")
}

/// A disk with a table, a volume without one, each as a whole and where it is cut; a table for older firmware.
pub fn seeds() -> Vec<Vec<u8>> {
    let (disk, seed) = (
        bytes(&image()),
        Seed { user_data: "#cloud-config\n".into(), meta_data: "instance-id: a\n".into(), ..Seed::default() },
    );
    let volume = seed.build().map(|image| bytes(&image)).unwrap_or_default();
    let mut old = vec![0; 64 << 10];
    old[446..462].copy_from_slice(&[0, 0, 0, 0, 0xef, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0, 0]);
    old[510..512].copy_from_slice(&[0x55, 0xaa]);
    old[512..].copy_from_slice(&volume[..(64 << 10) - 512]);
    // What matters is at the beginning: changes in the middle of nothing would change nothing.
    vec![disk[..40 << 10].to_vec(), volume[..40 << 10].to_vec(), old, disk]
}

pub fn holds(bytes: &[u8]) {
    // The bytes are the beginning of a disk that is large enough for what they say.
    let mut disk = bytes.to_vec();
    disk.resize(disk.len().max(1 << 20), 0);
    let found = inspect(&disk).expect("every byte can be read");
    let text = found.to_string();
    assert!(text.lines().flat_map(str::chars).all(|c| !c.is_control() || c == '\t'), "{text:?}");
    let differences = compare(&disk, &image()).expect("every byte can be read");
    assert_eq!(differences.is_empty(), image().first_difference(&disk) == Ok(None), "{differences:?}");
    // Where the bytes end, nothing is read.
    let _ = inspect(&bytes.to_vec());
}
