//! What is done with disks by programs that have to be installed for it, struck at every call of a program.

use super::disk_strikes::{Scene, moved, new, web};
use super::tools::need;

#[test]
fn an_export_and_an_import_that_are_struck_at_any_call_leave_nothing_half() {
    need(&["zstd"]);
    let scene = |command, prepared| Scene { command, prepared, may_begin: false };
    scene("export web.rhai web.tar.zst", web).at_every_call();
    scene("import web.tar.zst --out web.rhai", moved).at_every_call();
}

#[test]
fn disks_that_are_made_and_filled_are_whole_or_made_again() {
    need(&["qemu-img", "xz"]);
    Scene { command: "web.rhai --init", prepared: new, may_begin: false }.at_every_call();
}
