//! What has to hold for each kind of input. The functions are those of the test-suite: see `tests/it/inputs.rs`.

#[path = "../../tests/common/efi.rs"]
pub mod efi;

#[path = "../../tests/it/inputs/argv.rs"]
pub mod argv;
#[path = "../../tests/it/inputs/config.rs"]
pub mod config;
#[path = "../../tests/it/inputs/disk.rs"]
pub mod disk;
#[path = "../../tests/it/inputs/domain.rs"]
pub mod domain;
#[path = "../../tests/it/inputs/export.rs"]
pub mod export;
#[path = "../../tests/it/inputs/guest.rs"]
pub mod guest;
#[path = "../../tests/it/inputs/library.rs"]
pub mod library;
#[path = "../../tests/it/inputs/loader.rs"]
pub mod loader;
#[path = "../../tests/it/inputs/machine.rs"]
pub mod machine;
#[path = "../../tests/it/inputs/output.rs"]
pub mod output;
#[path = "../../tests/it/inputs/recipe.rs"]
pub mod recipe;
#[path = "../../tests/it/inputs/record.rs"]
pub mod record;
#[path = "../../tests/it/inputs/screen.rs"]
pub mod screen;
#[path = "../../tests/it/inputs/settings.rs"]
pub mod settings;
#[path = "../../tests/it/inputs/value.rs"]
pub mod value;
