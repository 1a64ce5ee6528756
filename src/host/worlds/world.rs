//! A host's state in memory, and what effects do to it: the one simulation of effects, under rehearsals and simulated hosts.

use crate::diag::{Cause, Fault};
use crate::host::cgroup::DeviceNumber;
use crate::host::volumes::Volumes;
use crate::host::{Effect, FileFact, Interface, InterfaceKind, host_key, interfaces};
use crate::model::{Argv, InterfaceName, Membership, Size, VmName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a host has.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// The interfaces, as ifconfig(8) or ip(8) would tell them.
    pub interfaces: Vec<Interface>,
    /// Its files; a folder is where a file is below it.
    pub files: BTreeMap<PathBuf, FileFact>,
    /// What is in files that somebody reads.
    pub texts: BTreeMap<PathBuf, Rc<[u8]>>,
    /// What rm(1) has taken away, with all below it.
    gone: BTreeSet<PathBuf>,
    /// Files that are brought by other programs, which are not run here.
    to_come: BTreeSet<PathBuf>,
    /// The volumes that were changed here.
    pub volumes: Volumes,
    /// The other end of each pair that was made here.
    peers: BTreeMap<String, String>,
    nodes: BTreeSet<String>,
    routes: BTreeSet<String>,
    jails: BTreeSet<String>,
    cgroups: BTreeSet<PathBuf>,
    /// Sessions with iSCSI targets, in words.
    sessions: BTreeSet<String>,
    helpers: BTreeSet<String>,
    /// Bridges in the networks of jails.
    inner: BTreeSet<String>,
}

/// The disk on which everything is that a world is told of.
pub(crate) const DISK: Option<DeviceNumber> = Some(DeviceNumber { major: 8, minor: 0 });

impl World {
    /// Makes one that has only these interfaces.
    pub(crate) fn with(interfaces: Vec<Interface>) -> Self {
        Self { interfaces, ..Self::default() }
    }

    /// Makes a file known.
    pub(crate) fn file(&mut self, path: &Path, size: Option<Size>, has_data: bool) {
        self.gone.remove(path);
        self.files.insert(path.into(), FileFact { size, has_data, is_folder: false, device: DISK });
    }

    /// Makes a folder known in which nothing is.
    pub(crate) fn folder(&mut self, path: &Path) {
        self.files.insert(path.into(), FileFact { size: None, has_data: false, is_folder: true, device: DISK });
    }

    pub(super) fn comes(&mut self, path: &Path, size: Option<Size>) {
        self.file(path, size, true);
        self.to_come.insert(path.into());
    }

    /// Has rm(1) take files away, by whole paths and without asking.
    fn remove(&mut self, argv: &Argv) {
        let words = argv.words();
        let Some(("rm", [options, paths @ ..])) = words.split_first().map(|(program, rest)| (*program, rest)) else {
            return;
        };
        let is_all = options.contains(['r', 'R']);
        if !options.starts_with('-') || options.starts_with("--") || !options.contains('f') {
            return;
        }
        for path in paths.iter().map(Path::new).filter(|path| path.is_absolute()) {
            self.files
                .retain(|file, fact| if is_all { !file.starts_with(path) } else { file != path || fact.is_folder });
            self.gone.insert(path.into());
        }
    }

    /// Whether a file was taken away, and has not come again.
    pub(crate) fn is_gone(&self, path: &Path) -> bool {
        !self.files.contains_key(path) && path.ancestors().any(|folder| self.gone.contains(folder))
    }

    /// A private key of ssh, and the public one beside it.
    fn key_comes(&mut self, private: &Path) {
        self.comes(private, None);
        self.comes(&host_key::public_path(private), None);
    }

    /// Says of a file that could not be read whether it is there only once what is rehearsed has run.
    pub(crate) fn unread(&self, path: &Path, fault: Fault) -> Fault {
        if self.to_come.contains(path) { fault.cause(Cause::NotYet) } else { fault }
    }

    /// Does what a boot of bhyve does, even of one that then fails: the machine has a node.
    pub(crate) fn node(&mut self, name: &VmName) {
        self.nodes.insert(name.to_string());
    }

    /// Whether a jail was made.
    pub(super) fn has_jail(&self, name: &str) -> bool {
        self.jails.contains(name)
    }

    /// Has an effect.
    pub(crate) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Truncate { path, size } => {
                let has_data = self.files.get(path).is_some_and(|fact| fact.has_data);
                self.file(path, Some(*size), has_data);
            }
            Effect::WriteImage { path, image, .. } => {
                self.file(path, Some(Size::bytes(crate::image::Disk::size(&**image))), true)
            }
            Effect::WriteFile { path, text, .. } => {
                self.file(path, Some(Size::bytes(text.len() as u64)), true);
                self.texts.insert(path.clone(), text.clone().into());
            }
            Effect::MakeHostKey(path) => self.key_comes(path),
            Effect::CopyVars { to, .. } => self.file(to.as_path(), Some(Size::bytes(0)), true),
            Effect::Fetch(fetch) => self.comes(&fetch.path(), fetch.size),
            Effect::Make { argv, path } if argv.words().first() == Some(&"mkdir") => self.folder(path),
            // It may be a device, which has no size.
            Effect::Make { path, .. } => self.comes(path, None),
            Effect::DestroyNode(name) => drop(self.nodes.remove(name.as_str())),
            Effect::CreateLink(link) => self.make_all(interfaces::made(link)),
            Effect::DestroyTap(name) | Effect::DestroyLink(name) => self.destroy(name),
            Effect::Join { bridge, member, how } => self.join(bridge, member, how),
            Effect::Leave { bridge, member, .. } => {
                self.members(bridge, |members| members.retain(|known| known != member.as_str()));
            }
            Effect::AddRoute(router) => drop(self.routes.insert(router.to_string())),
            Effect::DeleteRoute(router) => drop(self.routes.remove(&router.to_string())),
            Effect::CreateJail { jail, .. } => drop(self.jails.insert(jail.name.to_string())),
            Effect::MakeCgroup(folder) => drop(self.cgroups.insert(folder.clone())),
            Effect::RemoveCgroup(folder) => drop(self.cgroups.remove(folder)),
            Effect::IscsiLogin(session) => drop(self.sessions.insert(session.to_string())),
            Effect::IscsiLogout(session) => drop(self.sessions.remove(&session.to_string())),
            Effect::RemoveJail(jail) => drop(self.jails.remove(jail.as_str())),
            // Where a tap is does not matter here: it is one of the interfaces, in no bridge of the host's.
            Effect::Lend { tap, .. } => {
                self.interfaces.iter_mut().for_each(|one| one.members.retain(|member| member != tap.as_str()));
            }
            Effect::CreateInner(inner) => drop(self.inner.insert(format!("{} in {}", inner.bridge, inner.jail))),
            Effect::DestroyInner(inner) => drop(self.inner.remove(&format!("{} in {}", inner.bridge, inner.jail))),
            Effect::Disk(change) => self.volumes.apply(change, &mut self.files),
            Effect::StartHelper(start) => drop(self.helpers.insert(start.helper.name.clone())),
            Effect::EndHelper(end) => drop(self.helpers.remove(&end.name)),
            Effect::Run(argv) => self.remove(argv),
            Effect::Reclaim { .. } | Effect::Umask(_) => {}
        }
    }

    /// Has an interface join a bridge.
    fn join(&mut self, bridge: &InterfaceName, member: &InterfaceName, how: &Membership) {
        let find = |world: &mut Self, name: &InterfaceName, change: &dyn Fn(&mut Interface)| {
            world.interfaces.iter_mut().filter(|one| one.name == name.as_str()).for_each(change);
        };
        if let Some(mtu) = how.mtu {
            find(self, member, &|one| one.mtu = mtu.into());
        }
        if how.is_span {
            return;
        }
        let mtu = self.interfaces.iter().find(|one| one.name == member.as_str()).map(|one| one.mtu);
        find(self, bridge, &|bridge| {
            // The first member gives a bridge its MTU (12.1, ifconfig-bridge.txt).
            bridge.mtu = mtu.filter(|_| bridge.members.is_empty()).unwrap_or(bridge.mtu);
            if !bridge.members.iter().any(|known| known == member.as_str()) {
                bridge.members.push(member.to_string());
            }
        });
    }

    /// Has half of an effect that makes interfaces: they are there under these names.
    pub(crate) fn apply_half(&mut self, effect: &Effect, names: &[String]) {
        let made = match effect {
            Effect::CreateLink(link) => interfaces::made(link),
            // No other effect makes interfaces of the host by several commands.
            _ => Vec::new(),
        };
        // Addresses are given last.
        let half = |(one, name): (Interface, &String)| Interface { name: name.clone(), addresses: Vec::new(), ..one };
        self.make_all(made.into_iter().zip(names).map(half).collect());
    }

    /// Makes the interfaces of one effect; two of them are a pair.
    fn make_all(&mut self, made: Vec<Interface>) {
        if let [one, other] = made.as_slice() {
            self.peers.insert(one.name.clone(), other.name.clone());
            self.peers.insert(other.name.clone(), one.name.clone());
        }
        made.into_iter().for_each(|one| self.make(one));
    }

    fn make(&mut self, interface: Interface) {
        self.interfaces.retain(|known| known.name != interface.name);
        self.interfaces.push(interface);
    }

    /// Both ends of a pair go together. Of one that was there before only the names tell that it is one.
    fn destroy(&mut self, name: &InterfaceName) {
        let is_pair = |one: &Interface| one.kind == InterfaceKind::Pair && one.name == name.as_str();
        let stem = name.as_str().strip_suffix('a').filter(|_| self.interfaces.iter().any(is_pair));
        let peer = self.peers.remove(name.as_str()).or_else(|| stem.map(|stem| format!("{stem}b")));
        let gone = [Some(name.to_string()), peer];
        for name in gone.into_iter().flatten() {
            self.interfaces.retain(|interface| interface.name != name);
            self.interfaces.iter_mut().for_each(|interface| interface.members.retain(|member| *member != name));
        }
    }

    fn members(&mut self, bridge: &InterfaceName, change: impl Fn(&mut Vec<String>)) {
        let bridges = self.interfaces.iter_mut().filter(|one| one.name == bridge.as_str());
        bridges.for_each(|bridge| change(&mut bridge.members));
    }

    /// Returns what is there and was not before, and what is gone: interfaces, members, nodes and routes.
    pub(crate) fn left(&self, before: &Self) -> Vec<String> {
        let mut left = Vec::new();
        for interface in &self.interfaces {
            match before.interfaces.iter().find(|known| known.name == interface.name) {
                None => left.push(format!("the interface {}", interface.name)),
                Some(known) => left.extend(
                    interface
                        .members
                        .iter()
                        .filter(|member| !known.members.contains(member))
                        .map(|member| format!("{member} as a member of {}", interface.name)),
                ),
            }
        }
        left.extend(self.nodes.difference(&before.nodes).map(|node| format!("the node /dev/vmm/{node}")));
        left.extend(self.routes.difference(&before.routes).map(|route| format!("the route to {route}")));
        left.extend(self.jails.difference(&before.jails).map(|jail| format!("the jail {jail}")));
        let groups = self.cgroups.difference(&before.cgroups);
        left.extend(groups.map(|folder| format!("the control group {}", folder.display())));
        left.extend(self.helpers.difference(&before.helpers).map(|helper| format!("the helper {helper}")));
        left.extend(self.sessions.difference(&before.sessions).cloned());
        left.extend(self.inner.difference(&before.inner).map(|bridge| format!("the bridge {bridge}")));
        let gone = before.interfaces.iter().filter(|known| !self.interfaces.iter().any(|one| one.name == known.name));
        left.extend(gone.map(|known| format!("nothing of the interface {}, which was there before", known.name)));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Link, LinkKind};

    fn name(text: &str) -> InterfaceName {
        text.parse().unwrap()
    }

    fn pair() -> Effect {
        let kind = LinkKind::Pair { peer: name("epair7b") };
        let (mtu, up, description) = (None, true, None);
        let addresses = vec!["10.0.0.1/24".parse().unwrap()];
        Effect::CreateLink(Box::new(Link { name: name("epair7a"), kind, addresses, mtu, up, description }))
    }

    fn names(world: &World) -> Vec<String> {
        world.interfaces.iter().map(|one| format!("{} {:?}", one.name, one.members)).collect()
    }

    #[test]
    fn a_pair_comes_and_goes_together_and_leaves_its_bridge() {
        let mut world =
            World { interfaces: vec![Interface::new("bridge2", InterfaceKind::Bridge)], ..World::default() };
        let join = Effect::join(name("bridge2"), name("epair7b"));
        [pair(), join.clone(), join].iter().for_each(|effect| world.apply(effect));
        assert_eq!(names(&world), ["bridge2 [\"epair7b\"]", "epair7a []", "epair7b []"]);
        world.apply(&Effect::DestroyLink(name("epair7a")));
        assert_eq!(names(&world), ["bridge2 []"]);
    }

    #[test]
    fn what_rm_takes_away_is_gone_until_it_comes_again() {
        let mut world = World::default();
        world.file(Path::new("/vm/a/x"), None, true);
        let run = |words: [&str; 3]| Effect::Run(Argv::new(words[0]).args(&words[1..]));
        world.apply(&run(["rm", "-f", "/vm/a"]));
        world.apply(&run(["rm", "-i", "/vm/b"]));
        let gone = |world: &World, path: &str| world.is_gone(Path::new(path));
        assert!(!gone(&world, "/vm/a/x") && !gone(&world, "/vm/b"));
        world.apply(&run(["rm", "-rf", "/vm/a"]));
        assert!(gone(&world, "/vm/a/x") && gone(&world, "/vm/a"));
        let argv = Argv::new("mkdir").args(["-p", "/vm/a/x"]);
        world.apply(&Effect::Make { argv, path: "/vm/a/x".into() });
        assert!(!gone(&world, "/vm/a/x") && world.files[Path::new("/vm/a/x")].is_folder);
    }

    #[test]
    fn what_is_left_is_named_and_so_is_what_is_gone() {
        let interfaces = [("bridge2", InterfaceKind::Bridge), ("tap9", InterfaceKind::Tap)];
        let interfaces = interfaces.map(|(name, kind)| Interface::new(name, kind)).to_vec();
        let before = World { interfaces, ..World::default() };
        let mut world = before.clone();
        let join = Effect::join(name("bridge2"), name("tap1"));
        let route = Effect::AddRoute("192.168.2.1".parse().unwrap());
        [Effect::create_tap(name("tap1")), join, route, Effect::DestroyTap(name("tap9"))]
            .iter()
            .for_each(|effect| world.apply(effect));
        world.node(&"lab".parse().unwrap());
        assert_eq!(
            world.left(&before),
            [
                "tap1 as a member of bridge2",
                "the interface tap1",
                "the node /dev/vmm/lab",
                "the route to 192.168.2.1",
                "nothing of the interface tap9, which was there before"
            ]
        );
    }
}
