//! What a recipe with libraries may do to the host.
//!
//! A recipe that imports no library (the standard library is none) may do anything. As soon as it imports one, everything that its
//! evaluation does or boots, whoever asks, is held to what is usual for its machines, to what the recipe's own text names, and to
//! what is allowed. So it does not matter what a library returns, or which closure calls what.
//!
//! The recipe's own text is its file and the files beside it that it imports. Its word is what is done with what it names: the
//! content of a file that it names may be a library's.

mod own_machines;

use super::raise::Raised;
use super::source::{self, Sources, Unit};
use super::words::{Call, VM_DIR};
use crate::diag::{Diagnostic, Fault, Source};
use crate::host::{Effect, Host, ipxe, library_tree};
use crate::image::catalog::Catalog;
use crate::library::allowed::{self, Allowed};
use crate::library::named_texts::{NamedTexts, may_be_entered};
use crate::library::protected::is_below;
use crate::model::volume::{VolumeName, ZVOLS};
use crate::model::{Argv, InterfaceName, LinkKind, VmName, Vxlan};
use crate::{bhyve, qemu};
use own_machines::OwnMachines;
use rhai::{AST, ASTNode, Expr, NativeCallContext, Stmt};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A thing of the host that a recipe or a library is about to use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// A file or a device.
    Path(&'a Path),
    /// A PCI device of the host.
    Device(&'a str),
    /// A file that is only read.
    Read(&'a Path),
    /// Whether a file is there.
    Exists(&'a Path),
    /// A volume of ZFS, which zfs(8) makes and changes.
    Volume(&'a VolumeName),
    /// A command.
    Run(&'a Argv),
    /// A jail in which bhyve runs.
    Jail(&'a str),
    /// An interface that is there, or the address of a router.
    Interface(&'a str),
    /// An address on which something is listened to, as a recipe writes the whole, and alone.
    Listen(&'a str, &'a str),
    /// A machine's node in the kernel.
    Node(&'a VmName),
    /// Arguments and options of bhyve that vmrun does not understand.
    Raw(&'a [String]),
    /// Which permissions files lack that are made later.
    Umask(u32),
    /// A secret, by name.
    Secret(&'a str),
    /// A variable of the environment.
    Env(&'a str),
    /// A file that is fetched, by its address.
    Fetch(&'a str),
}

/// What is allowed in an evaluation, and what the recipe has named.
#[derive(Default)]
pub(crate) struct Allowance {
    /// What the recipe allows.
    pub given: Allowed,
    /// Texts that came from outside of the recipe, at its own asking.
    pub heard: Vec<String>,
    /// What the configuration allows, once it was asked.
    configured: Option<Allowed>,
    /// What the recipe names, and how many of what it heard are in it.
    named: Option<(Rc<NamedTexts>, usize)>,
    /// The machines whose files anybody may use.
    pub(super) machines: OwnMachines,
}

/// What may not be done: in words, the way out, and the file that is usual if the recipe boots a machine of that name.
struct Refusal {
    what: String,
    way_out: String,
    unless_booted: Option<PathBuf>,
}

impl Allowance {
    /// Begins an evaluation.
    pub(crate) fn begin(&mut self) {
        self.given = Allowed::default();
        self.heard.clear();
        // More modules may be known than before.
        self.named = None;
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
    /// Refuses what may not be had, and what a module does while it is being imported.
    pub(crate) fn permit(&self, asked: Asked<'_>) -> Result<(), Raised> {
        self.while_awake()?;
        let mut evaluation = self.evaluation();
        let sources = evaluation.sources.clone();
        let Some(imported) = sources.imported() else { return Ok(()) };
        let Some(refusal) = evaluation.refusal(asked, &sources, self.library.is_some())? else { return Ok(()) };
        let what = refusal.what;
        let fault = match &self.library {
            Some(library) => Fault::new(format!("the library `{library}` may not {what}")),
            None => Fault::new(format!(
                "the recipe imports the library `{imported}`, and does not name what it does: to {what}"
            )),
        };
        let fault = fault.hint(refusal.way_out);
        let waits = |path: &PathBuf| evaluation.allowance.machines.wait_for(path, &fault, &self.site);
        if refusal.unless_booted.as_ref().is_some_and(waits) { Ok(()) } else { Err(fault.into()) }
    }

    /// Refuses an effect that may not be had.
    pub(super) fn permit_effect(&self, effect: &Effect) -> Result<(), Raised> {
        match effect {
            Effect::Umask(mask) => self.permit(Asked::Umask(*mask)),
            Effect::Truncate { path, .. }
            | Effect::WriteImage { path, .. }
            | Effect::WriteFile { path, .. }
            | Effect::MakeHostKey(path) => self.permit(Asked::Path(path)),
            Effect::DestroyNode(name) => self.permit(Asked::Node(name)),
            Effect::Join { bridge, member, .. } => {
                self.permit(Asked::Interface(bridge.as_str()))?;
                self.permit(Asked::Interface(member.as_str()))
            }
            Effect::CreateLink(link) => match &link.kind {
                LinkKind::Vlan { parent, .. } | LinkKind::Vxlan(Vxlan { dev: Some(parent), .. }) => {
                    self.permit(Asked::Interface(parent.as_str()))
                }
                // It says by its address which card carries it.
                LinkKind::Vxlan(vxlan) => self.permit(Asked::Interface(&vxlan.local.to_string())),
                LinkKind::Bridge | LinkKind::Pair { .. } | LinkKind::Tap => self.while_awake(),
            },
            Effect::AddRoute(router) => self.permit(Asked::Interface(&router.to_string())),
            Effect::Disk(change) => match change.volume() {
                Some(name) => self.permit(Asked::Volume(name)),
                None => self.permit(Asked::Path(change.path())),
            },
            Effect::IscsiLogin(session) => self.permit(Asked::Path(Path::new(&session.unknown()))),
            Effect::Run(argv) => self.permit(Asked::Run(argv)),
            Effect::Fetch(fetch) => self.permit(Asked::Fetch(fetch.url.as_str())),
            Effect::Make { argv, path } => {
                self.permit(Asked::Run(argv))?;
                self.permit(Asked::Path(path))
            }
            // What is made is ours; a machine's variables were looked at when its firmware was named, its jail with its keys; nothing
            // else is asked for.
            Effect::CreateJail { .. }
            | Effect::RemoveJail(_)
            | Effect::MakeCgroup(_)
            | Effect::RemoveCgroup(_)
            | Effect::IscsiLogout(_)
            | Effect::StartHelper(_)
            | Effect::EndHelper(_)
            | Effect::Lend { .. }
            | Effect::Reclaim { .. }
            | Effect::CreateInner(_)
            | Effect::DestroyInner(_)
            | Effect::CopyVars { .. }
            | Effect::DestroyTap(_)
            | Effect::DestroyLink(_)
            | Effect::DeleteRoute(_)
            | Effect::Leave { .. } => self.while_awake(),
        }
    }

    /// Refuses what a module does while it is being imported, whoever wrote it.
    pub(super) fn while_awake(&self) -> Result<(), Raised> {
        match self.evaluation().sources.loading() {
            None => Ok(()),
            Some(module) => {
                let fault = Fault::new(format!("{module} does something while it is being imported"));
                Err(fault.hint("at the top of a module are only functions and constants").into())
            }
        }
    }
}

impl super::EvaluationContext {
    /// Returns what may not be done; nothing if it may.
    fn refusal(&mut self, asked: Asked<'_>, sources: &Sources, is_librarys: bool) -> Result<Option<Refusal>, Fault> {
        let path;
        let asked = match asked {
            Asked::Path(part) | Asked::Read(part) | Asked::Exists(part) => {
                path = part.to_str().map_or_else(|| part.into(), |text| PathBuf::from(self.whole(text)));
                asked.on(&path)
            }
            // The others name no file.
            other => other,
        };
        self.name(sources);
        if self.is_usual(asked) || self.is_named(asked, is_librarys) {
            return Ok(None);
        }
        let file = match asked {
            Asked::Path(path) | Asked::Read(path) | Asked::Exists(path) => Some(path),
            // The others name no file.
            _ => None,
        };
        if file.is_some_and(|path| self.is_of_an_own_machine(path)) {
            return Ok(None);
        }
        let may_be_booted = |path: &&Path| self.rehearsal.is_some() && self.is_of_a_named_machine(path);
        let unless_booted = file.filter(may_be_booted).map(Path::to_path_buf);
        let mut allowed = self.configured()?.clone();
        allowed.extend(&self.allowance.given);
        let Some((key, name)) = asked.key() else {
            let way_out = "the recipe itself may, by its own text".into();
            return Ok(Some(Refusal { what: asked.what(), way_out, unless_booted }));
        };
        let is_allowed = match asked {
            Asked::Path(path) | Asked::Read(path) | Asked::Exists(path) => {
                let host = &*self.run().host;
                let leads = |(fixed, found): &(PathBuf, PathBuf)| is_led_below(host, path, fixed, found);
                allowed.folders(path).iter().any(leads)
            }
            // The others are allowed by their names.
            _ => allowed.has(key, &name),
        };
        let way_out = || format!("if it shall, the recipe says so before: allow(#{{ {key}: [{name:?}] }});");
        Ok((!is_allowed).then(|| Refusal { what: asked.what(), way_out: way_out(), unless_booted }))
    }

    /// Takes what the recipe names, unless it is known already.
    fn name(&mut self, sources: &Sources) {
        let heard = self.allowance.heard.len();
        if self.allowance.named.as_ref().is_some_and(|(_, known)| *known == heard) {
            return;
        }
        let inputs = &self.inputs;
        let whole = |text: &str| inputs.origin.whole(text, &inputs.params).path;
        let mut named = NamedTexts::default();
        named.extend(sources.own().iter().flat_map(written), whole);
        named.extend_arguments(sources.standard().iter().flat_map(written));
        named.extend(inputs.params.values().cloned(), whole);
        named.extend(self.allowance.heard.iter().cloned(), whole);
        named.extend(Path::new(&sources.main()).file_stem().map(|stem| stem.to_string_lossy().into_owned()), whole);
        self.allowance.named = Some((Rc::new(named), heard));
    }

    fn named(&self) -> Rc<NamedTexts> {
        self.allowance.named.as_ref().map(|(named, _)| named.clone()).unwrap_or_default()
    }

    /// Whether anybody may: the firmware, this host's own addresses, and what this run has made. The files of its machines are usual too.
    fn is_usual(&mut self, asked: Asked<'_>) -> bool {
        match asked {
            Asked::Exists(path) if path == Path::new(VM_DIR) => true,
            Asked::Read(path) | Asked::Exists(path) => {
                let firmware = [bhyve::UEFI_CODE, qemu::OVMF_CODE];
                let mut folders = firmware.iter().filter_map(|file| Path::new(file).parent());
                let is_loader = ipxe::loader(&*self.run().host).is_ok_and(|loader| Path::new(&loader) == path);
                is_loader || folders.any(|folder| is_below(path, folder))
            }
            Asked::Interface(name) => {
                let run = self.run();
                let has_made = |name: InterfaceName| run.has_made(&name);
                run.host.settings().user_net || name.parse().is_ok_and(has_made)
            }
            Asked::Listen(address, _) => {
                address == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
            // Nothing is lost with a node that is not there, or that a run of ours has left.
            Asked::Node(name) => {
                let host = &*self.run().host;
                let node = host.settings().node(name);
                host.is_assumed() || host.file(&node).is_none() || host.store().record(name).is_some()
            }
            Asked::Path(_) | Asked::Device(_) | Asked::Volume(_) | Asked::Run(_) | Asked::Jail(_) => false,
            Asked::Raw(_) | Asked::Umask(_) | Asked::Secret(_) | Asked::Env(_) => false,
            // Whoever has the host says by its table of images what may come from where.
            Asked::Fetch(url) => self.catalog().is_ok_and(|catalog| catalog.has(url)),
        }
    }

    /// Whether the recipe's own text has it, or who runs the recipe said it. Which commands a library runs has to be allowed.
    fn is_named(&mut self, asked: Asked<'_>, is_librarys: bool) -> bool {
        let named = self.named();
        match asked {
            Asked::Path(path) | Asked::Read(path) | Asked::Exists(path) => {
                let Some(by) = named.path(path) else { return false };
                let host = &*self.run().host;
                // What is named in whole may be a link to wherever it leads.
                by == path || is_led_below(host, path, &by, &by) && may_be_entered(&host.real(&by), &by)
            }
            Asked::Volume(_) | Asked::Run(_) | Asked::Jail(_) | Asked::Raw(_) | Asked::Umask(_) if is_librarys => false,
            Asked::Volume(name) => {
                let is_by =
                    |text: &str| text == name.as_str() || text.ends_with('/') && name.as_str().starts_with(text);
                named.texts().any(is_by) || named.path(&Path::new(ZVOLS).join(name.as_str())).is_some()
            }
            Asked::Run(Argv { program, args, .. }) => {
                // The word ifconfig(…) says itself which program it is.
                let is_program = named.has(program) || program == "ifconfig";
                is_program && args.iter().all(|arg| self.is_argument(&named, arg))
            }
            Asked::Raw(args) => args.iter().all(|arg| self.is_argument(&named, arg)),
            Asked::Device(device) => named.has(device),
            Asked::Jail(name) | Asked::Interface(name) | Asked::Secret(name) | Asked::Env(name) => named.has(name),
            Asked::Fetch(url) => named.has(url),
            Asked::Listen(whole, address) => named.has(whole) || named.has(address),
            Asked::Node(name) => named.has(name.as_str()),
            Asked::Umask(mask) => named.has(&format!("{mask:03o}")) || named.has(&format!("{mask:04o}")),
        }
    }

    /// Whether an argument of a command that the recipe itself runs is named: written there or in the standard library, a number, or
    /// an interface that this run has made.
    fn is_argument(&mut self, named: &NamedTexts, text: &str) -> bool {
        let run = self.run();
        named.argument(text) || text.parse().is_ok_and(|name: InterfaceName| run.has_made(&name))
    }

    /// Returns the images that this host knows.
    pub(super) fn catalog(&mut self) -> Result<Catalog, Fault> {
        let path = self.run().host.settings().config.join("config.toml");
        let text = library_tree::text(&path)?.unwrap_or_default();
        let read = Catalog::configured(&path.display().to_string(), &text);
        read.map_err(|diagnostic| match diagnostic.place {
            Some(place) => diagnostic.fault.context(place),
            None => diagnostic.fault,
        })
    }

    fn configured(&mut self) -> Result<&Allowed, Fault> {
        if self.allowance.configured.is_none() {
            let path = self.run().host.settings().config.join("config.toml");
            let text = library_tree::text(&path)?.unwrap_or_default();
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

impl<'a> Asked<'a> {
    /// The same of another path.
    fn on(self, path: &'a Path) -> Self {
        match self {
            Self::Path(_) => Self::Path(path),
            Self::Read(_) => Self::Read(path),
            Self::Exists(_) => Self::Exists(path),
            // The others name no file.
            other => other,
        }
    }

    /// Returns the key of `allow` and the name there by which it may be allowed, if it may.
    fn key(self) -> Option<(&'static str, String)> {
        Some(match self {
            Self::Path(path) | Self::Read(path) | Self::Exists(path) => ("paths", path.display().to_string()),
            Self::Run(argv) => ("run", argv.program.clone()),
            Self::Volume(_) => ("run", "zfs".into()),
            Self::Jail(_) => ("run", "jexec".into()),
            Self::Device(device) => ("paths", device.to_string()),
            Self::Interface(name) => ("interfaces", name.to_string()),
            Self::Listen(whole, _) => ("listen", whole.to_string()),
            Self::Node(_) => ("run", "bhyvectl".into()),
            Self::Raw(_) => ("run", "bhyve".into()),
            Self::Secret(name) => ("secrets", name.to_string()),
            Self::Env(name) => ("env", name.to_string()),
            Self::Fetch(url) => ("fetch", url.to_string()),
            Self::Umask(_) => return None,
        })
    }

    /// Says what is to be done.
    fn what(self) -> String {
        match self {
            Self::Path(path) | Self::Read(path) => format!("use {}", path.display()),
            Self::Exists(path) => format!("ask whether {} is there", path.display()),
            Self::Device(device) => format!("use {device}"),
            Self::Volume(name) => format!("use the volume {name}"),
            Self::Run(argv) => format!("run `{}`", argv.program),
            Self::Jail(name) => format!("use the jail {name}"),
            Self::Interface(name) => format!("use the interface {name}"),
            Self::Listen(whole, _) => format!("listen on {whole}"),
            Self::Node(name) => format!("destroy the node of {name}"),
            Self::Raw(_) => "give bhyve arguments as they are".into(),
            Self::Umask(_) => "set the umask".into(),
            Self::Secret(name) => format!("read the secret `{name}`"),
            Self::Env(name) => format!("read the variable {name}"),
            Self::Fetch(url) => format!("fetch {url}"),
        }
    }
}

/// Whether links lead from a path to nowhere but below a folder that was found in it; up to `fixed`, which somebody wrote, they may
/// lead anywhere.
fn is_led_below(host: &dyn Host, path: &Path, fixed: &Path, found: &Path) -> bool {
    let Ok(rest) = found.strip_prefix(fixed) else { return false };
    host.real(path).starts_with(host.real(fixed).join(rest))
}

/// Every text that is written in a file.
fn written(unit: &Unit) -> Vec<String> {
    let mut all = Vec::new();
    unit.ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(Expr::StringConstant(text, _))) = nodes.last() {
            all.push(text.to_string());
        }
        true
    });
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
    use crate::host::worlds::fixture::Fixture;
    use crate::host::worlds::simulated::Simulated;
    use crate::script::{Inputs, Recipe};
    use crate::supervise::Run;
    use crate::supervise::conflicts::Purpose;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn a_library_takes_away_no_node_that_somebody_uses() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            crate::host::library_tree::put(&folder.path().join(name), text.as_bytes()).unwrap()
        };
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
        let own = "the recipe imports the library `team`, and does not name what it does: to destroy the node of db";
        assert_eq!(said("bhyvectl(\"d\" + \"b\").destroy();"), own);
        assert_eq!(said("bhyvectl(\"db\").destroy();"), "");
    }
}
