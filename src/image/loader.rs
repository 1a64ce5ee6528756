//! Checks that the loader is a program that the firmware would start, and says under which name it looks for it.

use super::grouped;
use crate::diag::Fault;

/// Where the header of the old DOS format says where the PE header is.
const PE_POINTER: usize = 0x3c;
/// From the PE signature to the fields behind it.
const MACHINE: usize = 4;
const SECTION_COUNT: usize = 6;
const OPTIONAL_SIZE: usize = 20;
const OPTIONAL: usize = 24;
/// From the optional header on, the same in PE32 and PE32+.
const SUBSYSTEM: usize = OPTIONAL + 68;
/// One section: its size in the file and where it is there are at 16 and 20.
const SECTION: usize = 40;
const PE32_PLUS: u16 = 0x20b;
const EFI_APPLICATION: u16 = 10;

const X64: &str = "BootX64.efi";
const AA64: &str = "BootAA64.efi";

const WANTED: &str = "give an iPXE for UEFI: snp.efi-x86_64 of FreeBSD's ipxe package, ipxe-amd64.efi of Debian's";
const AGAIN: &str = "copy or download the file again";

/// Returns the name in `/EFI/Boot` under which firmware starts this loader.
pub(super) fn check(loader: &[u8]) -> Result<&'static str, Fault> {
    refuse_the_obvious(loader)?;
    let headers = Headers::read(loader)?;
    let name = match headers.machine {
        0x8664 => X64,
        0xaa64 => AA64,
        other => {
            return Err(Fault::new(format!("the iPXE loader is for {}", machine(other)))
                .hint("the machine is x86_64 or 64-bit Arm: give the loader that was built for it"));
        }
    };
    if headers.magic != PE32_PLUS {
        return Err(Fault::new(format!(
            "the iPXE loader is no 64-bit program: its format is {:#05x}, not {PE32_PLUS:#05x}",
            headers.magic
        ))
        .hint(WANTED));
    }
    if headers.subsystem != EFI_APPLICATION {
        return Err(Fault::new(format!("the iPXE loader is {}", subsystem(headers.subsystem))).hint(WANTED));
    }
    let (end, size) = (headers.end_of_sections, loader.len() as u64);
    if end > size {
        let message =
            format!("the iPXE loader is cut short: {} bytes belong to it, {} are there", grouped(end), grouped(size));
        return Err(Fault::new(message).hint(AGAIN));
    }
    Ok(name)
}

/// Tells whether the loader looks for a script of the name `autoexec.ipxe`.
///
/// iPXE does since 2021. An older one starts, finds nothing to do and gives up with "Nothing to boot".
pub fn autoexec_known(loader: &[u8]) -> bool {
    let name = b"autoexec.ipxe";
    loader.windows(name.len()).any(|window| window == name)
}

/// Names what is most often given in place of a loader.
fn refuse_the_obvious(loader: &[u8]) -> Result<(), Fault> {
    let what = match loader {
        [] => return Err(Fault::new("the iPXE loader is an empty file").hint(WANTED)),
        [b'M', b'Z', ..] => return Ok(()),
        [b'#', b'!', b'i', b'p', b'x', b'e', ..] => "an iPXE script",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file",
        [0x1f, 0x8b, ..] => "compressed with gzip",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "compressed with xz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "compressed with zstd",
        _ => "no EFI program: it does not begin with MZ",
    };
    Err(Fault::new(format!("the iPXE loader is {what}")).hint(WANTED))
}

/// What of a PE file's headers decides.
struct Headers {
    machine: u16,
    magic: u16,
    subsystem: u16,
    /// Where the last section ends in the file.
    end_of_sections: u64,
}

impl Headers {
    fn read(loader: &[u8]) -> Result<Self, Fault> {
        let cut_short = || {
            Fault::new(format!(
                "the iPXE loader is cut short within its headers, at {} bytes",
                grouped(loader.len() as u64)
            ))
            .hint(AGAIN)
        };
        let start = u32_at(loader, PE_POINTER).ok_or_else(cut_short)? as usize;
        let pe = loader.get(start..).unwrap_or_default();
        match pe.first_chunk() {
            Some(b"PE\0\0") => Self::parse(pe).ok_or_else(cut_short),
            Some(_) => Err(Fault::new("the iPXE loader is a program for DOS or old Windows, not for EFI").hint(WANTED)),
            None => Err(cut_short()),
        }
    }

    /// Reads from the signature on; returns nothing where the file ends before the headers do.
    fn parse(pe: &[u8]) -> Option<Self> {
        let mut end_of_sections = 0;
        let sections = OPTIONAL + usize::from(u16_at(pe, OPTIONAL_SIZE)?);
        for index in 0..usize::from(u16_at(pe, SECTION_COUNT)?) {
            let section = sections + index * SECTION;
            let (size, at) = (u32_at(pe, section + 16)?, u32_at(pe, section + 20)?);
            // Without bytes in the file, as .bss is, the place says nothing.
            if size > 0 {
                end_of_sections = end_of_sections.max(u64::from(size) + u64::from(at));
            }
        }
        Some(Self {
            machine: u16_at(pe, MACHINE)?,
            magic: u16_at(pe, OPTIONAL)?,
            subsystem: u16_at(pe, SUBSYSTEM)?,
            end_of_sections,
        })
    }
}

fn machine(number: u16) -> String {
    let name = match number {
        0x014c => "32-bit x86",
        0x01c0 | 0x01c2 | 0x01c4 => "32-bit Arm",
        0x0ebc => "EFI byte code",
        0x5032 => "32-bit RISC-V",
        0x5064 => "64-bit RISC-V",
        0x6232 => "32-bit LoongArch",
        0x6264 => "64-bit LoongArch",
        _ => return format!("an unknown machine, {number:#06x}"),
    };
    name.to_owned()
}

fn subsystem(number: u16) -> String {
    let name = match number {
        2 | 3 => "a program for Windows, not for EFI",
        11 => "a driver for EFI, not a program",
        12 => "a runtime driver for EFI, not a program",
        13 => "an option ROM for EFI, not a program",
        _ => return format!("no EFI program: its subsystem is {number}, not {EFI_APPLICATION}"),
    };
    name.to_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the synthetic loader has its PE header, and where its body.
    pub(in super::super) const PE: usize = 0x40;
    pub(in super::super) const BODY: usize = 0x200;

    /// Makes the smallest file that passes for an EFI application: headers, one section, and in it the body.
    pub(in super::super) fn synthetic(machine: u16, body: &[u8]) -> Vec<u8> {
        let mut file = vec![0; BODY];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(PE_POINTER, &[0x40, 0, 0, 0]);
        put(PE, b"PE\0\0");
        put(PE + MACHINE, &machine.to_le_bytes());
        put(PE + SECTION_COUNT, &1_u16.to_le_bytes());
        put(PE + OPTIONAL_SIZE, &240_u16.to_le_bytes());
        put(PE + OPTIONAL, &PE32_PLUS.to_le_bytes());
        put(PE + SUBSYSTEM, &EFI_APPLICATION.to_le_bytes());
        let section = PE + OPTIONAL + 240;
        put(section, b".text");
        put(section + 16, &u32::try_from(body.len()).unwrap().to_le_bytes());
        put(section + 20, &0x200_u32.to_le_bytes());
        file.extend_from_slice(body);
        file
    }

    /// Makes an otherwise good loader with these bytes changed.
    fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut file = synthetic(0x8664, b"body");
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    }

    fn fault(loader: &[u8]) -> Fault {
        check(loader).unwrap_err()
    }

    #[test]
    fn the_machine_decides_the_name() {
        assert_eq!(check(&synthetic(0x8664, b"body")).unwrap(), "BootX64.efi");
        assert_eq!(check(&synthetic(0xaa64, b"body")).unwrap(), "BootAA64.efi");
    }

    #[test]
    fn another_machine_is_named() {
        let cases = [
            (0x014c, "the iPXE loader is for 32-bit x86"),
            (0x01c2, "the iPXE loader is for 32-bit Arm"),
            (0x0ebc, "the iPXE loader is for EFI byte code"),
            (0x5032, "the iPXE loader is for 32-bit RISC-V"),
            (0x5064, "the iPXE loader is for 64-bit RISC-V"),
            (0x6232, "the iPXE loader is for 32-bit LoongArch"),
            (0x6264, "the iPXE loader is for 64-bit LoongArch"),
            (0x0200, "the iPXE loader is for an unknown machine, 0x0200"),
        ];
        for (machine, message) in cases {
            let hint = "the machine is x86_64 or 64-bit Arm: give the loader that was built for it";
            assert_eq!(fault(&synthetic(machine, b"body")), Fault::new(message).hint(hint));
        }
    }

    #[test]
    fn what_is_no_program_is_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "the iPXE loader is an empty file"),
            (b"#!ipxe\nshell\n", "the iPXE loader is an iPXE script"),
            (b"\x7fELF\x02", "the iPXE loader is an ELF file"),
            (b"\x1f\x8b\x08", "the iPXE loader is compressed with gzip"),
            (b"\xfd7zXZ\0", "the iPXE loader is compressed with xz"),
            (b"\x28\xb5\x2f\xfd", "the iPXE loader is compressed with zstd"),
            (b"M", "the iPXE loader is no EFI program: it does not begin with MZ"),
            (&patched(PE, b"NE"), "the iPXE loader is a program for DOS or old Windows, not for EFI"),
        ];
        for (loader, message) in cases {
            assert_eq!(fault(loader), Fault::new(message).hint(WANTED));
        }
    }

    #[test]
    fn a_program_of_another_kind_is_named() {
        let cases: [(u16, &str); 5] = [
            (3, "the iPXE loader is a program for Windows, not for EFI"),
            (11, "the iPXE loader is a driver for EFI, not a program"),
            (12, "the iPXE loader is a runtime driver for EFI, not a program"),
            (13, "the iPXE loader is an option ROM for EFI, not a program"),
            (16, "the iPXE loader is no EFI program: its subsystem is 16, not 10"),
        ];
        for (number, message) in cases {
            let loader = patched(PE + SUBSYSTEM, &number.to_le_bytes());
            assert_eq!(fault(&loader), Fault::new(message).hint(WANTED));
        }
        assert_eq!(
            fault(&patched(PE + OPTIONAL, &[0x0b, 0x01])),
            Fault::new("the iPXE loader is no 64-bit program: its format is 0x10b, not 0x20b").hint(WANTED)
        );
    }

    #[test]
    fn a_file_cut_anywhere_is_cut_short() {
        let whole = synthetic(0x8664, &[7; 1500]);
        // Up to the end of the only section header, and from there to the end of the section.
        let headers = PE + OPTIONAL + 240 + SECTION;
        for length in 2..whole.len() {
            let message = if length < headers - SECTION + 24 {
                format!("the iPXE loader is cut short within its headers, at {length} bytes")
            } else {
                format!("the iPXE loader is cut short: 2,012 bytes belong to it, {} are there", grouped(length as u64))
            };
            assert_eq!(fault(&whole[..length]), Fault::new(message).hint("copy or download the file again"));
        }
        assert!(check(&whole).is_ok());
    }

    #[test]
    fn a_pointer_out_of_the_file_is_no_panic() {
        let message = "the iPXE loader is cut short within its headers, at 516 bytes";
        for pointer in [516, u32::MAX] {
            assert_eq!(fault(&patched(PE_POINTER, &pointer.to_le_bytes())), Fault::new(message).hint(AGAIN));
        }
    }

    #[test]
    fn a_section_without_bytes_may_point_anywhere() {
        let section = PE + OPTIONAL + 240;
        let mut loader = patched(section + 16, &0_u32.to_le_bytes());
        loader[section + 20..section + 24].fill(0xff);
        assert!(check(&loader).is_ok());
    }

    #[test]
    fn the_name_of_the_script_is_found_in_the_loader() {
        assert!(autoexec_known(b"autoexec.ipxe"));
        assert!(autoexec_known(&synthetic(0x8664, b"\0file:autoexec.ipxe\0")));
        assert!(!autoexec_known(&synthetic(0x8664, b"autoexec.ipx")));
        assert!(!autoexec_known(b""));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            let _ = check(&bytes);
        }

        #[test]
        fn no_broken_header_makes_it_panic(at in 0..BODY, byte: u8, length in 0..BODY + 4) {
            let _ = check(&patched(at, &[byte])[..length]);
        }
    }
}
