//! What a script does after its last boot alone: after a boot's end the recipe asks whether the machine is started again.

use super::{Flow, Writer};
use crate::recording::Step;
use crate::recording::ends::STATUSES;

/// Returns the condition under which an end is the last one, as an expression. Nothing where the script does nothing more then than after each,
/// or counts its starts.
pub(super) fn last(flow: &Flow, steps: &[Step]) -> Option<String> {
    let on = flow.on.as_ref().filter(|on| on.contains(&"reboot") && flow.bounds.limit.is_none())?;
    let boot = steps.iter().rposition(|step| step.call.boots().is_some())?;
    let backs: Vec<usize> = steps.iter().filter_map(|step| step.given_back_by).collect();
    let mut after = steps.iter().enumerate().skip(boot + 1);
    after.find(|(at, step)| !backs.contains(at) && is_once(flow, step))?;
    if on.len() == 1 {
        return Some("!ended.rebooted".into());
    }
    let words = |status: &i32| match status {
        0 => "reboot",
        1 => "poweroff",
        2 => "halt",
        _ => "crash",
    };
    let again: Vec<String> =
        STATUSES.iter().filter(|status| on.contains(&words(status))).map(ToString::to_string).collect();
    Some(format!("!(ended.status in [{}])", again.join(", ")))
}

/// Whether a step after the last boot is none that the script does after each, and none that a recipe has by itself.
fn is_once(flow: &Flow, step: &Step) -> bool {
    let call = &step.call;
    let is_own = ["bhyvectl", "cu", "ifconfig", "kldstat"].contains(&call.program());
    !call.reads && !is_own && !flow.between.contains(&call.command().to_string())
}

impl Writer<'_> {
    /// Has a machine's text keep how it ended, where a later step asks; one that has no such text is not asked.
    pub(super) fn keep_end(&mut self, text: String, is_plain: bool) -> String {
        if self.last.is_none() {
            return text;
        }
        let at = if text.starts_with("bhyve(") { Some(0) } else { text.find("\nbhyve(").map(|at| at + 1) };
        let Some((before, machine)) = at.filter(|_| is_plain).map(|at| text.split_at(at)) else {
            self.last = None;
            return text;
        };
        format!("{before}let ended = {machine}")
    }

    /// Whether a step is done after the last end alone.
    pub(super) fn is_after_last(&self, at: usize, step: &Step) -> bool {
        let is_each = self.between.contains(&step.call.command().to_string());
        self.last.is_some() && self.is_over(at) && !is_each
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::ends::Bounds;
    use crate::recording::{Call, Recording, merge};

    #[test]
    fn the_last_end_is_asked_for_where_something_is_done_after_it_alone() {
        let of = |on: &[&'static str], after: &str, between: &str, limit: Option<usize>| {
            let call = |line: &str| Call { argv: line.split(' ').map(String::from).collect(), ..Call::default() };
            let recording = Recording { calls: vec![call("bhyve a"), call(after)], ..Recording::default() };
            let flow = Flow {
                on: Some(on.to_vec()),
                between: vec![between.into()],
                bounds: Bounds { limit, ..Bounds::default() },
                ..Flow::default()
            };
            last(&flow, &merge(&recording, None))
        };
        assert_eq!(of(&["reboot"], "service y stop", "", None).unwrap(), "!ended.rebooted");
        assert_eq!(of(&["reboot", "crash"], "service y stop", "", None).unwrap(), "!(ended.status in [0, 3, 4])");
        assert_eq!(of(&["reboot"], "service y stop", "service y stop", None), None);
        assert_eq!(of(&["reboot"], "bhyvectl --destroy --vm=a", "", None), None);
        assert_eq!((of(&["crash"], "service y stop", "", None), of(&["reboot"], "x", "", Some(3))), (None, None));
    }
}
