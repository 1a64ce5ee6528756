//! Recipes as they are asked for: a path and parameters.

use super::settings::platform;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::owner_beside_us;
pub(crate) use crate::host::system::Prefetch;
use crate::host::{environment, files};
use crate::model::VmName;
use crate::model::instance::INSTANCE;
pub(crate) use crate::model::is_recipe;
use crate::model::permit::PermitOptions;
use crate::script::check::SECRET_PARAM;
use crate::script::lexer::interpreter;
use crate::script::origin::Origin;
use crate::script::{Inputs, Recipe, unreadable};
use crate::supervise::progress::{Progress, ProgressListener};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Returns whether there is anything at the path that a word may be.
pub(crate) fn is_there(word: &str) -> bool {
    files::exists(Path::new(word))
}

/// A recipe and its inputs.
#[derive(Clone, Debug)]
pub(crate) struct RecipeRequest {
    /// The path of the recipe.
    pub(crate) path: String,
    /// Whether the machine is initialized.
    pub(crate) init: bool,
    /// The parameters in the order in which they were given, each once.
    pub(crate) set: Vec<(String, String)>,
    /// Whether network cards are plugged into a network inside the process.
    pub(crate) user_net: bool,
    /// Whether commands that only ask are not run where the recipe is planned.
    pub(crate) asks_nothing: bool,
    /// What its machine needs to run, as the command line says.
    pub(crate) permit: PermitOptions,
    /// Which host is proved to be fenced, so that its reservation may be taken over: for this start alone.
    pub(crate) fenced: Option<String>,
    /// Who hears of them before, where the recipe is somebody else's or a library asks.
    pub(crate) asked: fn(&str),
}

impl RecipeRequest {
    /// Makes one of what the command line gives. What the recipe declares to be a secret is kept in memory, and is no parameter from
    /// here on: those stand in files and on command lines.
    pub(crate) fn new(path: &str, init: bool, set: &[(String, String)], user_net: bool) -> Self {
        let mut set = set.to_vec();
        let secrets = if set.is_empty() { Vec::new() } else { secrets(path) };
        set.retain(|(name, value)| {
            let is_secret = secrets.contains(name);
            if is_secret {
                environment::keep_secret(name, value.clone());
            }
            !is_secret
        });
        Self {
            path: path.into(),
            init,
            set,
            user_net,
            asks_nothing: false,
            permit: PermitOptions::default(),
            fenced: None,
            asked: |_| (),
        }
    }

    /// Returns what the recipe is evaluated with.
    pub(crate) fn inputs(&self) -> Inputs {
        Inputs {
            init: self.init,
            params: self.set.iter().cloned().collect(),
            origin: Origin::of(&self.path),
            owner: owner_beside_us(Path::new(&self.path)),
            asks_nothing: self.asks_nothing,
            // Who made the request has seen that it is one.
            permit: self.permit.permit().ok().flatten(),
            fenced: self.fenced.clone(),
        }
    }

    /// Returns who is told how its rehearsal goes, where nothing but that happens.
    pub(crate) fn listener(&self) -> ProgressListener {
        let asked = self.asked;
        Box::new(move |progress| {
            if let Progress::Asks(what) = progress {
                asked(what);
            }
        })
    }

    /// Returns it with other values of some parameters.
    pub(crate) fn with(&self, values: &BTreeMap<String, String>) -> Self {
        let value = |(name, value): &(String, String)| (name.clone(), values.get(name).unwrap_or(value).clone());
        Self { set: self.set.iter().map(value).collect(), ..self.clone() }
    }

    /// Returns it for an instance of the recipe.
    pub(crate) fn of_instance(&self, instance: Option<&String>) -> Self {
        let mut request = self.clone();
        request.set.retain(|(name, _)| name != INSTANCE || instance.is_none());
        request.set.extend(instance.map(|instance| (INSTANCE.into(), instance.clone())));
        request
    }

    /// Returns which instance of the recipe it is for.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.set.iter().find(|(name, _)| name == INSTANCE).map(|(_, instance)| instance.as_str())
    }

    /// Returns the fault of a recipe that cannot be read.
    pub(crate) fn is_there(&self) -> Result<(), Fault> {
        files::read_text(Path::new(&self.path)).map(drop).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &std::io::Error) -> Fault {
        unreadable(&self.path, error).maybe_hint(self.similar())
    }

    /// Reads and parses the recipe, and checks that it knows every parameter that is given.
    pub(crate) fn read(&self) -> Result<Recipe, Vec<Diagnostic>> {
        let text = files::read_text(Path::new(&self.path)).map_err(|error| self.unreadable(&error))?;
        once("--set", &self.set)?;
        let recipe = Recipe::parse(&self.path, &text)?;
        let params = recipe.params();
        let uses_map = recipe.source().text.contains("params");
        let is_known = |name: &String| uses_map || params.iter().any(|(known, _)| known == name);
        if let Some((name, _)) = self.set.iter().find(|(name, _)| !is_known(name)) {
            let known = || params.iter().map(|(name, _)| name.as_str());
            let fault = Fault::usage(format!("the recipe {} has no parameter `{name}`", self.path));
            let list = params.first().map(|_| format!("it has {}", suggest::list(known())));
            return Err(fault.maybe_hint(list).did_you_mean(name, known()).into());
        }
        Ok(recipe)
    }

    /// Returns the arguments of the `vmrun supervise` that runs it, with its log and the machine whose guest it takes over.
    pub(crate) fn supervisor(&self, stop_within: Duration, log: &str, adopt: Option<&str>) -> Vec<String> {
        let mut words = vec!["supervise".into(), absolute(&self.path), format!("--log={log}")];
        words.push(format!("--stop-within={}ms", stop_within.as_millis()));
        words.extend(adopt.map(|name| format!("--adopt={name}")));
        words.extend(self.init.then(|| "--init".into()));
        words.extend(self.user_net.then(|| "--user-net".into()));
        words.extend(self.permit.words());
        words.extend(self.fenced.iter().map(|host| format!("--fenced={host}")));
        words.extend(self.set.iter().map(|(name, value)| format!("--set={name}={value}")));
        words
    }

    /// Returns a hint at a recipe with a similar name, or at what writes one, where there is none at the path.
    fn similar(&self) -> Option<String> {
        let path = Path::new(&self.path);
        if files::exists(path) {
            return None;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let recipes: Vec<String> = files::names(folder).into_iter().filter(|name| is_recipe(name)).collect();
        let wanted = path.file_name()?.to_str()?;
        let beside = format!("{wanted}.rhai");
        let known = recipes.iter().map(String::as_str);
        let near = recipes.iter().find(|name| **name == beside).map(String::as_str);
        let near = near.or_else(|| suggest::nearest(wanted, known));
        let others = || {
            let name = wanted.strip_suffix(".rhai").unwrap_or(wanted).parse::<VmName>().ok()?;
            let commands = if is_recipe(wanted) { "" } else { "`vmrun --help` lists the commands; " };
            // Who names a whole path had one there.
            path.is_relative().then(|| format!("{commands}`vmrun new {name} --os OS` writes the recipe of a machine"))
        };
        near.map(|near| format!("did you mean {}?", path.with_file_name(near).display())).or_else(others)
    }
}

/// Returns the parameters of a recipe that it declares to be secrets; none of one that cannot be read, which is told elsewhere.
fn secrets(path: &str) -> Vec<String> {
    let Some(text) = files::read_text(Path::new(path)).ok().filter(|text| text.contains(SECRET_PARAM)) else {
        return Vec::new();
    };
    Recipe::parse(path, &text).map(|recipe| recipe.secret_params()).unwrap_or_default()
}

/// Refuses an option that gives two values for one name.
pub(crate) fn once(option: &str, pairs: &[(String, String)]) -> Result<(), Fault> {
    let is_again = |(at, (name, _)): &(usize, &(String, String))| pairs[..*at].iter().any(|(known, _)| known == name);
    let Some((_, (name, _))) = pairs.iter().enumerate().find(is_again) else { return Ok(()) };
    Err(Fault::usage(format!("`{option} {name}=…` is given twice")).hint("leave one of them out"))
}

/// Returns the path of a recipe from the root on, as it is recorded.
pub(crate) fn absolute(recipe: &str) -> String {
    std::path::absolute(recipe).map_or_else(|_| recipe.into(), |path| path.display().to_string())
}

/// What a recipe says of itself.
pub(crate) struct RecipeHelp {
    /// The comment that it begins with, line by line.
    pub(crate) about: Vec<String>,
    /// Its parameters: names and defaults as they are written.
    pub(crate) params: Vec<(String, String)>,
    /// Values that they may have, by name, as far as they are written.
    pub(crate) values: BTreeMap<String, Vec<String>>,
}

impl RecipeHelp {
    /// Reads what a recipe says of itself; nothing of one that cannot be read or parsed.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let text = files::read_text(Path::new(path)).ok()?;
        let recipe = Recipe::parse(path, &text).ok()?;
        let about = text[interpreter(&text)..].trim_start().lines().take_while(|line| line.starts_with("//"));
        let about = about.map(|line| line.trim_start_matches('/').trim().to_string()).collect();
        let params = recipe.params();
        let values = params.iter().map(|(name, _)| (name.clone(), recipe.param_values(name))).collect();
        Some(Self { about, params, values })
    }
}

/// Begins to read the interfaces of this host, if a recipe seems to ask for them: to wait for the command when they are asked for
/// would take 10 % of a start.
pub(crate) fn prefetch(recipe: &str) -> Prefetch {
    let asks = |text: String| ["tap(", "bridge(", "host_ip(", "import "].iter().any(|word| text.contains(word));
    match platform() {
        Ok(asked) if files::read_text(Path::new(recipe)).is_ok_and(asks) => Prefetch::interfaces(asked.platform),
        _ => Prefetch::default(),
    }
}
