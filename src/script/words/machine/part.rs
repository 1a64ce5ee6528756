//! Which call made a part of a machine, and where the part stands in it.

use crate::diag::Fault;
use crate::model::device::Item;
use crate::model::{ParameterForm, Part, PciSlot};
use crate::script::handle::{VmState, nowhere};
use crate::script::raise::Raised;
use crate::script::words::devices;

/// Finds the call that made a part of a machine, and the part in it.
pub(in crate::script) fn part_of(state: &VmState, part: &Part, fault: Fault) -> Raised {
    let raised = Raised::from(fault);
    match part {
        Part::Whole => raised.at(&state.site),
        Part::Key("bootrom") if state.bootrom.is_some() => raised.at(&state.bootrom.clone().unwrap_or_else(nowhere)),
        Part::Key("loader") if state.loader.is_some() => raised.at(&state.loader.clone().unwrap_or_else(nowhere)),
        Part::Under("loader", key) if state.loader.is_some() => {
            raised.arg(0).under(key).at(&state.loader.clone().unwrap_or_else(nowhere))
        }
        Part::Key(key) => raised.arg(0).under(key).at(&state.site),
        Part::Under(key, name) => raised.arg(0).under(name).under(key).at(&state.site),
        Part::Slot(slot) => match state.devices.get(slot) {
            Some(made) => raised.at(&made.site),
            None => raised.at(&state.site),
        },
        Part::Option(slot, key) => option_of(state, *slot, None, key, raised),
        Part::Item(slot, number, key) => option_of(state, *slot, Some(*number), key, raised),
    }
}

fn option_of(state: &VmState, slot: PciSlot, number: Option<u16>, key: &str, raised: Raised) -> Raised {
    match (state.devices.get(&slot), state.draft.slots.get(&slot)) {
        (Some(made), Some(device)) => {
            // A port that recipes know by its name.
            let is_label = |item: &&Item| item.number == number && item.parameter.form == ParameterForm::Label;
            let label = device.items().iter().filter(|_| number.is_some()).find(is_label);
            if let Some(label) = label {
                return raised.under(&label.value.to_string()).arg(device.kind().given.len()).at(&made.site);
            }
            devices::about(raised, device.kind(), number, key, made.options_at).at(&made.site)
        }
        _ => raised.at(&state.site),
    }
}
