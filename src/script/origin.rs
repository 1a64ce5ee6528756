//! Where the paths of a recipe begin: those in its text in the folder of the recipe, those that `--set` gave in the folder of
//! whoever gave them.

use crate::host::files;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders in which paths begin, from the root on. Where there is none, paths stay as they are written: a test describes its host
/// by the same paths as its recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The folder of the recipe; of one that is a link, that of what it leads to.
    recipe: PathBuf,
    /// The working directory of whoever has named the recipe.
    caller: PathBuf,
}

/// A path from the root on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// What the recipe's words use in place of what was written.
    pub path: String,
    /// The parameter of which it was made, and the value of that from the root on.
    pub given: Option<(String, String)>,
}

impl Origin {
    /// Returns that of a recipe, by its path.
    pub(crate) fn of(recipe: &str) -> Self {
        Self { recipe: files::home(Path::new(recipe)), caller: files::whole(Path::new(""), Path::new(".")) }
    }

    /// Returns the folder of the recipe, in which its commands are run; nothing where there is none.
    pub(crate) fn folder(&self) -> Option<&Path> {
        Some(self.recipe.as_path()).filter(|folder| !folder.as_os_str().is_empty())
    }

    /// Whether a path means something else to who has named the recipe than in its text.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.folder().is_some_and(|folder| folder != self.caller)
    }

    /// Returns a path from the root on. It is the caller's if it is the value of a parameter, or begins with one that is a path itself:
    /// `${folder}/disk.img` with `--set folder=./data`, and not with `--set name=web`.
    pub(crate) fn whole(&self, text: &str, params: &BTreeMap<String, String>) -> Whole {
        let Some(folder) = self.folder().filter(|_| !text.is_empty() && !text.starts_with('/')) else {
            return Whole { path: text.into(), given: None };
        };
        let of = |folder: &Path, text: &str| files::whole(folder, Path::new(text)).display().to_string();
        match params.iter().find(|(_, value)| begins_with(text, value)) {
            Some((name, value)) => {
                let given = Some((name.clone(), of(&self.caller, value)));
                Whole { path: of(&self.caller, text), given }
            }
            None => Whole { path: of(folder, text), given: None },
        }
    }

    /// Returns what a path in the recipe's text would be if it began in the caller's folder, where that is another.
    pub(crate) fn of_caller(&self, text: &str) -> Option<PathBuf> {
        let is_part = !text.is_empty() && !text.starts_with('/') && self.is_elsewhere();
        is_part.then(|| files::whole(&self.caller, Path::new(text)))
    }
}

/// Whether a text is a value, or a path below one that is a path.
fn begins_with(text: &str, value: &str) -> bool {
    let is_path = value.contains('/') || value == "." || value == "..";
    let rest = text.strip_prefix(value).filter(|_| !value.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || is_path && (rest.starts_with('/') || value.ends_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str, name: &str, value: &str) -> (String, Option<(String, String)>) {
        let origin = Origin { recipe: "/srv/recipes".into(), caller: "/home/me".into() };
        let Whole { path, given } = origin.whole(text, &[(name.to_string(), value.to_string())].into());
        (path, given)
    }

    #[test]
    fn a_path_begins_in_the_folder_of_the_recipe_and_one_that_was_given_in_the_callers() {
        let recipe = |text: &str| whole(text, "name", "web");
        assert_eq!(recipe("disk.img"), ("/srv/recipes/disk.img".into(), None));
        assert_eq!(recipe("./a/disk.img"), ("/srv/recipes/a/disk.img".into(), None));
        assert_eq!(recipe("/vm/disk.img"), ("/vm/disk.img".into(), None));
        assert_eq!(recipe("web.img").0, "/srv/recipes/web.img");
        assert_eq!(recipe("web/disk.img").0, "/srv/recipes/web/disk.img");
        let given = |path: &str| Some(("disk".to_string(), path.to_string()));
        assert_eq!(whole("disk.img", "disk", "disk.img"), ("/home/me/disk.img".into(), given("/home/me/disk.img")));
        assert_eq!(whole("./d/a.img", "disk", "./d"), ("/home/me/d/a.img".into(), given("/home/me/d")));
        assert_eq!(whole("d/a.img", "disk", "d/"), ("/home/me/d/a.img".into(), given("/home/me/d/")));
        assert_eq!(whole("", "disk", ""), (String::new(), None));
        assert_eq!(Origin::default().whole("a.img", &BTreeMap::new()).path, "a.img");
    }
}
