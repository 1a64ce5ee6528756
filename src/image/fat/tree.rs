//! What is to be in a volume: folders and files, in the order in which they were added.

use super::name::{self, Short, folded};
use super::{ENTRY, Shape};
use crate::diag::Fault;
use std::rc::Rc;

/// The root directory.
pub(super) const ROOT: usize = 0;

/// Folders and files.
#[derive(Clone, Debug)]
pub(in super::super) struct Tree {
    pub(super) folders: Vec<Folder>,
    pub(super) files: Vec<File>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    /// The folder that it is in; the root is in itself.
    pub(super) parent: usize,
    pub(super) children: Vec<Child>,
}

/// A name in a folder and what it names.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) short: Short,
    /// Whether the short name is not all of it.
    pub(super) is_long: bool,
    pub(super) is: Is,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Folder(usize),
    File(usize),
}

/// A file: its path, and its bytes, which are shared and never copied.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) content: Rc<Vec<u8>>,
}

impl Tree {
    /// Makes an empty root.
    pub(in super::super) fn new() -> Self {
        Self { folders: vec![Folder::default()], files: Vec::new() }
    }

    /// Adds a file, with the folders that lead to it.
    pub(in super::super) fn add(&mut self, path: &str, content: Rc<Vec<u8>>) -> Result<(), Fault> {
        let parts = name::parts(path)?;
        let Some((name, folders)) = parts.split_last() else { return name::check_path("") };
        if u32::try_from(content.len()).is_err() {
            let fault = Fault::new(format!("the file {path:?} of the image is too large: FAT has files up to 4G"));
            return Err(fault.hint("give the machine a disk of its own for it"));
        }
        let mut at = ROOT;
        for part in folders {
            at = match self.child(at, part) {
                None => {
                    self.folders.push(Folder { parent: at, children: Vec::new() });
                    self.name(at, part, Is::Folder(self.folders.len() - 1))
                }
                Some((Is::Folder(folder), other)) if other == *part => folder,
                Some((_, other)) => return Err(Self::collides(path, part, other)),
            };
        }
        if let Some((_, other)) = self.child(at, name) {
            return Err(Self::collides(path, name, other));
        }
        self.files.push(File { path: path.into(), content });
        self.name(at, name, Is::File(self.files.len() - 1));
        Ok(())
    }

    fn collides(path: &str, part: &str, other: &str) -> Fault {
        let fault =
            Fault::new(format!("the file {path:?} of the image collides: {part:?} is there already, as {other:?}"));
        fault.hint("FAT makes no difference between large and small letters: give it another name")
    }

    fn child(&self, folder: usize, name: &str) -> Option<(Is, &str)> {
        let is = |child: &&Child| folded(&child.name) == folded(name);
        self.folders[folder].children.iter().find(is).map(|child| (child.is, child.name.as_str()))
    }

    fn name(&mut self, folder: usize, name: &str, is: Is) -> usize {
        let children = &mut self.folders[folder].children;
        let (short, is_long) = name::short(name, |short| children.iter().any(|child| child.short == *short));
        children.push(Child { name: name.into(), short, is_long, is });
        match is {
            Is::Folder(number) | Is::File(number) => number,
        }
    }

    /// Returns the entries that a folder takes: each name, and `.` and `..`, or in the root the label.
    pub(super) fn entries(&self, folder: usize) -> usize {
        let own = if folder == ROOT { 1 } else { 2 };
        let names = self.folders[folder].children.iter();
        own + names.map(|child| 1 + if child.is_long { name::long_entries(&child.name) } else { 0 }).sum::<usize>()
    }

    /// Returns the clusters that a folder takes; the root of FAT12 and FAT16 has a place of its own.
    pub(super) fn folder_clusters(&self, folder: usize, shape: &Shape) -> u64 {
        match folder {
            ROOT if shape.root_entries > 0 => 0,
            _ => shape.clusters_of((self.entries(folder) * ENTRY) as u64),
        }
    }

    /// Returns all the clusters that it takes.
    pub(in super::super) fn clusters(&self, shape: &Shape) -> u64 {
        let folders = (0..self.folders.len()).map(|folder| self.folder_clusters(folder, shape));
        let files = self.files.iter().map(|file| shape.clusters_of(file.content.len() as u64));
        folders.chain(files).sum()
    }

    /// Tells whether it fits into a volume.
    pub(in super::super) fn fits(&self, shape: &Shape) -> bool {
        let root = shape.root_entries as usize;
        self.clusters(shape) <= u64::from(shape.clusters) && (root == 0 || self.entries(ROOT) <= root)
    }

    /// Lists paths and contents.
    pub(in super::super) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|file| (file.path.as_str(), file.content.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(paths: &[&str]) -> Result<Tree, Fault> {
        let mut tree = Tree::new();
        paths.iter().try_for_each(|path| tree.add(path, Rc::default()))?;
        Ok(tree)
    }

    #[test]
    fn folders_are_made_once() {
        let tree = add(&["EFI/Boot/A", "EFI/Boot/B", "EFI/C", "D"]).unwrap();
        assert_eq!((tree.folders.len(), tree.files.len()), (3, 4));
    }

    #[test]
    fn names_that_fat_takes_for_one_collide() {
        let hint = "FAT makes no difference between large and small letters: give it another name";
        let cases: [(&[&str], &str); 4] = [
            (&["a", "A"], "the file \"A\" of the image collides: \"A\" is there already, as \"a\""),
            (&["EFI/a", "efi/b"], "the file \"efi/b\" of the image collides: \"efi\" is there already, as \"EFI\""),
            (&["a", "a/b"], "the file \"a/b\" of the image collides: \"a\" is there already, as \"a\""),
            (&["a/b", "a"], "the file \"a\" of the image collides: \"a\" is there already, as \"a\""),
        ];
        for (paths, message) in cases {
            assert_eq!(add(paths).unwrap_err(), Fault::new(message).hint(hint));
        }
    }

    #[test]
    fn short_names_in_one_folder_differ() {
        let tree = add(&["long name one", "long name two", "x/long name one"]).unwrap();
        let shorts: Vec<&[u8]> = tree.folders[ROOT].children.iter().map(|child| &child.short[..]).collect();
        assert_eq!(shorts, [&b"LONGNA~1   "[..], b"LONGNA~2   ", b"X          "]);
    }
}
