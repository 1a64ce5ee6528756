//! Descriptors that are kept for giving back: whatever a run opens, its end has what it needs.

use super::files::reason;
use crate::diag::Fault;
use std::fs::File;

/// How many: a command that is started has three pipes, of which std makes one for itself, its standard input and a descriptor of its
/// process, and two commands are under way at a time.
const SPARE: usize = 16;

/// The descriptors.
pub(super) struct Spare(Vec<File>);

impl Spare {
    /// Makes one that keeps nothing yet.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Opens them, or none.
    pub(super) fn fill(&mut self) -> Result<(), Fault> {
        while self.0.len() < SPARE {
            // A duplicate is made in a fraction of the time that it takes to open a file by its path.
            let file = self.0.first().map_or_else(|| File::open("/dev/null"), File::try_clone);
            let file = file.map_err(|error| {
                self.0.clear();
                let fault = Fault::host(format!("vmrun may open too few files: {}", reason(&error)));
                fault.hint(format!("it keeps {SPARE} of them for giving back what it takes: ulimit -n 64"))
            })?;
            self.0.push(file);
        }
        Ok(())
    }

    /// Lets them go.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
