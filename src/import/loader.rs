//! A loader as its word in a recipe.

use super::expressions::Words;
use super::layout::{Piece, key, quoted};
use crate::model::value::Tty;
use crate::model::{Arch, Bhyveload, Draft, Grub, Loader};

/// Returns the word of a loader with what it is told.
pub(super) fn piece(loader: &Loader, words: &Words) -> Piece {
    let entries = match loader {
        Loader::Bhyveload(load) => bhyveload(load, words),
        Loader::Grub(grub) => grub_bhyve(grub, words),
    };
    let entries: Vec<(String, Piece)> = entries.into_iter().map(|(name, piece)| (name.to_string(), piece)).collect();
    let args = if entries.is_empty() { Vec::new() } else { vec![Piece::Map(entries)] };
    Piece::Call(loader.word().into(), args, "")
}

fn text(text: &str) -> Piece {
    Piece::Text(quoted(text))
}

fn bhyveload(load: &Bhyveload, words: &Words) -> Vec<(&'static str, Piece)> {
    let mut all = Vec::new();
    match load.disks.as_deref() {
        Some([disk]) => all.push(("disks", words.value(disk.as_str()))),
        Some(disks) => all.push(("disks", Piece::List(disks.iter().map(|disk| words.value(disk.as_str())).collect()))),
        None => {}
    }
    if !load.env.is_empty() {
        let env = load.env.iter().map(|(name, value)| (key(name), text(value)));
        all.push(("env", Piece::Map(env.collect())));
    }
    all.extend(load.host.iter().map(|path| ("host", words.value(path.as_str()))));
    all.extend(load.loader.iter().map(|path| ("loader", words.value(path.as_str()))));
    all.extend(load.console.iter().map(|tty| ("console", text(&tty.to_string()))));
    all
}

fn grub_bhyve(grub: &Grub, words: &Words) -> Vec<(&'static str, Piece)> {
    let mut all = Vec::new();
    all.extend(grub.root.iter().map(|root| ("root", text(root))));
    if let Some(map) = &grub.map {
        let names = map.iter().map(|(name, path)| (key(name), words.value(path.as_str())));
        all.push(("map", Piece::Map(names.collect())));
    }
    all.extend(grub.directory.iter().map(|folder| ("directory", text(folder))));
    all.extend(grub.config.iter().map(|file| ("config", text(file))));
    if let Some(input) = &grub.input {
        all.push(("input", Piece::List(input.lines().map(text).collect())));
    }
    let flags = [("ncons", grub.ncons), ("evga", grub.evga)];
    all.extend(flags.into_iter().filter(|(_, given)| *given).map(|(name, _)| (name, Piece::Text("true".into()))));
    all.extend(grub.console.iter().map(|tty| ("console", text(&tty.to_string()))));
    all
}

/// Returns what to know of a machine that nothing loads: without a boot ROM bhyve starts only what bhyveload(8) or grub-bhyve has put into
/// its memory before, and neither was told of.
pub(super) fn unloaded(draft: &Draft) -> Option<&'static str> {
    let is_loaded = draft.bootrom.is_some() || draft.loader.is_some() || draft.target.arch != Arch::Amd64;
    (!is_loaded).then_some(
        "nothing here loads the guest: add `loader: bhyveload()` for FreeBSD, `loader: grub_bhyve(#{ … })` for others, or \
         `bootrom: uefi()`",
    )
}

/// Leaves out what a loader takes from the machine anyway: all of its disks, and the console where com1 is.
pub(super) fn fitted(mut loader: Loader, draft: &Draft) -> Loader {
    let com1 = draft.ttys().find(|(_, name, _)| *name == "com1").map(|(_, _, tty)| tty.clone());
    let is_usual = |console: &Option<Tty>, com1: Option<Tty>| console.is_some() && *console == com1;
    let (disks, mut devices) = (draft.loader_images(), draft.grub_devices());
    match &mut loader {
        Loader::Bhyveload(load) => {
            if load.disks.as_ref().is_some_and(|given| given.iter().eq(disks.iter().map(|(_, path)| path))) {
                load.disks = None;
            }
            if is_usual(&load.console, com1) {
                load.console = None;
            }
            // A recipe's map has no order, and the loader of FreeBSD asks for a variable by its name. Of two values the last one counts.
            load.env.reverse();
            load.env.sort_by(|(one, _), (other, _)| one.cmp(other));
            load.env.dedup_by(|(one, _), (other, _)| one == other);
        }
        Loader::Grub(grub) => {
            // A recipe's map has no order, and GRUB asks by name.
            devices.sort_by(|(one, _), (other, _)| one.cmp(other));
            grub.map.iter_mut().for_each(|map| map.sort_by(|(one, _), (other, _)| one.cmp(other)));
            if grub.map.as_ref() == Some(&devices) {
                grub.map = None;
            }
            if is_usual(&grub.console, com1) {
                grub.console = None;
            }
        }
    }
    loader
}
