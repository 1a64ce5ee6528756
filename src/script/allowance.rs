//! What libraries may do to the host: what is usual, what the recipe's own text names, and what is allowed.
//!
//! The recipe's own text, which is its file and the files beside it that it imports, is the administrator's word and may do
//! anything. What is done while a function or a closure of a library is on the way there is the library's doing, whoever is
//! called last: so a closure of the recipe cannot be talked into something either. The standard library does what it is told,
//! and so counts as whoever called it.

use super::raise::Raised;
use super::source::{self, Sources};
use super::words::{Call, VM_DIR};
use crate::diag::{Diagnostic, Fault, Source};
use crate::host::{Effect, Host, ipxe, shelf};
use crate::library::allowed::{self, Allowed, is_below};
use crate::model::{Argv, InterfaceName, LinkKind, VmName};
use crate::{bhyve, qemu};
use rhai::{AST, ASTNode, Expr, NativeCallContext, Stmt};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// A file or a device.
    Path(&'a Path),
    /// A PCI device of the host.
    Device(&'a str),
    /// A file that is only read.
    Read(&'a Path),
    /// A program.
    Run(&'a str),
    /// An interface that is there, or the address of a router.
    Interface(&'a str),
    /// A machine's node in the kernel.
    Node(&'a VmName),
    /// Arguments and options of bhyve that vmrun does not understand.
    Raw,
    /// Which permissions files lack that are made later.
    Umask,
}

/// What is allowed in an evaluation, and what the recipe has named.
#[derive(Default)]
pub(crate) struct Allowance {
    /// What the recipe allows.
    pub given: Allowed,
    /// Texts that came from outside of the recipe, at its own asking.
    pub heard: BTreeSet<String>,
    /// What the configuration allows, once it was asked.
    configured: Option<Allowed>,
    /// The texts that are written in the recipe.
    written: Option<BTreeSet<String>>,
}

impl Allowance {
    /// Begins an evaluation.
    pub(crate) fn begin(&mut self) {
        self.given = Allowed::default();
        self.heard.clear();
        // More modules may be known than before.
        self.written = None;
    }
}

/// Returns the library that is on the way to a call.
pub(crate) fn library(context: &NativeCallContext<'_>, sources: &Sources) -> Option<String> {
    if !sources.has_libraries() {
        return None;
    }
    // Closures bring the texts that they were made in along; Rhai's own word for who calls is the recipe's for those.
    let on_the_way = context.iter_namespaces().filter_map(|module| module.id());
    on_the_way.chain(context.call_source()).filter_map(|name| sources.library_of(name)).last()
}

impl Call<'_> {
    /// Refuses what a library asks for and may not have, and what a module does while it is being imported.
    pub(crate) fn permit(&self, asked: Asked<'_>) -> Result<(), Raised> {
        self.while_awake()?;
        let mut session = self.session();
        let sources = session.sources.clone();
        let Some(library) = &self.library else { return Ok(()) };
        let Some((what, way_out)) = session.refusal(asked, &sources)? else { return Ok(()) };
        Err(Fault::new(format!("the library `{library}` may not {what}")).hint(way_out).into())
    }

    /// Refuses an effect that a library asks for and may not have.
    pub(super) fn permit_effect(&self, effect: &Effect) -> Result<(), Raised> {
        match effect {
            Effect::Umask(_) => self.permit(Asked::Umask),
            Effect::Truncate { path, .. } | Effect::WriteImage { path, .. } | Effect::WriteFile { path, .. } => {
                self.permit(Asked::Path(path))
            }
            Effect::DestroyNode(name) => self.permit(Asked::Node(name)),
            Effect::Join { bridge, member, .. } => {
                self.permit(Asked::Interface(bridge.as_str()))?;
                self.permit(Asked::Interface(member.as_str()))
            }
            Effect::CreateLink(link) => match &link.kind {
                LinkKind::Vlan { parent, .. } => self.permit(Asked::Interface(parent.as_str())),
                LinkKind::Bridge | LinkKind::Pair { .. } | LinkKind::Tap => self.while_awake(),
            },
            Effect::AddRoute(router) => self.permit(Asked::Interface(&router.to_string())),
            Effect::Run(Argv { program, .. }) => self.permit(Asked::Run(program)),
            Effect::Make { argv, path } => {
                self.permit(Asked::Run(&argv.program))?;
                self.permit(Asked::Path(path))
            }
            // What is made is ours; a machine's variables were looked at when its firmware was named, its jail with its keys; nothing
            // else is asked for.
            Effect::CreateJail { .. }
            | Effect::RemoveJail(_)
            | Effect::CopyVars { .. }
            | Effect::DestroyTap(_)
            | Effect::DestroyLink(_)
            | Effect::DeleteRoute(_)
            | Effect::Leave { .. } => self.while_awake(),
        }
    }

    /// Refuses what a module does while it is being imported, whoever wrote it.
    pub(super) fn while_awake(&self) -> Result<(), Raised> {
        match self.session().sources.loading() {
            None => Ok(()),
            Some(module) => {
                let fault = Fault::new(format!("{module} does something while it is being imported"));
                Err(fault.hint("at the top of a module are only functions and constants").into())
            }
        }
    }
}

impl super::Session {
    /// Returns what a library may not do, and the way out; nothing if it may.
    fn refusal(&mut self, asked: Asked<'_>, sources: &Sources) -> Result<Option<(String, String)>, Fault> {
        let mut whole = |path: &Path| path.to_str().map_or_else(|| path.into(), |text| PathBuf::from(self.whole(text)));
        let path;
        let asked = match asked {
            Asked::Path(part) => {
                path = whole(part);
                Asked::Path(&path)
            }
            Asked::Read(part) => {
                path = whole(part);
                Asked::Read(&path)
            }
            other => other,
        };
        if self.is_usual(asked) || self.is_named(asked, sources) {
            return Ok(None);
        }
        let mut allowed = self.configured()?.clone();
        allowed.extend(&self.allowance.given);
        let (origin, params) = (self.inputs.origin.clone(), self.inputs.params.clone());
        let whole = |folder: &str| origin.whole(folder, &params).path;
        let host = &*self.run().host;
        let (what, key, name) = match asked {
            Asked::Path(path) | Asked::Read(path) => {
                if allowed.paths.iter().any(|folder| is_in(host, path, Path::new(&whole(folder)))) {
                    return Ok(None);
                }
                (format!("use {}", path.display()), "paths", path.display().to_string())
            }
            Asked::Device(device) => (format!("use {device}"), "paths", device.to_string()),
            Asked::Run(program) => (format!("run `{program}`"), "run", program.to_string()),
            Asked::Interface(name) => (format!("use the interface {name}"), "interfaces", name.to_string()),
            Asked::Node(name) => (format!("destroy the node of {name}"), "run", "bhyvectl".into()),
            Asked::Raw => ("give bhyve arguments as they are".into(), "run", "bhyve".into()),
            Asked::Umask => return Ok(Some(("set the umask".into(), "the recipe itself may".into()))),
        };
        if allowed.list(key).contains(&name) {
            return Ok(None);
        }
        Ok(Some((what, format!("if it shall, the recipe says so before: allow(#{{ {key}: [{name:?}] }});"))))
    }

    /// Whether anybody may: the folder of machines, the firmware, and what this run has made.
    fn is_usual(&mut self, asked: Asked<'_>) -> bool {
        let run = self.run();
        let host = &*run.host;
        match asked {
            Asked::Path(path) => is_in(host, path, Path::new(VM_DIR)),
            Asked::Read(path) => {
                let firmware = [bhyve::UEFI_CODE, qemu::OVMF_CODE];
                let mut folders = firmware.iter().filter_map(|file| Path::new(file).parent());
                let is_loader = ipxe::loader(host).is_ok_and(|loader| Path::new(&loader) == path);
                is_loader || folders.any(|folder| is_below(path, folder)) || is_in(host, path, Path::new(VM_DIR))
            }
            Asked::Interface(name) => {
                let has_made = |name: InterfaceName| run.has_made(&name);
                host.settings().user_net || name.parse().is_ok_and(has_made)
            }
            // Nothing is lost with a node that is not there, or that a run of ours has left.
            Asked::Node(name) => {
                let node = host.settings().node(name);
                host.is_assumed() || host.file(&node).is_none() || host.store().trace(name).is_some()
            }
            Asked::Device(_) | Asked::Run(_) | Asked::Raw | Asked::Umask => false,
        }
    }

    /// Whether the recipe's own text has it, or who runs the recipe said it: the very word, or of a path the folder that it is
    /// in, written with its slash. Which programs are run has to be allowed.
    fn is_named(&mut self, asked: Asked<'_>, sources: &Sources) -> bool {
        let (text, is_path) = match asked {
            Asked::Path(path) | Asked::Read(path) => (path.to_str().unwrap_or_default().to_string(), true),
            Asked::Interface(name) | Asked::Device(name) => (name.to_string(), false),
            Asked::Node(name) => (name.to_string(), false),
            Asked::Run(_) | Asked::Raw | Asked::Umask => return false,
        };
        let inputs = &self.inputs;
        let whole = |word: &str| inputs.origin.whole(word, &inputs.params).path;
        let is_it = |word: &String| *word == text || is_path && whole(word) == text;
        let is_given = inputs.params.values().any(is_it) || self.allowance.heard.contains(&text);
        let written = self.allowance.written.get_or_insert_with(|| written(sources));
        if is_given || written.contains(&text) || is_path && written.iter().any(is_it) {
            return true;
        }
        let is_folder = |word: &&String| word.ends_with('/') && word.len() > 1 && *word != "/dev/";
        let mut folders = written.iter().filter(is_folder);
        is_path && folders.any(|folder| is_below(Path::new(&text), Path::new(&whole(folder))))
    }

    fn configured(&mut self) -> Result<&Allowed, Fault> {
        if self.allowance.configured.is_none() {
            let path = self.run().host.settings().config.join("config.toml");
            let text = shelf::text(&path)?.unwrap_or_default();
            let read = allowed::parse(&path.display().to_string(), &text);
            let read = read.map_err(|diagnostic| match diagnostic.place {
                Some(place) => diagnostic.fault.context(place),
                None => diagnostic.fault,
            })?;
            self.allowance.configured = Some(read);
        }
        Ok(self.allowance.configured.get_or_insert_default())
    }
}

/// Whether a path is in a folder, both as it is written and where links lead.
fn is_in(host: &dyn Host, path: &Path, folder: &Path) -> bool {
    is_below(path, folder) && host.real(path).starts_with(host.real(folder))
}

/// Every text that is written in the recipe and in the files beside it.
fn written(sources: &Sources) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for unit in sources.own() {
        unit.ast.walk(&mut |nodes: &[ASTNode<'_>]| {
            if let Some(ASTNode::Expr(Expr::StringConstant(text, _))) = nodes.last() {
                all.insert(text.to_string());
            }
            true
        });
    }
    all
}

/// Returns the places where a module allows something: only the recipe itself may.
pub(super) fn faults(source: &Rc<Source>, ast: &AST) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    if !source.text.contains("allow") {
        return all;
    }
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        let position = match nodes.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at) | Expr::MethodCall(call, at))) if call.name == "allow" => at,
            Some(ASTNode::Stmt(Stmt::FnCall(call, at))) if call.name == "allow" => at,
            _ => return true,
        };
        let fault = Fault::new("only the recipe itself may allow something");
        let fault = fault.hint("say in the library's README what it needs; each recipe decides");
        all.push(Diagnostic::error(fault).at(source::token(source, *position)));
        true
    });
    all
}

#[cfg(test)]
mod tests {
    use crate::host::worlds::simulated::{Fixture, Simulated};
    use crate::script::{Inputs, Recipe};
    use crate::supervise::Run;
    use crate::supervise::conflicts::Purpose;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn a_library_takes_away_no_node_that_somebody_uses() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| crate::host::shelf::put(&folder.path().join(name), text.as_bytes()).unwrap();
        write("vmrun.toml", "[lib.team]\npath = \".\"\n");
        write("lib.rhai", "fn clear(name) { bhyvectl(name).destroy(); }\n");
        let said = |recipe: &str| {
            let name = folder.path().join("recipe.rhai").display().to_string();
            let text = format!("import \"team\" as team;\n{recipe}\n");
            let recipe = Recipe::parse(&name, &text).unwrap_or_else(|_| panic!("{text}"));
            let mut fixture = Fixture::lab();
            fixture.world.file("/dev/vmm/db".as_ref(), None, true);
            let host = Simulated::new(&Rc::new(RefCell::new(fixture)));
            let evaluated = recipe.evaluate(Run::new(Box::new(host)), &Inputs::default(), Some(Purpose::Run));
            evaluated.faults.into_iter().map(|diagnostic| diagnostic.fault.message).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(said("team::clear(\"d\" + \"b\");"), "the library `team` may not destroy the node of db");
        assert_eq!(said("team::clear(\"w\" + \"eb\");"), "");
        assert_eq!(said("team::clear(\"db\");"), "");
        assert_eq!(said("allow(#{ run: [\"bhyvectl\"] });\nteam::clear(\"d\" + \"b\");"), "");
        assert_eq!(said("bhyvectl(\"d\" + \"b\").destroy();"), "");
    }
}
