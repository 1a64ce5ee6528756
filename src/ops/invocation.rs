//! A recipe with what it is given: its path, `init`, its parameters.

use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::files;
pub(crate) use crate::host::system::Ahead;
use crate::ops::settings::platform;
use crate::script::{Inputs, Recipe, unreadable};
use std::path::Path;
use std::time::Duration;

/// A recipe with what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The path of the recipe.
    pub recipe: String,
    /// Whether the machine is to be initialized.
    pub init: bool,
    /// The parameters, in the order in which they were given.
    pub set: Vec<(String, String)>,
    /// Whether network cards are plugged into a network inside the process.
    pub user_net: bool,
}

impl Invocation {
    /// Returns the inputs of an evaluation.
    pub(crate) fn inputs(&self) -> Inputs {
        Inputs { init: self.init, params: self.set.iter().cloned().collect() }
    }

    /// Reads and checks the recipe, and that it knows every parameter that it is given.
    pub(crate) fn read(&self) -> Result<Recipe, Vec<Diagnostic>> {
        let path = Path::new(&self.recipe);
        let text =
            files::text(path).map_err(|error| unreadable(&self.recipe, &error).maybe_hint(nearest_recipe(path)))?;
        let recipe = Recipe::parse(&self.recipe, &text)?;
        let params = recipe.params();
        let uses_map = recipe.source().text.contains("params");
        let is_known = |name: &String| uses_map || params.iter().any(|(known, _)| known == name);
        if let Some((name, _)) = self.set.iter().find(|(name, _)| !is_known(name)) {
            let known = || params.iter().map(|(name, _)| name.as_str());
            let fault = Fault::usage(format!("the recipe {} has no parameter `{name}`", self.recipe));
            let list = params.first().map(|_| format!("it has {}", suggest::list(known())));
            return Err(fault.maybe_hint(list).maybe_hint(suggest::did_you_mean(name, known())).into());
        }
        Ok(recipe)
    }

    /// Returns the arguments of the `vmrun supervise` that runs it, with its log and the machine whose guest it takes over.
    pub(crate) fn supervisor(&self, stop_within: Duration, log: &str, adopt: Option<&str>) -> Vec<String> {
        let path =
            std::path::absolute(&self.recipe).map_or_else(|_| self.recipe.clone(), |path| path.display().to_string());
        let mut words = vec!["supervise".into(), path, format!("--log={log}")];
        words.push(format!("--stop-within={}ms", stop_within.as_millis()));
        words.extend(adopt.map(|name| format!("--adopt={name}")));
        words.extend(self.init.then(|| "--init".into()));
        words.extend(self.user_net.then(|| "--user-net".into()));
        words.extend(self.set.iter().map(|(name, value)| format!("--set={name}={value}")));
        words
    }
}

/// Returns a hint at a recipe whose name is near to that of one that is not there.
fn nearest_recipe(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let recipes: Vec<String> = files::names(folder).into_iter().filter(|name| is_recipe(name)).collect();
    let wanted = path.file_name()?.to_str()?;
    let beside = format!("{wanted}.rhai");
    let known = recipes.iter().map(String::as_str);
    let near = recipes.iter().find(|name| **name == beside).map(String::as_str);
    let near = near.or_else(|| suggest::nearest(wanted, known));
    near.map(|near| format!("did you mean {}?", path.with_file_name(near).display()))
}

/// Returns whether a name is that of a recipe.
pub(crate) fn is_recipe(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rhai")
}

/// Begins to read the interfaces of this host, if a recipe seems to ask for them.
pub(crate) fn ahead(recipe: &str) -> Ahead {
    let asks = |text: String| ["tap(", "bridge(", "host_ip(", "import "].iter().any(|word| text.contains(word));
    match platform() {
        Ok(asked) if files::text(Path::new(recipe)).is_ok_and(asks) => Ahead::interfaces(asked.platform),
        _ => Ahead::default(),
    }
}
