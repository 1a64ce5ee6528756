use super::loader::tests::synthetic;
use super::*;
use ::gpt::GptConfig;
use fatfs::{Date, FatType, FileSystem, FsOptions};
use proptest::prelude::*;
use std::io::{Cursor, Read};

const X64: u16 = 0x8664;
const AA64: u16 = 0xaa64;
const SCRIPT: &str = "#!ipxe\nshell\n";

type Volume<'a> = FileSystem<Cursor<&'a mut [u8]>>;

fn build(loader: &[u8], script: &str, size: u64) -> Result<Vec<u8>, Fault> {
    IpxeImage { loader, script, size }.build()
}

fn fault(loader: &[u8], script: &str, size: u64) -> Fault {
    build(loader, script, size).unwrap_err()
}

/// Makes a loader of that many bytes, no two clusters of it alike.
fn loader_of(machine: u16, length: usize) -> Vec<u8> {
    let body: Vec<u8> = (0_u32..).flat_map(u32::to_le_bytes).take(length - loader::tests::BODY).collect();
    synthetic(machine, &body)
}

/// Opens the volume in the only partition of the disk.
fn volume(disk: &mut [u8]) -> Volume<'_> {
    let table = GptConfig::new().only_valid_headers(true).open_from_device(Cursor::new(&mut *disk)).unwrap();
    let entry = &table.partitions()[&1];
    assert_eq!(table.partitions().len(), 1);
    let [first, last] = [entry.first_lba, entry.last_lba].map(|lba| usize::try_from(lba).unwrap());
    FileSystem::new(Cursor::new(&mut disk[first * 512..(last + 1) * 512]), FsOptions::new()).unwrap()
}

/// Lists every path of the volume with what is there; a directory ends with a slash.
fn tree(volume: &Volume<'_>) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), volume.root_dir())];
    while let Some((path, directory)) = open.pop() {
        for entry in directory.iter().map(Result::unwrap) {
            let (name, mut content) = (entry.file_name(), Vec::new());
            if name == "." || name == ".." {
                continue;
            }
            assert_eq!(entry.modified().date, Date { year: 1980, month: 1, day: 1 }, "{name}");
            if entry.is_dir() {
                open.push((format!("{path}/{name}"), entry.to_dir()));
                found.push((format!("{path}/{name}/"), content));
            } else {
                entry.to_file().read_to_end(&mut content).unwrap();
                found.push((format!("{path}/{name}"), content));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_disk_has_the_loader_and_the_script_where_they_are_looked_for() {
    for (machine, path) in [(X64, "/EFI/Boot/BootX64.efi"), (AA64, "/EFI/Boot/BootAA64.efi")] {
        let loader = loader_of(machine, 1_000_001);
        let mut disk = build(&loader, DEFAULT_SCRIPT, DEFAULT_SIZE).unwrap();
        assert_eq!(disk.len(), 4 << 20);
        let want =
            [("/EFI/", &b""[..]), ("/EFI/Boot/", b""), (path, &loader), ("/autoexec.ipxe", DEFAULT_SCRIPT.as_bytes())];
        let want = want.map(|(path, content)| (path.to_owned(), content.to_vec()));
        // Not `assert_eq`, which would print a megabyte.
        assert!(tree(&volume(&mut disk)) == want);
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let loader = loader_of(X64, 100_000);
    let first = build(&loader, SCRIPT, DEFAULT_SIZE).unwrap();
    assert!(first == build(&loader, SCRIPT, DEFAULT_SIZE).unwrap());
    assert!(first != build(&loader, DEFAULT_SCRIPT, DEFAULT_SIZE).unwrap());
}

#[test]
fn the_bytes_are_those_of_yesterday() {
    let fnv1a = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
    };
    // Another number here means other images for everybody: the table, the file system or the crates have changed.
    let golden = [(MIB, "d6cbe723ca42024d"), (DEFAULT_SIZE, "1391ff61896d064d"), (17 * MIB, "503a547efaa2b89e")];
    for (size, hash) in golden {
        let disk = build(&loader_of(X64, 5000), SCRIPT, size).unwrap();
        assert_eq!(format!("{:016x}", fnv1a(&disk)), hash, "{}", amount(size));
    }
}

#[test]
fn the_size_decides_the_kind_of_fat() {
    let cases = [
        (1, FatType::Fat12, 1024),
        (4, FatType::Fat12, 1024),
        (5, FatType::Fat12, 2048),
        (8, FatType::Fat12, 2048),
        (9, FatType::Fat12, 4096),
        (16, FatType::Fat12, 8192),
        (17, FatType::Fat16, 2048),
        (300, FatType::Fat16, 8192),
        (1024, FatType::Fat32, 4096),
    ];
    for (mib, kind, cluster) in cases {
        let mut disk = build(&loader_of(X64, 5000), SCRIPT, mib * MIB).unwrap();
        let volume = volume(&mut disk);
        assert_eq!((volume.fat_type(), volume.cluster_size()), (kind, cluster), "{mib} MiB");
        assert_eq!((volume.volume_id(), volume.volume_label().as_str()), (0x1bfe_2021, "VMRUN IPXE"));
        assert_eq!(volume.read_volume_label_from_root_dir().unwrap().as_deref(), Some("VMRUN IPXE"));
        let flags = volume.read_status_flags().unwrap();
        assert!(!flags.dirty() && !flags.io_error(), "{mib} MiB");
        assert_eq!(tree(&volume).len(), 4, "{mib} MiB");
    }
}

#[test]
fn the_volume_knows_where_on_the_disk_it_is() {
    let hidden = |disk: &[u8], sector: usize| disk[sector * 512 + 28..][..4].to_vec();
    let disk = build(&loader_of(X64, 5000), SCRIPT, DEFAULT_SIZE).unwrap();
    assert_eq!(hidden(&disk, 40), [40, 0, 0, 0]);

    let disk = build(&loader_of(X64, 5000), SCRIPT, 600 * MIB).unwrap();
    assert_eq!(hidden(&disk, 40), [40, 0, 0, 0]);
    // FAT32 has a second boot sector, and fsck compares the two.
    assert!(disk[40 * 512..][..512] == disk[46 * 512..][..512]);
}

#[test]
fn a_size_that_no_image_has_is_a_fault() {
    let loader = loader_of(X64, 5000);
    let smallest = "the smallest is 1M, usual are 4M";
    let largest = "the largest is 1G, usual are 4M";
    let cases = [
        (0, "a boot image of 0 bytes is too small", smallest),
        (4, "a boot image of 4 bytes is too small", smallest),
        (1000 * KIB, "a boot image of 1000K is too small", smallest),
        (
            4_000_001,
            "a boot image of 4,000,001 bytes does not end with a whole sector",
            "ask for 4,000,256 bytes, a multiple of 512",
        ),
        (
            4 * MIB - 1,
            "a boot image of 4,194,303 bytes does not end with a whole sector",
            "ask for 4M, a multiple of 512",
        ),
        (GIB + 512, "a boot image of 1,073,742,336 bytes is too large", largest),
        (4096 * GIB, "a boot image of 4096G is too large", largest),
        (u64::MAX, "a boot image of 18,446,744,073,709,551,615 bytes is too large", largest),
    ];
    for (size, message, hint) in cases {
        assert_eq!(fault(&loader, SCRIPT, size), Fault::new(message).hint(hint));
    }
}

#[test]
fn what_does_not_fit_names_the_size_that_it_fits_into() {
    let loader = loader_of(X64, 5_000_000);
    let message = "the loader (5,000,000 bytes) and the script (13 bytes) do not fit into 1M: ask for at least 8M";
    assert_eq!(fault(&loader, SCRIPT, MIB), Fault::new(message));
    assert!(build(&loader, SCRIPT, 8 * MIB).is_ok());

    let message = "the loader (5,000,000 bytes) and the script (13 bytes) do not fit into 4M: ask for at least 8M";
    assert_eq!(fault(&loader, SCRIPT, 4 * MIB), Fault::new(message));
}

#[test]
fn what_fits_into_nothing_is_told_so() {
    // Not through `build`, which would read all of it.
    let zeros = vec![0; 1 << 30];
    let files = fat::Files { program: "BootX64.efi", loader: &zeros, script: SCRIPT.as_bytes() };
    let message = "the loader (1,073,741,824 bytes) and the script (13 bytes) do not fit into 4M: \
                   1G is the most an image can have";
    let image = IpxeImage { loader: &zeros, script: SCRIPT, size: DEFAULT_SIZE };
    assert_eq!(image.does_not_fit(files), Fault::new(message));
}

#[test]
fn a_directory_begins_with_itself_and_its_parent() {
    for size in [DEFAULT_SIZE, 17 * MIB, 600 * MIB] {
        let disk = build(&loader_of(X64, 5000), SCRIPT, size).unwrap();
        let starts = disk.chunks_exact(512).filter(|sector| sector.starts_with(b".          \x10"));
        let directories: Vec<_> = starts.map(|sector| sector.as_chunks::<32>().0).collect();
        let cluster = |entry: &[u8; 32]| [entry[20], entry[21], entry[26], entry[27]];
        let [efi, boot] = directories[..] else { panic!("{} directories", directories.len()) };
        for (entries, child) in [(efi, b"BOOT       "), (boot, b"BOOTX64 EFI")] {
            assert!(entries[1].starts_with(b"..         \x10"));
            // The long name of the only child, its short name, and the end.
            assert_eq!((entries[2][0], entries[3].starts_with(child), entries[4]), (0x41, true, [0; 32]));
        }
        // For the root directory 0 stands, whichever cluster it has.
        assert_eq!((cluster(&efi[1]), cluster(&boot[1])), ([0; 4], cluster(&efi[0])));
        assert_eq!(cluster(&efi[3]), cluster(&boot[0]));
    }
}

#[test]
fn the_volume_is_full_to_the_last_cluster_and_no_further() {
    // 4 MiB: two directories and the script take three clusters of those that an empty volume has.
    let mut disk = build(&loader_of(X64, 5000), SCRIPT, DEFAULT_SIZE).unwrap();
    let free = volume(&mut disk).stats().unwrap().free_clusters() as usize;
    let room = (free + 5) * 1024;
    let mut disk = build(&loader_of(X64, room), SCRIPT, DEFAULT_SIZE).unwrap();
    assert_eq!(volume(&mut disk).stats().unwrap().free_clusters(), 0);
    assert!(build(&loader_of(X64, room + 1), SCRIPT, DEFAULT_SIZE).is_err());
}

#[test]
fn a_bad_loader_and_a_bad_script_are_faults() {
    let wanted = "give an iPXE for UEFI: snp.efi-x86_64 of FreeBSD's ipxe package, ipxe-amd64.efi of Debian's";
    assert_eq!(fault(b"", SCRIPT, DEFAULT_SIZE), Fault::new("the iPXE loader is an empty file").hint(wanted));

    let begins = "the first line of a script is #!ipxe, the commands follow on lines of their own";
    assert_eq!(
        fault(&loader_of(X64, 5000), "shell\n", DEFAULT_SIZE),
        Fault::new("the iPXE script does not begin with #!ipxe").hint(begins)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), script: String, size: u64) {
        let _ = build(&bytes, &script, size);
        let _ = build(&bytes, SCRIPT, DEFAULT_SIZE);
        let _ = build(&loader_of(X64, 5000), &script, DEFAULT_SIZE);
        let _ = build(&loader_of(X64, 5000), SCRIPT, size);
    }

    #[test]
    fn what_is_in_it_reads_back_at_any_size(
        sectors in 2048_u64..80_000,
        length in 512_usize..900_000,
        commands in "[^\0]{0,4000}",
    ) {
        let (loader, script) = (loader_of(X64, length), format!("#!ipxe\n{commands}"));
        let mut disk = build(&loader, &script, sectors * 512).unwrap();
        let found = tree(&volume(&mut disk));
        prop_assert!(found[2].1 == loader && found[3].1 == script.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_size_has_its_volume(sectors in 2048_u64..=2_097_152) {
        prop_assert!(build(&loader_of(X64, 5000), SCRIPT, sectors * 512).is_ok());
    }
}
