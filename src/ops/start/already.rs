//! A machine that runs already by the recipe that is to be started: to start it twice is right, unless it is to be another one.

use crate::diag::Fault;
use crate::host::{Host as _, files};
use crate::model::permit::PermitOptions;
use crate::model::{Argv, VmName};
use crate::ops::installation::{Installation, Wanted};
use crate::ops::instances;
use crate::ops::recipe::RecipeRequest;
use crate::ops::settings;
use crate::supervise::journal::Owner;
use crate::supervise::recovery::{self, Aim};
use crate::supervise::status::{MachineState, MachineStatus};
use std::collections::BTreeMap;
use std::path::Path;

/// The machines that run by one recipe.
pub(super) struct Already {
    /// Each with its status, if it runs in the background.
    all: Vec<(VmName, Option<MachineStatus>)>,
}

impl Already {
    /// Finds the machines that run by the recipe of a request.
    pub(super) fn of(request: &RecipeRequest) -> Result<Self, Fault> {
        let host = settings::host(false)?;
        let names = recovery::of_recipe(&host, &request.path);
        // Of one in another jail or in other namespaces nothing is said here but that it is there.
        let is_here = |owner: &Owner| !owner.is_elsewhere(|| host.processes().space());
        let is_here = |name: &VmName| recovery::holder(&host, name).flatten().as_ref().is_some_and(is_here);
        let status = |name: &VmName| MachineStatus::of(&host, name).filter(|_| is_here(name));
        Ok(Self {
            all: names.into_iter().map(|name| (status(&name), name)).map(|(status, name)| (name, status)).collect(),
        })
    }

    /// Returns the one that runs as it would be started: with the same parameters, and initialized if it is to be.
    pub(super) fn same(&self, request: &RecipeRequest) -> Option<&VmName> {
        let is_same = |status: &MachineStatus| {
            let is_up = !matches!(status.state, MachineState::Stopping | MachineState::Failed);
            let is_initialized = status.init || !request.init;
            is_up
                && is_initialized
                && status.user_net == request.user_net
                && has_permit(status, request)
                && has(request, &status.params)
        };
        let is_same = |status: &Option<MachineStatus>| status.as_ref().is_some_and(is_same);
        self.all.iter().find(|(_, status)| is_same(status)).map(|(name, _)| name)
    }

    /// Returns why a start was refused, if it would have been of one of them: that runs as something else. Of one in the foreground
    /// that is to be told only where it is one of several.
    pub(super) fn refused(
        &self,
        installation: &Installation,
        request: &RecipeRequest,
        are_several: bool,
    ) -> Option<Fault> {
        let is_other = |status: &MachineStatus| !matches!(status.state, MachineState::Stopping | MachineState::Failed);
        let others: Vec<&MachineStatus> =
            self.all.iter().filter_map(|(_, status)| status.as_ref()).filter(|status| is_other(status)).collect();
        if !others.is_empty() {
            let params: BTreeMap<String, String> = request.set.iter().cloned().collect();
            let wanted = Wanted { params, user_net: request.user_net, ..Wanted::of(request.path.clone().into()) };
            let boots = installation.machines_of(&wanted).ok()?;
            let is_it = |status: &MachineStatus| boots.all.iter().any(|one| one.name == status.name.as_str());
            if let Some(status) = others.iter().find(|status| is_it(status)) {
                return Some(other(status, request));
            }
        }
        let is_it = |status: &MachineStatus| instances::is_of(status, request.instance());
        let its = self.all.iter().find(|(_, status)| status.as_ref().is_none_or(is_it));
        let (name, _) = its.filter(|_| are_several)?;
        let host = settings::host(false).ok()?;
        let owner = recovery::holder(&host, name)?;
        Some(recovery::running(&host, name, owner.as_ref(), Aim::Boot(Some(&request.path))))
    }
}

/// Whether a machine runs with the permit that a request gives, if it gives one.
fn has_permit(status: &MachineStatus, request: &RecipeRequest) -> bool {
    request.permit == status.permit || request.permit == PermitOptions::default()
}

/// Returns whether a request gives these parameters: a path is told there from the root on.
fn has(request: &RecipeRequest, params: &BTreeMap<String, String>) -> bool {
    let is_it = |(name, value): &(String, String)| {
        params
            .get(name)
            .is_some_and(|had| had == value || Path::new(had) == files::whole(Path::new(""), Path::new(value)))
    };
    request.set.len() == params.len() && request.set.iter().all(is_it)
}

/// The fault of a machine that runs by this recipe, and was started in another way.
fn other(status: &MachineStatus, request: &RecipeRequest) -> Fault {
    let given: BTreeMap<String, String> = request.set.iter().cloned().collect();
    let (has, asked) =
        (options(status.init, status.user_net, &status.params), options(request.init, request.user_net, &given));
    let name = &status.name;
    let fault = Fault::busy(format!("the machine {name} runs already, and was started {has}, not {asked}"));
    fault.hint(format!("`vmrun stop {name}`, then start it so; `vmrun restart {name}` starts it again as it was"))
}

/// Returns how something is started, as words of a command line.
fn options(init: bool, user_net: bool, params: &BTreeMap<String, String>) -> String {
    let flags = [(init, "--init"), (user_net, "--user-net")];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_string());
    let mut words = flags.chain(params.iter().map(|(name, value)| format!("--set={name}={value}")));
    match words.next() {
        Some(first) => format!("with {}", Argv::new(first).args(words)),
        None => "without options".into(),
    }
}
