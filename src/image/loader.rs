//! Checks that the loader is a program that the firmware would start, and says under which name it looks for it.

use super::{Loader, grouped};
use crate::diag::{Fault, suggest};
use crate::model::Arch;
use memchr::memmem;

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

/// What brings a good loader.
pub(super) const WANTED: &str =
    "give an iPXE for UEFI: snp.efi-x86_64 of FreeBSD's ipxe package, ipxe-amd64.efi of Debian's";
const AGAIN: &str = "copy or download the file again";

/// What to do on FreeBSD where there is no loader.
pub(crate) const FREEBSD_PACKAGE: &str = "pkg install ipxe brings it";
/// What to do on Linux where there is none.
pub(crate) const LINUX_PACKAGE: &str =
    "tools/setup.sh run brings one that knows autoexec.ipxe, as Debian 13's package ipxe does";

/// The architectures that a machine may have, with the file in `/EFI/Boot` that firmware starts there (UEFI, 3.5.1.1), and
/// the number of the machine in a PE header.
const MACHINES: [(Arch, &str, u16); 2] = [(Arch::Amd64, "BootX64.efi", 0x8664), (Arch::Arm64, "BootAA64.efi", 0xaa64)];

/// Reads the name of an architecture that a loader may be for.
pub(crate) fn arch_named(name: &str) -> Result<Arch, Fault> {
    let found = MACHINES.iter().map(|(arch, ..)| *arch).find(|arch| arch.to_string() == name);
    let names: Vec<String> = MACHINES.iter().map(|(arch, ..)| arch.to_string()).collect();
    let names = || names.iter().map(String::as_str);
    found.ok_or_else(|| {
        let fault = Fault::new(format!("there is no loader for {name:?}"));
        fault.hint(format!("there are {}", suggest::list(names()))).did_you_mean(name, names())
    })
}

/// Checks all loaders, and returns each with its name in `/EFI/Boot`.
pub(super) fn programs(loaders: &[Loader]) -> Result<Vec<(&'static str, &Loader)>, Fault> {
    let mut found: Vec<(&'static str, &Loader)> = Vec::new();
    for loader in loaders {
        let at = |fault: Fault| if loader.path.is_empty() { fault } else { fault.context(&loader.path) };
        let (arch, name) = check(&loader.bytes).map_err(at)?;
        if let Some(said) = loader.arch.filter(|said| *said != arch) {
            let fault = Fault::new(format!("the iPXE loader is for {arch}, and is given for {said}"));
            return Err(at(fault.hint(format!("give it for {arch}, or another file for {said}"))));
        }
        if let Some((_, other)) = found.iter().find(|(other, _)| *other == name) {
            let fault = Fault::new(format!("two iPXE loaders are for {arch}: {} and {}", other.path, loader.path));
            return Err(fault.hint(format!("firmware starts only one, EFI/Boot/{name}: leave the other one out")));
        }
        found.push((name, loader));
    }
    if found.is_empty() {
        return Err(Fault::new("the image has no iPXE loader").hint("leave `loader` out for the platform's own"));
    }
    Ok(found)
}

/// Returns for what a loader is, and the name in `/EFI/Boot` under which firmware starts it.
fn check(loader: &[u8]) -> Result<(Arch, &'static str), Fault> {
    refuse_the_obvious(loader)?;
    let headers = Headers::read(loader)?;
    let Some((arch, name, _)) = MACHINES.iter().find(|(.., number)| *number == headers.machine) else {
        return Err(Fault::new(format!("the iPXE loader is for {}", machine(headers.machine)))
            .hint("the machine is x86_64 or 64-bit Arm: give the loader that was built for it"));
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
    if is_snponly(loader) {
        let message = "the iPXE loader is snponly.efi, which drives only the card that it was itself loaded from, \
                       and from a disk it is loaded from none";
        return Err(Fault::new(message).hint(WANTED));
    }
    Ok((*arch, *name))
}

/// Says what a program is, for one who looks at an image.
pub(super) fn description(program: &[u8]) -> String {
    let knows = if autoexec_known(program) { "looks for autoexec.ipxe" } else { "does not look for autoexec.ipxe" };
    match check(program) {
        Ok((arch, _)) if memmem::find(program, b"iPXE").is_some() => format!("iPXE for {arch}, {knows}"),
        Ok((arch, _)) => format!("a program for {arch}, not iPXE"),
        Err(fault) => fault.message.replace("the iPXE loader is ", ""),
    }
}

/// Tells whether the loader looks for a script of the name `autoexec.ipxe`.
///
/// iPXE does since 2021. An older one starts, finds nothing to do and gives up with "Nothing to boot". The name is in the
/// program as text, with one byte or two for each letter.
pub(super) fn autoexec_known(loader: &[u8]) -> bool {
    let wide: Vec<u8> = super::SCRIPT.bytes().flat_map(|byte| [byte, 0]).collect();
    memmem::find(loader, super::SCRIPT.as_bytes()).is_some() || memmem::find(loader, &wide).is_some()
}

/// Tells whether it is the iPXE that has no driver but for the card that it came from: it names its drivers so
/// (src/drivers/net/efi/snponly.c), and since 2023 itself (SBAT).
fn is_snponly(loader: &[u8]) -> bool {
    [b"SNPONLY\0".as_slice(), b"NIIONLY\0", b"iPXE,snponly.efi,"]
        .iter()
        .any(|name| memmem::find(loader, name).is_some())
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

    fn loader(path: &str, machine: u16, arch: Option<Arch>) -> Loader {
        Loader { path: path.into(), bytes: synthetic(machine, b"body").into(), arch }
    }

    #[test]
    fn the_machine_decides_the_name() {
        assert_eq!(check(&synthetic(0x8664, b"body")), Ok((Arch::Amd64, "BootX64.efi")));
        assert_eq!(check(&synthetic(0xaa64, b"body")), Ok((Arch::Arm64, "BootAA64.efi")));
        let both = [loader("a", 0xaa64, Some(Arch::Arm64)), loader("b", 0x8664, None)];
        let names: Vec<&str> = programs(&both).unwrap().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["BootAA64.efi", "BootX64.efi"]);
    }

    #[test]
    fn an_architecture_has_one_loader_and_that_is_for_it() {
        let fault = |loaders: &[Loader]| programs(loaders).unwrap_err();
        assert_eq!(
            fault(&[loader("/a.efi", 0xaa64, Some(Arch::Amd64))]),
            Fault::new("/a.efi: the iPXE loader is for arm64, and is given for amd64")
                .hint("give it for arm64, or another file for amd64")
        );
        assert_eq!(
            fault(&[loader("/a.efi", 0xaa64, None), loader("/b.efi", 0xaa64, None)]),
            Fault::new("two iPXE loaders are for arm64: /a.efi and /b.efi")
                .hint("firmware starts only one, EFI/Boot/BootAA64.efi: leave the other one out")
        );
        assert_eq!(
            fault(&[]),
            Fault::new("the image has no iPXE loader").hint("leave `loader` out for the platform's own")
        );
        assert_eq!(arch_named("amd64"), Ok(Arch::Amd64));
        assert_eq!(
            arch_named("amd46"),
            Err(Fault::new("there is no loader for \"amd46\"").did_you_mean("amd46", ["amd64"]))
        );
        assert_eq!(
            arch_named("riscv"),
            Err(Fault::new("there is no loader for \"riscv\"").hint("there are amd64 and arm64"))
        );
    }

    #[test]
    fn snponly_is_refused_for_it_has_no_card_on_a_disk() {
        let message = "the iPXE loader is snponly.efi, which drives only the card that it was itself loaded from, \
                       and from a disk it is loaded from none";
        for body in [&b"\0SNPONLY\0"[..], b"NIIONLY\0", b"ipxe,1,iPXE,snponly.efi,1.21.1"] {
            assert_eq!(fault(&synthetic(0x8664, body)), Fault::new(message).hint(WANTED));
        }
        assert!(check(&synthetic(0x8664, b"\0SNP\0NII\0iPXE,snp.efi,1.21.1")).is_ok());
    }

    #[test]
    fn what_is_in_an_image_is_described() {
        let of = |body: &[u8]| description(&synthetic(0x8664, body));
        assert_eq!(of(b"iPXE autoexec.ipxe"), "iPXE for amd64, looks for autoexec.ipxe");
        assert_eq!(of(b"iPXE a\0u\0t\0o\0e\0x\0e\0c\0.\0i\0p\0x\0e\0"), "iPXE for amd64, looks for autoexec.ipxe");
        assert_eq!(of(b"iPXE"), "iPXE for amd64, does not look for autoexec.ipxe");
        assert_eq!(of(b"shell"), "a program for amd64, not iPXE");
        assert_eq!(description(b"#!ipxe\n"), "an iPXE script");
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
