//! What of a TPM bhyve does not have: where swtpm keeps what it has to keep.

use super::super::super::text;
use crate::model::Draft;
use crate::script::raise::Raised;
use rhai::Dynamic;

/// The key below `tpm`.
pub(in crate::script::words::machine) const STATE: &str = "state";

/// Sets the folder in which swtpm keeps the state of a TPM.
pub(super) fn set_state(draft: &mut Draft, value: &Dynamic) -> Result<(), Raised> {
    if !value.is_unit() {
        draft.tpm_state = Some(text(value)?.parse()?);
    }
    Ok(())
}
