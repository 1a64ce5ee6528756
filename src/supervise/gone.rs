//! What was taken away meanwhile, by an administrator or by another program, counts as given back: there is nothing left to do, and
//! nothing of it is left.

use crate::bhyve;
use crate::host::{Effect, Host, Inner, Interface, interfaces};
use crate::model::{InterfaceName, JailName, VmName};
use crate::supervise::{jail, made, sessions};

/// Whether it takes an interface away, or out of a bridge: whose that is by now is looked at before.
pub(super) const fn is_about_interfaces(back: &Effect) -> bool {
    matches!(back, Effect::DestroyTap(_) | Effect::DestroyLink(_) | Effect::Leave { is_span: false, .. })
}

/// Returns why an effect is not to be done that would take away what somebody else has made meanwhile, as a sentence: an interface
/// without the mark of these machines, or a membership of another bridge, which ip(8) would end too. Nothing where it is what was made.
pub(super) fn anothers(back: &Effect, there: &[Interface], machines: &[&VmName]) -> Option<String> {
    match back {
        Effect::DestroyTap(name) | Effect::DestroyLink(name) => {
            let one = there.iter().find(|one| one.name == name.as_str())?;
            // What comes back from a jail has lost its group, and is described as before.
            let machine = one.description_machine.as_ref().or(one.mark.as_ref());
            let is_anothers = machine.map_or(!one.is_ours, |machine| !machines.contains(&machine));
            is_anothers.then(|| format!("{name} is somebody else's by now, and stays"))
        }
        Effect::Leave { bridge, member, is_span: false } => {
            let is_member = |name: &String| name == member.as_str();
            let is_in = there.iter().any(|one| one.name == bridge.as_str() && one.members.iter().any(is_member));
            (!is_in).then(|| format!("{member} is no member of {bridge} any more"))
        }
        // Nobody else can have made what the others take away.
        _ => None,
    }
}

/// Returns what is gone already that an effect was to take away and was refused, as a sentence; nothing if it is there, or if that
/// cannot be told.
pub(super) fn gone(host: &dyn Host, back: &Effect) -> Option<String> {
    let all = || host.interfaces_anew().ok();
    match back {
        Effect::DestroyTap(name) | Effect::DestroyLink(name) => {
            let is_gone = all()?.iter().all(|one| one.name != name.as_str());
            is_gone.then(|| format!("{name} is gone already"))
        }
        Effect::Leave { bridge, member, .. } => {
            let is_member = |name: &String| name == member.as_str();
            let is_gone = !all()?.iter().any(|one| one.name == bridge.as_str() && one.members.iter().any(is_member));
            is_gone.then(|| format!("{member} is no member of {bridge} any more"))
        }
        Effect::DeleteRoute(router) => {
            let query = |argv: &_| host.query(argv);
            let there = interfaces::default_router(host.settings().platform, &query, router).ok()?;
            (there.as_ref() != Some(router)).then(|| format!("no default route goes by {router} any more"))
        }
        Effect::Reclaim { jail, tap } => {
            is_not_in(host, jail, tap).then(|| format!("{tap} is gone from the jail {jail}"))
        }
        Effect::DestroyInner(inner) => {
            let Inner { jail, bridge, .. } = &**inner;
            is_not_in(host, jail, bridge).then(|| format!("{bridge} is gone from the jail {jail}"))
        }
        Effect::RemoveJail(jail) => {
            let fault = host.query(&bhyve::look_at_jail(jail)).err()?;
            bhyve::is_no_jail(&fault.message).then(|| format!("the jail {jail} is gone already"))
        }
        Effect::RemoveCgroup(folder) => {
            host.file(folder).is_none().then(|| format!("the control group {} is gone already", folder.display()))
        }
        Effect::IscsiLogout(session) => sessions::gone(host, session),
        Effect::Disk(change) => made::gone(host, change),
        // Of the others it cannot be told.
        _ => None,
    }
}

/// Whether an interface is certainly not in the network of a jail.
fn is_not_in(host: &dyn Host, jail: &JailName, name: &InterfaceName) -> bool {
    match jail::interfaces_in(host, jail) {
        Ok(all) => all.iter().all(|one| one.name != name.as_str()),
        Err(fault) => bhyve::is_no_jail(&fault.message),
    }
}
