//! Boot images: the bytes of a disk that starts iPXE with a script, computed from the loader and the script; and what is in
//! such an image, whoever made it.
//!
//! bhyve has no network boot of its own, so a machine that is to boot from the network gets a small disk with iPXE on
//! it. An [`IpxeImage`] is what the shell does with mdconfig, gpart, `newfs_msdos`, mount and cp, as a function: no root,
//! no mount, any operating system, and the same input gives the same bytes.
//!
//! The disk has a GPT with one EFI system partition, and in it a FAT volume with `/EFI/Boot/BootX64.efi`
//! (`BootAA64.efi` for Arm) and `/autoexec.ipxe`, the script that iPXE runs when it starts. A [`Seed`] is such a volume
//! without a table around it.

pub(crate) mod archive;
pub(crate) mod catalog;
pub(crate) mod checksums;
mod compare;
pub(crate) mod content;
mod disk;
mod fat;
mod fields;
mod form;
mod gpt;
mod inspect;
mod loader;
pub(crate) mod migration;
pub(crate) mod openpgp;
mod script;
mod seed;
pub(crate) mod source;
pub(crate) mod template;
mod yaml;

use crate::diag::{Fault, suggest};
use crate::model::Arch;
use fat::{Head, SECTOR, Shape, Tree};
use form::{Identity, LARGEST, SMALLEST};
use std::rc::Rc;

pub use compare::compare;
pub(crate) use disk::Piece;
pub use disk::{Disk, Image};
pub(crate) use fat::Time;
pub(crate) use fat::check_path;
pub use form::ImageForm;
pub(crate) use form::{check_alignment, check_size, guid};
pub use inspect::inspect;
pub(crate) use inspect::{DiskContents, File, Partition, Volume};
pub(crate) use loader::{FREEBSD_PACKAGE, LINUX_PACKAGE, arch_named};
pub(crate) use seed::GuestKey;
pub use seed::Seed;

/// The script of an image unless another is given: asks DHCP, then chains to `tftp://NEXT-SERVER/chainload/HOST.ipxe`.
pub(crate) const DEFAULT_SCRIPT: &str = include_str!("image/autoexec.ipxe");

/// Where iPXE looks for its script.
const SCRIPT: &str = "autoexec.ipxe";
/// iPXE takes a script of any length; one of this length is no script.
const LONGEST_SCRIPT: usize = 1 << 20;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// An iPXE, and where it was found.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Its file, for messages.
    pub path: String,
    /// Its bytes: an EFI application for `x86_64` or 64-bit Arm.
    pub bytes: Rc<Vec<u8>>,
    /// What it is said to be for.
    pub arch: Option<Arch>,
}

/// A disk that boots iPXE.
#[derive(Clone, Debug)]
pub struct IpxeImage {
    /// iPXE itself, once for each architecture.
    pub loaders: Vec<Loader>,
    /// What iPXE is to do: the text of `/autoexec.ipxe`, stored as it is.
    pub script: String,
    /// Other files: where they are in the volume, and their bytes.
    pub files: Vec<(String, Rc<Vec<u8>>)>,
    /// The size and the rest.
    pub form: ImageForm,
}

/// Why there is no image, and which of the keys of a recipe it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `loader`, `script`, `files`, `size` or `align`.
    pub key: &'static str,
    /// What is wrong.
    pub fault: Fault,
}

impl Refused {
    fn under(key: &'static str) -> impl Fn(Fault) -> Self {
        move |fault| Self { key, fault }
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        refused.fault
    }
}

impl IpxeImage {
    /// Returns the disk.
    pub fn build(&self) -> Result<Image, Refused> {
        let form = &self.form;
        check_size(form.size).map_err(Refused::under("size"))?;
        check_alignment(form.alignment).map_err(Refused::under("align"))?;
        let tree = self.tree()?;

        let sectors = form.size / u64::from(SECTOR);
        let whole = gpt::partition(sectors, form.alignment / u64::from(SECTOR));
        let extent = whole.filter(|_| self.fits(&tree, form.size)).ok_or_else(|| self.does_not_fit(&tree))?;
        let shape = shape(extent).ok_or_else(|| self.does_not_fit(&tree))?;

        let identity = Identity::of(form, tree.files());
        let names = gpt::Names { disk: identity.disk, partition: identity.partition, name: form.label.as_str() };
        let mut pieces = gpt::write(sectors, extent, &names);
        let hidden = u32::try_from(extent.first).unwrap_or_default();
        let head = Head { label: form.label.clone(), serial: identity.serial, time: form.time, hidden };
        let start = extent.first * u64::from(SECTOR);
        let volume = fat::write(&shape, &head, &tree).into_iter();
        pieces.extend(volume.map(|piece| Piece { at: start + piece.at, ..piece }));
        Ok(Image::new(form.size, pieces))
    }

    /// Returns what need not be wrong, but most often is.
    pub fn warnings(&self) -> Vec<Refused> {
        let old = self.loaders.iter().filter(|loader| !loader::autoexec_known(&loader.bytes));
        let warning = |loader: &Loader| {
            let message = format!("the iPXE loader {} does not look for {SCRIPT}", loader.path);
            Fault::new(message).hint(format!("iPXE does since 2021: {}", loader::WANTED))
        };
        let old = old.map(warning).map(Refused::under("loader"));
        old.chain(script::warnings(&self.script).into_iter().map(Refused::under("script"))).collect()
    }

    fn tree(&self) -> Result<Tree, Refused> {
        script::check(&self.script).map_err(Refused::under("script"))?;
        let mut tree = Tree::new();
        for (name, loader) in loader::programs(&self.loaders).map_err(Refused::under("loader"))? {
            let path = format!("EFI/Boot/{name}");
            tree.add(&path, loader.bytes.clone()).map_err(Refused::under("loader"))?;
        }
        tree.add(SCRIPT, Rc::new(self.script.as_bytes().to_vec())).map_err(Refused::under("script"))?;
        let mut add = |(path, content): &(String, Rc<Vec<u8>>)| tree.add(path, content.clone());
        self.files.iter().try_for_each(&mut add).map_err(Refused::under("files"))?;
        Ok(tree)
    }

    fn fits(&self, tree: &Tree, size: u64) -> bool {
        let alignment = self.form.alignment / u64::from(SECTOR);
        let extent = gpt::partition(size / u64::from(SECTOR), alignment);
        extent.and_then(shape).is_some_and(|shape| tree.fits(&shape))
    }

    /// Returns the fault that says how much there is, and names the next power of two that it fits into.
    fn does_not_fit(&self, tree: &Tree) -> Refused {
        let holds = |size: &u64| *size > self.form.size && self.fits(tree, *size);
        let mut sizes = std::iter::successors(Some(SMALLEST), |size| Some(size * 2).filter(|s| *s <= LARGEST));
        let way_out = match sizes.find(holds) {
            Some(size) => format!("ask for at least {}", amount(size)),
            None => format!("{} is the most an image can have", amount(LARGEST)),
        };
        let total = |lengths: &mut dyn Iterator<Item = usize>| form::bytes(lengths.sum::<usize>() as u64);
        let loaders = total(&mut self.loaders.iter().map(|loader| loader.bytes.len()));
        let files = total(&mut self.files.iter().map(|(_, content)| content.len()));
        let mut parts = vec![
            format!("the {} ({loaders})", if self.loaders.len() == 1 { "loader" } else { "loaders" }),
            format!("the script ({})", form::bytes(self.script.len() as u64)),
        ];
        match self.files.len() {
            0 => {}
            1 => parts.push(format!("a file ({files})")),
            number => parts.push(format!("{number} files ({files})")),
        }
        let parts = suggest::list(parts.iter().map(String::as_str));
        Refused::under("size")(Fault::new(format!("{parts} do not fit into {}: {way_out}", amount(self.form.size))))
    }
}

fn shape(extent: gpt::Extent) -> Option<Shape> {
    Shape::of(u32::try_from(extent.sectors()).ok()?)
}

/// Returns a size as one would write it: `4M`, or in bytes where no unit divides it.
fn amount(size: u64) -> String {
    let units = [(1024 * GIB, 'T'), (GIB, 'G'), (MIB, 'M'), (KIB, 'K')];
    let unit = units.into_iter().find(|(unit, _)| size > 0 && size.is_multiple_of(*unit));
    match unit {
        Some((unit, letter)) => format!("{}{letter}", size / unit),
        None => form::bytes(size),
    }
}

/// Returns a number with a comma after every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
