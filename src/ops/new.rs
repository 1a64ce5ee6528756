//! A new machine: the recipe of one from the image of its system, rehearsed before it has its name.

mod keys;
mod text;

use super::images::{self, Pin};
use super::installation::{Foreseen, Installation, Wanted};
use super::known;
use super::settings::{self, Platform};
use crate::diag::{Blame, Cause, Diagnostic, Fault};
use crate::host::seat::Seat;
use crate::host::system::System;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Facts as _, files, volumes};
use crate::model::exclusive::{Exclusive, Role};
use crate::model::ssh::SshUser;
use crate::model::volume::{VolumeName, ZVOLS};
use crate::model::{Argv, Digest, Feature, InterfaceName, Size, VmName};
use crate::script::origin::Origin;
use crate::script::{Inputs, Recipe};
use keys::{Keys, NewKey};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use text::{Network, Parts};

/// The ports of 127.0.0.1 of which a machine gets the first that is free.
const PORTS: std::ops::Range<u16> = 2201..3000;

/// The taps of which a machine gets the first that is free: their numbers.
const TAPS: std::ops::Range<u16> = 0..1000;

/// A machine as it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct NewRequest {
    /// Its name.
    pub(crate) name: VmName,
    /// Its system, as the table of images has it.
    pub(crate) os: String,
    /// How large its disk is.
    pub(crate) size: Size,
    /// How much memory it has.
    pub(crate) memory: Size,
    /// How many virtual CPUs it has.
    pub(crate) cpus: u16,
    /// Who logs in, if not the user that its image has.
    pub(crate) user: Option<SshUser>,
    /// Files of public keys; without any the user's own.
    pub(crate) keys: Vec<PathBuf>,
    /// The bridge that it joins, if it does.
    pub(crate) bridge: Option<InterfaceName>,
    /// The filesystem of ZFS in which its disk is a volume, if it is one.
    pub(crate) zvol: Option<String>,
    /// The folder of its recipe.
    pub(crate) folder: PathBuf,
    /// Which image is meant, if its publisher is not to be asked.
    pub(crate) digest: Option<Digest>,
}

/// A recipe that is not written yet.
pub(crate) struct NewMachine {
    /// Where it is to be.
    pub(crate) recipe: PathBuf,
    /// What the publisher said of the image, if he was asked.
    pub(crate) pin: Option<Pin>,
    /// What is to be known before the machine is started: of this host, and of what the machine cannot do here.
    pub(crate) notes: Vec<Diagnostic>,
    text: String,
    key: Option<NewKey>,
}

impl NewMachine {
    /// Finds out what is to be written, and rehearses it.
    ///
    /// # Errors
    /// Something of that name is there, the system is unknown, its publisher cannot be asked, or the recipe would be wrong.
    pub(crate) fn of(request: &NewRequest) -> Result<Self, Vec<Diagnostic>> {
        let installation = Installation::open()?;
        let host = settings::host(false)?;
        let name = &request.name;
        let recipe = recipe_path(&request.folder, name)?;
        known::against_name(&host, &installation, name, &recipe)?;
        let catalog = images::catalog()?;
        let system = catalog.system(&request.os).map_err(|fault| fault.blame(Blame::Usage))?;
        let user = user(request, &system.user)?;
        let disk = disk(&host, request)?;
        let others = others(&installation, &recipe)?;
        let network = network(&host, request, &others)?;
        let Keys { lines, identity, new } = Keys::of(&host, &request.keys)?;
        // Nobody else is asked before all is right that can be looked at here.
        let (pin, asked) = pinned(request)?;
        let text = text::recipe(&Parts {
            name,
            os: (&request.os, &system.title),
            pin: &pin,
            disk: (&disk, request.size),
            cpus: request.cpus,
            memory: request.memory,
            user,
            keys: &lines,
            identity: identity.as_deref(),
            network: &network,
        });
        let parsed = Recipe::parse(&recipe.display().to_string(), &text)?;
        for init in [true, false] {
            let foreseen = installation.foreseen(&parsed, &Wanted::of(recipe.clone()), init)?;
            against_other(&foreseen, name, &pin, init)?;
        }
        let mut notes = reach(&host, &network);
        notes.extend(unready(host, &parsed));
        Ok(Self { recipe, pin: asked, notes, text, key: new })
    }

    /// Returns where the key is that is made with it.
    pub(crate) fn key(&self) -> Option<&Path> {
        self.key.as_ref().map(|key| key.path.as_path())
    }

    /// Writes it, where nothing has its name. A key that was made goes again where it is not written.
    ///
    /// # Errors
    /// Something has the name by now, or the folder may not be written.
    pub(crate) fn write(&self) -> Result<(), Fault> {
        files::write_new(&self.recipe, &self.text)?;
        self.key.iter().for_each(NewKey::keep);
        Ok(())
    }
}

/// Returns where the recipe is to be.
fn recipe_path(folder: &Path, name: &VmName) -> Result<PathBuf, Fault> {
    if !files::is_folder(folder) {
        let fault = Fault::usage(format!("{} is no folder", folder.display()));
        return Err(fault.hint(Argv::new("mkdir").arg("-p").arg(folder.display()).to_string()));
    }
    let file = format!("{name}.rhai");
    Ok(if folder == Path::new(".") { file.into() } else { folder.join(file) })
}

/// Returns which image is meant, with what its publisher says of it, if he is asked.
fn pinned(request: &NewRequest) -> Result<(Digest, Option<Pin>), Vec<Diagnostic>> {
    if let Some(digest) = &request.digest {
        return Ok((digest.clone(), None));
    }
    let pin =
        images::pin(&request.os, None).map_err(|faults| faults.into_iter().map(without_network).collect::<Vec<_>>());
    pin.map(|pin| (pin.digest.clone(), Some(pin)))
}

/// The address of an image is none that whoever makes a machine could correct: he knows its digest, or waits.
fn without_network(mut diagnostic: Diagnostic) -> Diagnostic {
    if diagnostic.fault.cause == Some(Cause::Unreachable) {
        let way_out = "try again when this host reaches it; with the digest that the publisher says, --sha512 or --sha256, nobody is \
                       asked now";
        diagnostic.fault.hint = Some(way_out.into());
    }
    diagnostic
}

/// Returns who logs in.
fn user<'a>(request: &'a NewRequest, usual: &'a str) -> Result<&'a str, Fault> {
    let given = request.user.as_ref().map_or(usual, SshUser::as_str);
    if given.is_empty() {
        let fault = Fault::usage(format!("the table of images does not say which user {} has", request.os));
        return Err(fault.hint("name one by --user"));
    }
    Ok(given)
}

/// Returns the path of the disk as the recipe has it. Nothing is there yet.
fn disk(host: &System, request: &NewRequest) -> Result<String, Fault> {
    let is_there = |what: &Path| {
        let fault = Fault::usage(format!("{} is there already", what.display()));
        fault.hint("choose another name for the machine, or move it away")
    };
    let own = ["seed", "key", "key.pub"].map(|end| request.folder.join(format!("{}.{end}", request.name)));
    if let Some(path) = own.iter().find(|path| files::exists(path)) {
        return Err(is_there(path));
    }
    let Some(dataset) = &request.zvol else {
        let file = format!("{}.img", request.name);
        let path = request.folder.join(&file);
        return if files::exists(&path) { Err(is_there(&path)) } else { Ok(file) };
    };
    let dataset = dataset.trim_start_matches(ZVOLS).trim_matches('/');
    let volume: VolumeName = format!("{dataset}/{}", request.name).parse()?;
    if !host.has_program("zfs") {
        let fault = Fault::host(format!("`zfs` is not installed, and {volume} would be a volume of ZFS"));
        return Err(fault.hint("without --zvol the disk is a file beside the recipe"));
    }
    if volumes::volume(host, &volume)?.is_some() {
        return Err(is_there(Path::new(volume.as_str())));
    }
    volumes::parent(host, &volume)?;
    Ok(host.settings().volume(&volume).display().to_string())
}

/// Returns what the machines have for themselves that are known, and those of the recipes in the folder.
fn others(installation: &Installation, recipe: &Path) -> Result<Vec<Exclusive>, Fault> {
    let mut all = known::every(installation)?;
    let whole = |path: &Path| files::whole(Path::new(""), path);
    let folder = recipe.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for path in Installation::within(vec![folder.into()]) {
        if !all.iter().any(|wanted| whole(&wanted.path) == whole(&path)) {
            all.push(Wanted::of(path));
        }
    }
    // Of one that is wrong it is not known; who listens at the moment is seen.
    let machines = all.iter().flat_map(|wanted| installation.booted(wanted).unwrap_or_default());
    Ok(machines.flat_map(|machine| machine.exclusives().to_vec()).map(|(one, _)| one).collect())
}

/// Returns how the machine is connected: by what nobody else has.
fn network(host: &System, request: &NewRequest, others: &[Exclusive]) -> Result<Network, Fault> {
    let is_free = |wanted: &Exclusive| !others.iter().any(|other| other.excludes(wanted));
    if let Some(bridge) = &request.bridge {
        let interfaces = host.interfaces()?;
        let is_new = |tap: &String| !interfaces.iter().any(|one| one.name == *tap);
        let tap = TAPS.map(|number| format!("tap{number}")).filter(is_new);
        let tap = tap.map(|tap| Exclusive::new(Role::Tap, tap)).find(is_free);
        let tap = tap.ok_or_else(|| Fault::host("every tap has its machine").hint("remove one of them"))?;
        return Ok(Network::Bridge(bridge.clone(), tap.text.parse()?));
    }
    let address = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let is_seen = |port: &u16| !host.is_taken(&Seat::Address(address(*port)));
    let is_nobodys = |port: &u16| is_free(&Exclusive::new(Role::Forward, address(*port).to_string()));
    let port = PORTS.filter(is_nobodys).find(is_seen);
    let port = port.ok_or_else(|| {
        let fault = Fault::host(format!("every port of 127.0.0.1 from {} to {} is taken", PORTS.start, PORTS.end - 1));
        fault.hint("connect the machine with a bridge: --net bridge0")
    })?;
    let settings = host.settings();
    Ok(Network::Slirp(port, settings.platform == Platform::Linux || settings.target.has(Feature::SlirpOpen)))
}

/// Refuses a recipe that would be another machine than the one that was asked for, which is a mistake of ours.
fn against_other(foreseen: &Foreseen, name: &VmName, pin: &Digest, init: bool) -> Result<(), Fault> {
    let fetches = |step: &Rehearsed| match step {
        Rehearsed::Effect(Effect::Fetch(fetch)) => fetch.digest == *pin,
        Rehearsed::Effect(_) | Rehearsed::Boot(_) => false,
    };
    let names: Vec<&VmName> = foreseen.machines().map(crate::model::Machine::name).collect();
    if names == [name] && (!init || foreseen.steps.iter().any(fetches)) {
        return Ok(());
    }
    Err(Fault::new("the recipe would be of another machine: this is a mistake in vmrun")
        .hint("`guest::cloud` in a recipe of your own makes one"))
}

/// Returns what a network inside the process does not do on this host.
fn reach(host: &System, network: &Network) -> Vec<Diagnostic> {
    let Network::Slirp(_, false) = network else { return Vec::new() };
    let release = host.settings().target.release;
    let fault = Fault::new(format!(
        "{release} has no network in the process that reaches out: ssh reaches the guest, and the guest nobody"
    ));
    let hint = format!("--net BRIDGE connects it; {} has one that does", Feature::SlirpOpen.since());
    vec![Diagnostic::warning(fault.hint(hint))]
}

/// Returns why the recipe could not be started now, as warnings: it is written all the same, maybe for another host.
fn unready(mut host: System, recipe: &Recipe) -> Vec<Diagnostic> {
    let origin = Origin::of(&recipe.source().name);
    host.work_in(origin.folder());
    let mut found = Vec::new();
    let inputs = Inputs { init: true, origin, ..Inputs::default() };
    let refused = recipe.rehearse(Box::new(host), &inputs, &mut |warning| found.push(warning.clone())).err();
    let refused = refused.into_iter().flat_map(|refused| refused.faults);
    found.extend(refused.map(|fault| Diagnostic { severity: crate::diag::Severity::Warning, ..fault }));
    found
}
