use super::form::DEFAULT_SIZE;
use super::loader::tests::synthetic;
use super::*;
use ::gpt::GptConfig;
use fatfs::{Date, FatType, FileSystem, FsOptions};
use proptest::prelude::*;
use std::io::{Cursor, Read as _};

const X64: u16 = 0x8664;
const AA64: u16 = 0xaa64;
const SCRIPT: &str = "#!ipxe\nshell\n";

type Volume<'a> = FileSystem<Cursor<&'a mut [u8]>>;

fn image(loader: &[u8], script: &str, size: u64) -> IpxeImage {
    let loaders = vec![Loader { path: String::new(), bytes: Rc::new(loader.to_vec()), arch: None }];
    IpxeImage { loaders, script: script.into(), files: Vec::new(), form: ImageForm { size, ..ImageForm::default() } }
}

/// Returns all bytes, as they are in a file.
fn bytes(image: &Image) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(image.size()).unwrap()];
    image.read(0, &mut bytes).unwrap();
    bytes
}

fn build(loader: &[u8], script: &str, size: u64) -> Result<Vec<u8>, Fault> {
    Ok(bytes(&image(loader, script, size).build()?))
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
    // Another number here means other images for everybody: the table, the file system or the hash has changed.
    let golden = [(MIB, "6d85fd74770b217e"), (DEFAULT_SIZE, "9f263ab24f6d7ed8"), (17 * MIB, "351e926893e56ae2")];
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
        (512, FatType::Fat16, 8192),
        (513, FatType::Fat32, 4096),
        (1024, FatType::Fat32, 4096),
    ];
    for (mib, kind, cluster) in cases {
        let mut disk = build(&loader_of(X64, 5000), SCRIPT, mib * MIB).unwrap();
        let volume = volume(&mut disk);
        assert_eq!((volume.fat_type(), volume.cluster_size()), (kind, cluster), "{mib} MiB");
        assert_eq!(volume.volume_label().as_str(), "VMRUN IPXE");
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
    // One gibibyte, of which there is one copy in memory.
    let loader = Rc::new(vec![0; 1 << 30]);
    let big = image(&loader_of(X64, 5000), SCRIPT, 2048 * GIB - 512);
    let files = (0..2049).map(|number| (format!("{number}"), loader.clone())).collect();
    let message = "the loader (5,000 bytes), the script (13 bytes) and 2049 files (2,200,096,997,376 bytes) do not fit into \
                   2,199,023,255,040 bytes: 2T is the most an image can have";
    let fault = Fault::from(IpxeImage { files, ..big }.build().unwrap_err());
    assert_eq!(fault, Fault::new(message));
}

#[test]
fn a_directory_begins_with_itself_and_its_parent() {
    for size in [DEFAULT_SIZE, 17 * MIB, 600 * MIB] {
        let disk = build(&loader_of(X64, 5000), SCRIPT, size).unwrap();
        let starts = disk[40 * 512..].chunks_exact(512).filter(|sector| sector.starts_with(b".          \x10"));
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
        let _ = image(&bytes, &script, size).build();
        let _ = image(&bytes, SCRIPT, DEFAULT_SIZE).build();
        let _ = image(&loader_of(X64, 5000), &script, DEFAULT_SIZE).build();
        let _ = image(&loader_of(X64, 5000), SCRIPT, size).build();
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
    fn every_size_has_its_volume(sectors in 2048_u64..=1 << 32) {
        let found = inspect(&image(&loader_of(X64, 5000), SCRIPT, sectors * 512).build().unwrap()).unwrap();
        prop_assert_eq!(found.wrong, [""; 0]);
        let volume = found.partitions[0].volume.as_ref().unwrap();
        prop_assert_eq!(volume.script.as_deref(), Some(SCRIPT));
        prop_assert_eq!(volume.files.len(), 4);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_built_is_found_again(
        files in prop::collection::btree_map("[a-z]{1,3}(/[a-zA-Z0-9. +\u{e9}]{0,30}[a-z0-9]){0,2}", 0_usize..5000, 0..12),
        size in prop::sample::select(vec![MIB, 16 * MIB, 17 * MIB, 512 * MIB, 513 * MIB]),
        alignment in prop::sample::select(vec![512, 4096, 65_536]),
    ) {
        let contents: Vec<(String, Vec<u8>)> =
            files.iter().map(|(path, length)| (path.clone(), vec![b'x'; *length])).collect();
        let given: Vec<(&str, &[u8])> = contents.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        let usual = with(&given);
        let wanted = IpxeImage { form: ImageForm { size, alignment, ..ImageForm::default() }, ..usual };
        // Names that FAT takes for one, or that it refuses, are another test's.
        let Ok(built) = wanted.build() else { return Ok(()) };
        let found = inspect(&built).unwrap();
        prop_assert_eq!(&found.wrong, &[""; 0]);
        let listed = listed(&found);
        prop_assert_eq!(listed.len(), given.len() + 2);
        for (path, content) in given {
            prop_assert!(listed.contains(&(path.to_string(), content.len() as u64)), "{} in {:?}", path, listed);
        }
        prop_assert_eq!(compare(&built, &built), Ok(Vec::new()));
    }
}

/// What `vmrun image inspect` lists.
fn listed(found: &DiskContents) -> Vec<(String, u64)> {
    let files = found.volumes().flat_map(|volume| &volume.files);
    files.filter(|file| !file.is_folder).map(|file| (file.path.clone(), file.size)).collect()
}

fn with(files: &[(&str, &[u8])]) -> IpxeImage {
    let files = files.iter().map(|(path, content)| ((*path).into(), Rc::new(content.to_vec()))).collect();
    IpxeImage { files, ..image(&loader_of(X64, 5000), SCRIPT, DEFAULT_SIZE) }
}

#[test]
fn an_image_has_a_loader_for_each_architecture_and_files_of_ones_own() {
    let mut both =
        with(&[("EFI/ipxe/logo.png", b"png"), ("README.TXT", b""), ("gr\u{fc}\u{df}e/\u{4f60}\u{597d}", b"x")]);
    both.loaders.push(Loader { path: String::new(), bytes: loader_of(AA64, 6000).into(), arch: None });
    let built = both.build().unwrap();
    let found = inspect(&built).unwrap();
    assert_eq!(found.wrong, [""; 0]);
    let want = [
        ("EFI/Boot/BootX64.efi", 5000),
        ("EFI/Boot/BootAA64.efi", 6000),
        ("EFI/ipxe/logo.png", 3),
        ("autoexec.ipxe", 13),
        ("gr\u{fc}\u{df}e/\u{4f60}\u{597d}", 1),
        ("README.TXT", 0),
    ];
    let mut listed = listed(&found);
    let mut want = want.map(|(path, size)| (path.to_string(), size)).to_vec();
    listed.sort();
    want.sort();
    assert_eq!(listed, want);
    // Another reader finds the same.
    let mut disk = bytes(&built);
    let paths: Vec<String> = tree(&volume(&mut disk)).into_iter().map(|(path, _)| path).collect();
    for (path, _) in &want {
        assert!(paths.contains(&format!("/{path}")), "{path} in {paths:?}");
    }
}

#[test]
fn a_partition_begins_and_ends_where_it_is_aligned() {
    let extents = |alignment: u64, size: u64| {
        let usual = image(&loader_of(X64, 5000), SCRIPT, size);
        let built =
            IpxeImage { form: ImageForm { alignment, ..usual.form.clone() }, ..usual }.build().map_err(Fault::from)?;
        let found = inspect(&built).unwrap();
        Ok((found.partitions[0].first, found.partitions[0].last))
    };
    assert_eq!(extents(512, 4 * MIB), Ok((34, 8158)));
    assert_eq!(extents(4096, 4 * MIB), Ok((40, 8151)));
    assert_eq!(extents(MIB, 4 * MIB), Ok((2048, 6143)));
    let message = "the loader (5,000 bytes) and the script (13 bytes) do not fit into 2M: ask for at least 4M";
    assert_eq!(extents(MIB, 2 * MIB), Err(Fault::new(message)));
}

#[test]
fn label_identity_and_time_can_be_said() {
    let usual = image(&loader_of(X64, 5000), SCRIPT, DEFAULT_SIZE);
    let form = ImageForm {
        label: "EFISYS".parse().unwrap(),
        guid: guid("5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590").ok(),
        time: "2026-01-31 12:30:00".parse().unwrap(),
        ..ImageForm::default()
    };
    let found = inspect(&IpxeImage { form, ..usual }.build().unwrap()).unwrap();
    assert_eq!(found.table.unwrap().guid.as_deref(), Some("5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590"));
    assert_eq!(found.partitions[0].name, "EFISYS");
    let volume = found.partitions[0].volume.as_ref().unwrap();
    assert_eq!(volume.label, "EFISYS");
    assert!(volume.files.iter().all(|file| file.time == "2026-01-31 12:30:00"));
}

#[test]
fn the_largest_image_is_only_what_is_in_it() {
    let built = image(&loader_of(X64, 5000), SCRIPT, 2048 * GIB).build().unwrap();
    assert_eq!(built.size(), 2048 * GIB);
    let found = inspect(&built).unwrap();
    assert_eq!(found.wrong, [""; 0]);
    assert_eq!(listed(&found).len(), 2);
    assert!(built.pieces().iter().map(|piece| piece.bytes.len()).sum::<usize>() < 20_000);
}

#[test]
fn what_is_wrong_with_files_says_so_under_their_key() {
    let refused = |files: &[(&str, &[u8])]| with(files).build().unwrap_err();
    let hint = "FAT makes no difference between large and small letters: give it another name";
    assert_eq!(
        refused(&[("AUTOEXEC.ipxe", b"")]),
        Refused {
            key: "files",
            fault: Fault::new(
                "the file \"AUTOEXEC.ipxe\" of the image collides: \"AUTOEXEC.ipxe\" is there already, as \"autoexec.ipxe\""
            )
            .hint(hint)
        }
    );
    let message = "the loader (5,000 bytes), the script (13 bytes) and a file (5,000,000 bytes) do not fit into 4M: \
                   ask for at least 8M";
    let big = vec![0; 5_000_000];
    assert_eq!(refused(&[("big", &big)]), Refused { key: "size", fault: Fault::new(message) });
    let names: Vec<String> = (0..300).map(|number| format!("a long name {number}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let message = "the loader (5,000 bytes), the script (13 bytes) and 300 files (0 bytes) do not fit into 4M: \
                   ask for at least 1G";
    assert_eq!(refused(&many), Refused { key: "size", fault: Fault::new(message) });
}

#[test]
fn an_old_loader_is_warned_of() {
    let warnings: Vec<Fault> = with(&[]).warnings().into_iter().map(Fault::from).collect();
    let want = Fault::new("the iPXE loader  does not look for autoexec.ipxe").hint(
        "iPXE does since 2021: give an iPXE for UEFI: snp.efi-x86_64 of FreeBSD's ipxe package, ipxe-amd64.efi of Debian's",
    );
    assert_eq!(warnings, [want]);
}

#[test]
fn every_difference_between_an_image_and_another_is_named() {
    let wanted = with(&[("logo.png", b"png"), ("a/b", b"c")]);
    let built = wanted.build().unwrap();
    let differences = |other: IpxeImage| compare(&other.build().unwrap(), &built).unwrap();
    assert_eq!(differences(wanted.clone()), [""; 0]);
    let kept = ImageForm { guid: guid("5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590").ok(), ..ImageForm::default() };
    let of = |other: IpxeImage| {
        let form = ImageForm { guid: kept.guid, ..other.form.clone() };
        let wanted = IpxeImage { form: kept.clone(), ..wanted.clone() }.build().unwrap();
        compare(&IpxeImage { form, ..other }.build().unwrap(), &wanted).unwrap()
    };
    let script = IpxeImage { script: "#!ipxe\nreboo\n".into(), ..wanted.clone() };
    assert_eq!(
        of(script),
        ["autoexec.ipxe: byte 7 of 13 is another one", "line 2 of the script: \"reboo\", should be \"shell\"",]
    );
    assert_eq!(
        of(with(&[("logo.png", b"jpeg"), ("x", b"")])),
        ["logo.png: 4 bytes, should be 3 bytes", "a is missing", "a/b is missing", "x is there, and should not"]
    );
    let form = ImageForm {
        label: "OTHER".parse().unwrap(),
        size: 5 * MIB,
        time: "2026-01-31".parse().unwrap(),
        ..ImageForm::default()
    };
    let other = of(IpxeImage { form, ..wanted.clone() });
    assert_eq!(
        other[..6],
        [
            "size: 5M, should be 4M",
            "sectors of partition 1: 40 to 10199, should be 40 to 8151",
            "name of partition 1: \"OTHER\", should be \"VMRUN IPXE\"",
            "cluster: 2K, should be 1K",
            "label: \"OTHER\", should be \"VMRUN IPXE\"",
            "time of EFI/Boot/BootX64.efi: 2026-01-31 00:00:00, should be 1980-01-01 00:00:00",
        ]
    );
    let mut disk = bytes(&built);
    let end = disk.len() - 40 * 512;
    disk[end] = 1;
    assert_eq!(compare(&disk, &built).unwrap(), ["byte 4,173,824 is another one, in no file"]);
    disk.truncate(100);
    assert_eq!(
        compare(&disk, &built).unwrap(),
        [
            "size: 100 bytes, should be 4M",
            "partition table: none, should be GPT",
            "partition 1 is missing",
            "the whole disk is there, and should not"
        ]
    );
}

#[test]
fn what_is_broken_in_an_image_is_told() {
    let built = bytes(&with(&[]).build().unwrap());
    let wrong = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut disk = built.clone();
        change(&mut disk);
        inspect(&disk).unwrap().wrong
    };
    let second = "the second table, at the end of the disk, is missing or broken";
    assert_eq!(wrong(&|disk| disk.truncate(8000 * 512)), ["partition 1 is not within the disk", second]);
    assert_eq!(wrong(&|disk| disk[600] ^= 1), ["the first table is missing or broken; this is the second one"]);
    assert_eq!(
        wrong(&|disk| disk[512..4 << 20].fill(0)),
        ["this MBR only says that there is a GPT, and there is no whole one"]
    );
    let boot = |disk: &Vec<u8>| inspect(disk).unwrap().partitions[0].volume.clone().unwrap_err();
    let changed = |at: usize, byte: u8| {
        let mut disk = built.clone();
        disk[40 * 512 + at] = byte;
        boot(&disk)
    };
    assert_eq!(changed(0, 0), "no FAT volume");
    assert_eq!(changed(12, 16), "a FAT volume with sectors of 4096 bytes, which is not read");
    assert_eq!(changed(14, 0), "a FAT volume whose boot sector is broken");
    assert_eq!(changed(20, 255), "a FAT volume that is larger than what it is in");
    // The loader's chain ends with its first cluster: the first two numbers say what the table is, and two folders follow.
    let cut = wrong(&|disk| {
        disk[41 * 512 + 6] = 0xff;
        disk[41 * 512 + 7] |= 0x0f;
    });
    assert_eq!(cut, ["partition 1: EFI/Boot/BootX64.efi should have 5000 bytes, and there are only 1024"]);
}
