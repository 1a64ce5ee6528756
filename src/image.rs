//! Boot images: the bytes of a disk that starts iPXE with a script, computed from the loader and the script.
//!
//! bhyve has no network boot of its own, so a machine that is to boot from the network gets a small disk with iPXE on
//! it. An [`IpxeImage`] is what the shell does with mdconfig, gpart, `newfs_msdos`, mount and cp, as a function: no root,
//! no mount, any operating system, and the same input gives the same bytes.
//!
//! The disk has a GPT with one EFI system partition from sector 40 to the last usable one, and in it a FAT volume with
//! `/EFI/Boot/BootX64.efi` (`BootAA64.efi` for Arm) and `/autoexec.ipxe`, the script that iPXE runs when it starts.

mod fat;
mod gpt;
mod loader;
mod script;

use crate::diag::Fault;

pub use loader::autoexec_known;

/// The size of an image unless another is asked for: 4 MiB, four times as much as the largest iPXE needs.
pub const DEFAULT_SIZE: u64 = 4 * MIB;

/// The script of an image unless another is given: asks DHCP, then chains to `tftp://NEXT-SERVER/chainload/HOST.ipxe`.
pub const DEFAULT_SCRIPT: &str = include_str!("image/autoexec.ipxe");

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SMALLEST: u64 = MIB;
/// The image is one piece of memory, so there has to be a limit, and iPXE is a hundred times smaller than this one.
const LARGEST: u64 = GIB;
/// The bytes of a sector: of the disk and of the volume on it.
const SECTOR: u32 = 512;

/// A disk that boots iPXE.
#[derive(Clone, Copy)]
pub struct IpxeImage<'a> {
    /// iPXE itself: an EFI application for `x86_64` or 64-bit Arm.
    pub loader: &'a [u8],
    /// What iPXE is to do: the text of `/autoexec.ipxe`, stored as it is.
    pub script: &'a str,
    /// The size of the disk in bytes: a multiple of 512 from 1 MiB to 1 GiB.
    pub size: u64,
}

impl IpxeImage<'_> {
    /// Returns the bytes of the disk.
    pub fn build(&self) -> Result<Vec<u8>, Fault> {
        let sectors = sectors(self.size)?;
        let program = loader::check(self.loader)?;
        script::check(self.script)?;

        let partition = gpt::partition(sectors);
        let files = fat::Files { program, loader: self.loader, script: self.script.as_bytes() };
        let mut disk = vec![0; sectors as usize * SECTOR as usize];
        gpt::write(&mut disk, partition)?;
        fat::write(&mut disk[partition.bytes()], partition.first, files)
            .map_err(|failure| failure.fault(|| self.does_not_fit(files)))?;
        Ok(disk)
    }

    /// Returns the fault that says how much there is, and names the next power of two that it fits into.
    fn does_not_fit(&self, files: fat::Files<'_>) -> Fault {
        let holds = |size: &u64| {
            *size > self.size && sectors(*size).is_ok_and(|sectors| fat::fits(gpt::partition(sectors).sectors(), files))
        };
        let way_out =
            match std::iter::successors(Some(SMALLEST), |size| Some(size * 2).filter(|s| *s <= LARGEST)).find(holds) {
                Some(size) => format!("ask for at least {}", amount(size)),
                None => format!("{} is the most an image can have", amount(LARGEST)),
            };
        Fault::new(format!(
            "the loader ({} bytes) and the script ({} bytes) do not fit into {}: {way_out}",
            grouped(self.loader.len() as u64),
            grouped(self.script.len() as u64),
            amount(self.size),
        ))
    }
}

/// Says whether there may be an image of that many bytes.
pub fn check_size(size: u64) -> Result<(), Fault> {
    sectors(size).map(drop)
}

/// Returns the number of sectors of a disk of that size, if there may be such a disk.
fn sectors(size: u64) -> Result<u32, Fault> {
    let sector = u64::from(SECTOR);
    if size < SMALLEST {
        return Err(Fault::new(format!("a boot image of {} is too small", amount(size))).hint(format!(
            "the smallest is {}, usual are {}",
            amount(SMALLEST),
            amount(DEFAULT_SIZE)
        )));
    }
    if !size.is_multiple_of(sector) && size < LARGEST {
        return Err(Fault::new(format!("a boot image of {} does not end with a whole sector", amount(size)))
            .hint(format!("ask for {}, a multiple of {sector}", amount(size.next_multiple_of(sector)))));
    }
    let too_large = || {
        Fault::new(format!("a boot image of {} is too large", amount(size))).hint(format!(
            "the largest is {}, usual are {}",
            amount(LARGEST),
            amount(DEFAULT_SIZE)
        ))
    };
    u32::try_from(size / sector).ok().filter(|_| size <= LARGEST).ok_or_else(too_large)
}

/// Returns a size as one would write it: `4M`, or in bytes where no unit divides it.
fn amount(size: u64) -> String {
    let unit =
        [(GIB, 'G'), (MIB, 'M'), (KIB, 'K')].into_iter().find(|(unit, _)| size > 0 && size.is_multiple_of(*unit));
    match unit {
        Some((unit, letter)) => format!("{}{letter}", size / unit),
        None => format!("{} bytes", grouped(size)),
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
