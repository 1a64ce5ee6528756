//! What is done with disks by zfs(8) alone, struck at every call of a program.

use super::disk_strikes::{Scene, kept, web};

#[test]
fn a_snapshot_that_is_struck_at_any_call_is_none_or_whole() {
    let scene = |command, prepared, may_begin| Scene { command, prepared, may_begin };
    scene("snapshot web a --copy", web, false).at_every_call();
    scene("rollback web a --copy", kept, true).at_every_call();
    scene("snapshots web --remove a --yes", kept, true).at_every_call();
}

#[test]
fn a_clone_that_is_struck_at_any_call_leaves_nothing_or_is_made_again() {
    Scene { command: "clone web db", prepared: web, may_begin: false }.at_every_call();
}

#[test]
fn a_disk_that_grows_or_goes_does_so_once_whatever_strikes() {
    let scene = |command, prepared, may_begin| Scene { command, prepared, may_begin };
    scene("resize web 4 16M --edit", web, false).at_every_call();
    scene("remove web --yes --recipe --snapshots", kept, true).at_every_call();
}
