//! Open documents: the texts that an editor has open, and the modules that they import.

use crate::diag::{Diagnostic, Source};
use crate::host::{Settings, carried, files};
use crate::script::check::{Finding, Inspector, rehearse};
use crate::script::editor::{Document, Modules, standard};
use crate::script::library_store::LibraryStore;
use crate::script::modules::STDLIB;
use crate::script::{Recipe, ScriptEngine};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The open documents, by path.
pub(super) struct Documents {
    texts: BTreeMap<PathBuf, String>,
    inspector: Inspector,
    /// The host that recipes are rehearsed for.
    settings: Option<Settings>,
}

impl Documents {
    /// Makes it without a document; recipes are rehearsed on a host of these settings.
    pub(super) fn new(settings: Option<Settings>) -> Self {
        Self { texts: BTreeMap::new(), inspector: Inspector::default(), settings }
    }

    pub(super) fn put(&mut self, path: PathBuf, text: String) {
        self.texts.insert(path, text);
    }

    pub(super) fn take(&mut self, path: &Path) {
        self.texts.remove(path);
    }

    /// Asks something about a text that is open.
    pub(super) fn ask<T>(&self, path: &Path, ask: impl FnOnce(&Document<'_>) -> T) -> Option<T> {
        let text = self.texts.get(path)?;
        Some(ask(&Document { name: path.to_str()?, text, modules: self }))
    }

    pub(super) fn text(&self, path: &Path) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Returns everything that can be said of a text without running it, and of one that was saved what its rehearsals say.
    pub(super) fn findings(&mut self, path: &Path, is_saved: bool) -> Vec<Diagnostic> {
        let (Some(text), Some(name)) = (self.texts.get(path), path.to_str()) else { return Vec::new() };
        if is_saved {
            // What it imports may have been saved too.
            self.inspector = Inspector::default();
        }
        let source = Rc::new(Source { name: name.into(), text: text.clone() });
        let checked = self.inspector.text(&source, None);
        let is_rehearsed = is_saved && checked.is_sound_recipe();
        let mut findings = checked.findings;
        if let Some(settings) = self.settings.as_ref().filter(|_| is_rehearsed) {
            let recipe = Recipe::from_ast(&source, checked.ast, &ScriptEngine::new());
            let rehearsed = rehearse(&recipe, settings, &BTreeMap::new()).findings;
            let new: Vec<Finding> = rehearsed.into_iter().filter(|finding| !findings.contains(finding)).collect();
            findings.extend(new);
        }
        findings.into_iter().map(|finding| finding.diagnostic).collect()
    }

    /// The text of a file: as it is open, else as it is on the disk.
    pub(super) fn read(&self, path: &Path) -> Option<String> {
        self.texts.get(path).cloned().or_else(|| files::read_text(path).ok())
    }

    /// Returns the file of a module by the name of its text; one of the standard library is put where it can be read.
    pub(super) fn file(id: &str) -> Option<PathBuf> {
        let carried = STDLIB.iter().find(|(name, _)| *name == id);
        match carried {
            Some((name, text)) => carried::unpack(&format!("{name}.rhai"), text).ok(),
            None => Some(PathBuf::from(id)),
        }
    }
}

/// The folder of a text.
fn folder(importer: &str) -> &Path {
    Path::new(importer).parent().unwrap_or(Path::new(""))
}

impl Modules for Documents {
    fn module(&self, importer: &str, path: &str) -> Option<(String, String)> {
        if let Some((name, text)) = STDLIB.iter().find(|(name, _)| *name == path) {
            return Some(((*name).into(), (*text).into()));
        }
        if path.starts_with("./") || path.starts_with("../") {
            let file = folder(importer).join(format!("{}.rhai", path.strip_suffix(".rhai").unwrap_or(path)));
            let file = crate::script::library_store::tidy(&file);
            return Some((file.display().to_string(), self.read(&file)?));
        }
        let found = LibraryStore::beside(folder(importer)).ok()??.find(None, path).ok()?;
        Some((found.id, found.text))
    }

    fn paths(&self, importer: &str, begun: &str, is_import: bool) -> Vec<String> {
        let (shown, _) = begun.rsplit_once('/').unwrap_or(("", begun));
        let mut paths: Vec<String> = Vec::new();
        if is_import {
            paths.extend(standard().map(Into::into));
            let libraries = LibraryStore::beside(folder(importer)).ok().flatten();
            let names = libraries.iter().flat_map(|store| &store.named).map(|library| format!("{}/", library.name));
            paths.extend(names);
        }
        if begun.starts_with(['/', '.']) {
            let entries = files::entries(&folder(importer).join(format!("{shown}/"))).unwrap_or_default();
            let names = entries.iter().filter_map(|path| Some((path.file_name()?.to_str()?, files::is_folder(path))));
            paths.extend(names.filter_map(|(name, is_folder)| match name.strip_suffix(".rhai") {
                _ if is_folder => Some(format!("{shown}/{name}/")),
                Some(stem) if is_import => Some(format!("{shown}/{stem}")),
                None if is_import => None,
                _ => Some(format!("{shown}/{name}")),
            }));
        }
        paths.retain(|path| path.starts_with(begun));
        paths.sort();
        paths
    }
}
