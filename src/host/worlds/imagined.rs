//! A guest that ends as it was told to.

use crate::host::{Guest, Woken};
use crate::model::Ended;
use std::time::Instant;

/// A guest of which there is nothing but its end.
pub(crate) struct Imagined(pub Ended);

impl Guest for Imagined {
    fn wait(&mut self, _: Option<Instant>) -> Woken {
        Woken::Ended(self.0.clone())
    }

    fn press_power_button(&mut self) {}

    fn force(&mut self) {}

    fn kill(&mut self) {}

    fn process(&self) -> Option<u32> {
        None
    }

    fn last_words(&self) -> Vec<String> {
        Vec::new()
    }
}
