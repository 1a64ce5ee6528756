//! Whatever comes in: no input panics or goes on for ever, and what was written reads back.
//!
//! Each module has `seeds`, inputs as they should be, and `holds`, which panics where something does not hold. Here the seeds
//! are changed at random; `make fuzz` looks for what the seeds do not lead to.

mod argv;
mod config;
mod disk;
mod domain;
mod export;
mod guest;
mod library;
mod loader;
mod machine;
mod output;
mod recipe;
mod record;
mod screen;
mod settings;
mod value;

use super::efi;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use std::fs;
use std::path::Path;

/// One change: where, how many bytes it replaces, and by what.
type Change = (Index, usize, Vec<u8>);

/// What is put in: bytes that mean something somewhere, a piece of a seed, or anything.
fn piece(seeds: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let cut = |(seed, at, length): (Vec<u8>, Index, usize)| {
        let at = at.index(seed.len() + 1);
        seed.into_iter().skip(at).take(length).collect()
    };
    prop_oneof![
        "[-=,.:;/%(){}\\[\\]\"'#\\\\ \n]{1,2}|[0-9]{1,20}".prop_map(String::into_bytes),
        (prop::sample::select(seeds.to_vec()), any::<Index>(), 0_usize..40).prop_map(cut),
        prop::collection::vec(any::<u8>(), 0..4),
    ]
}

/// A seed with some changes.
fn near(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<Index>(), 0_usize..12, piece(&seeds)), 0..5);
    (prop::sample::select(seeds), changes).prop_map(|(mut seed, changes)| {
        changes.into_iter().for_each(|change| apply(&mut seed, change));
        seed
    })
}

fn apply(seed: &mut Vec<u8>, (at, length, piece): Change) {
    let at = at.index(seed.len() + 1);
    seed.splice(at..(at + length).min(seed.len()), piece);
}

/// Writes the seeds of one kind, a file for each.
fn write(kind: &str, seeds: &[Vec<u8>]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seeds").join(kind);
    fs::create_dir_all(&folder).unwrap();
    for (at, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{at:03}")), seed).unwrap();
    }
}

/// Tests every kind of input: its seeds, and what is near to them.
macro_rules! inputs {
    ($($name:ident: $kind:ident;)*) => {
        $(
            #[test]
            fn $name() {
                $kind::seeds().iter().for_each(|seed| $kind::holds(seed));
                // The same changes every time: looking for others is what fuzzing is for.
                let config = ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
                proptest!(config, |(bytes in near($kind::seeds()))| { $kind::holds(&bytes) });
            }
        )*

        #[test]
        fn the_seeds_are_written_for_the_fuzzers() {
            $(write(stringify!($kind), &$kind::seeds());)*
        }
    };
}

inputs! {
    every_command_line_is_refused_or_reads_back: argv;
    every_configuration_file_is_refused_or_reads_back: config;
    every_disk_is_told_of: disk;
    every_domain_of_libvirt_is_refused_or_told: domain;
    every_export_is_refused_or_whole: export;
    every_guest_of_vm_bhyve_is_refused_or_told: guest;
    every_library_is_refused_or_reads_back: library;
    every_boot_image_is_refused_or_whole: loader;
    every_output_of_a_program_is_read: output;
    every_recipe_is_refused_or_planned: recipe;
    every_recording_is_told: record;
    every_screen_is_seen_or_its_server_is_at_fault: screen;
    every_configuration_of_hosts_is_read_or_shown_where_it_is_wrong: settings;
    every_value_is_refused_or_reads_back: value;
}
