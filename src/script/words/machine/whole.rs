//! What a machine is told once it is known where it is booted: paths from the root on, and what is in the folder of its state.

use super::super::Call;
use super::part_of;
use crate::diag::Fault;
use crate::host::swtpm;
use crate::model::{Device, Draft, Part, Setting, Value};
use crate::script::handle::Vm;
use crate::script::raise::Raised;

/// A TPM that is played for the machine keeps its state where that is said, or beside the firmware's variables; its socket is in the
/// machine's folder.
fn place_tpm(call: &Call<'_>, draft: &mut Draft) -> Result<(), Raised> {
    let is_played = draft.settings.get("tpm.type") == Some(&Value::Choice("swtpm"));
    let (Some(name), Some(setting)) = (&draft.name, Setting::named("tpm.path")) else { return Ok(()) };
    if !is_played || draft.settings.contains_key("tpm.path") {
        return Ok(());
    }
    let vars = draft.bootrom.as_ref().and_then(|rom| rom.vars.as_ref());
    let beside = vars.map(|vars| vars.as_path().with_extension("tpm").display().to_string().parse());
    let Some(state) = draft.tpm_state.clone().map(Ok).or(beside).transpose()? else { return Ok(()) };
    let socket = swtpm::socket(call.evaluation().run().host.settings(), name);
    let socket = Value::Path(socket.display().to_string().parse()?);
    draft.tpm_state = Some(state);
    draft.set(setting, socket);
    Ok(())
}

/// Has every path of the host begin at the root, and the agent's port be where the machine's folder is.
pub(super) fn make_whole(call: &Call<'_>, vm: &Vm, draft: &mut Draft) -> Result<(), Raised> {
    if let (Some(slot), Some(name)) = (draft.agent, &draft.name) {
        let folder = call.evaluation().run().host.settings().machine_folder(name);
        let about = |fault: Fault| part_of(&vm.0.borrow(), &Part::Key("agent"), fault);
        let port = Device::of_agent(&folder).and_then(|port| draft.put(slot, port));
        port.map_err(about)?;
    }
    place_tpm(call, draft)?;
    for (part, path) in draft.paths_mut() {
        let about = |raised: Raised| part_of(&vm.0.borrow(), &part, raised.fault);
        let whole = call.whole(path.as_str(), &about)?;
        if whole != path.as_str() {
            *path = whole.parse().map_err(|fault| about(Raised::from(fault)))?;
        }
    }
    Ok(())
}
