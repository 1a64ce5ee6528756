//! What stands in the first lines of a recipe: what could not be derived, what the script does after its boots, and what it has them run by.

use super::Flow;
use crate::import::layout::{comment, quoted};
use crate::recording::ends::{Bounds, USUAL_MAX};
use crate::recording::guests::Before;
use crate::recording::jailed::is_jail;
use crate::recording::{Again, Step};
use std::time::Duration;

/// Returns the first lines of a recipe, after the one that says of what it was made.
pub(super) fn head(flow: &Flow, steps: &[Step], init: &str) -> String {
    let mut text = String::new();
    text += &flow.gaps.iter().map(|gap| comment(0, &format!("NOT DERIVED: {gap}."))).collect::<String>();
    text += &remark(flow, init).map(|remark| comment(0, remark)).unwrap_or_default();
    text += &flow.remarks.iter().map(|remark| comment(0, remark)).collect::<String>();
    text += &carriers(steps);
    text += &order(flow.after.as_ref());
    text += &policy(flow.on.as_deref(), &flow.bounds);
    text += &pause(&flow.bounds);
    text
}

/// Waits where the script does so after a reboot, after which vmrun starts a machine at once.
fn pause(bounds: &Bounds) -> String {
    let Some(wait) = bounds.after_reboot else { return String::new() };
    let seconds = quoted(&Duration::from_millis(wait).as_secs_f64().to_string());
    format!("\non(\"rebooted\", |_end| run(\"sleep\", [{seconds}], #{{ each_boot: true }}));\n")
}

fn remark(flow: &Flow, init: &str) -> Option<&'static str> {
    match flow.again {
        // A script that starts the machine again after something else says so by its policy.
        Again::Never if flow.on.as_ref().is_none_or(Vec::is_empty) => Some(
            "The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.",
        ),
        Again::Same if !init.is_empty() => Some(OTHERWISE),
        Again::Otherwise => Some(OTHERWISE),
        Again::NoReboot | Again::AsWithout | Again::Never | Again::Same => None,
    }
}

const OTHERWISE: &str =
    "After a reboot the script starts the machine in a way of its own; vmrun does so with `init` false.";

/// Says which machine is started first, where one script starts several.
fn order(before: Option<&Before>) -> String {
    let Some(Before { name, has_ended }) = before else { return String::new() };
    let ended = format!("The script boots it when {name} has ended; `vmrun start` does not wait for that.");
    let remark = if *has_ended { comment(0, &ended) } else { String::new() };
    format!("{remark}\nafter({});\n", quoted(name))
}

/// How long vmrun counts the starts of a machine whose script counts all of them: a year.
const EVER: &str = "365d";

/// Says after what a machine is started again, where that is something else than a reboot alone, which vmrun goes on after by itself.
fn policy(on: Option<&[&'static str]>, bounds: &Bounds) -> String {
    let on = on.unwrap_or_default();
    if on.is_empty() || on == ["reboot"] {
        return String::new();
    }
    let named = |word: &&str| if *word == "poweroff" { "a power off".to_string() } else { format!("a {word}") };
    let all: Vec<String> = on.iter().map(named).collect();
    let ends = match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    };
    let words: Vec<String> = on.iter().map(|word| quoted(word)).collect();
    let mut keys = vec![format!("on: [{}]", words.join(", "))];
    if let Some(delay) = bounds.delay {
        keys.push(format!("delay: {}", quoted(&span(delay))));
        keys.push(
            format!("backoff: {}.{:02}", bounds.backoff / 100, bounds.backoff % 100).trim_end_matches('0').into(),
        );
        if keys.last().is_some_and(|last| last.ends_with('.')) {
            keys.last_mut().into_iter().for_each(|last| last.push('0'));
        }
        keys.extend(
            bounds
                .max_delay
                .filter(|most| *most != USUAL_MAX && (*most > USUAL_MAX || bounds.backoff > 100))
                .map(|most| format!("max_delay: {}", quoted(&span(most)))),
        );
    }
    let mut often = ", for ever; vmrun ends that after 5 times within 10m, where `limit` says nothing.".to_string();
    if let Some(limit) = bounds.limit {
        keys.push(format!("limit: {limit}"));
        keys.push(format!("within: {}", quoted(EVER)));
        often = if limit == 1 { ", once".into() } else { format!(", at most {limit} times in all") };
        often += if on.contains(&"reboot") { ", reboots not counted." } else { "." };
    }
    let remark = comment(0, &format!("After {ends} the script starts the machine again{often}"));
    format!("{remark}\nrestart(#{{ {} }});\n", keys.join(", "))
}

/// Writes a time, of milliseconds.
fn span(time: u64) -> String {
    match time {
        _ if time.is_multiple_of(60_000) => format!("{}m", time / 60_000),
        _ if time.is_multiple_of(1000) => format!("{}s", time / 1000),
        _ => format!("{time}ms"),
    }
}

/// Returns the remark on what the script has a machine run by, which vmrun does itself.
fn carriers(steps: &[Step]) -> String {
    let boots = steps.iter().filter(|step| step.call.boots().is_some());
    let mut all: Vec<&str> = boots
        .flat_map(|step| step.call.carriers.split(' '))
        .filter(|one| !one.is_empty() && !one.starts_with("-r=") && !is_jail(one))
        .collect();
    all.dedup();
    let detaches =
        all.iter().any(|one| ["abduco", "daemon", "dtach", "tmux", "screen", "nohup", "setsid", "&"].contains(one));
    let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
    match (all.is_empty(), detaches) {
        (true, _) => String::new(),
        (_, true) => comment(
            0,
            &format!("The script runs it by {}: `vmrun start` keeps it in the background instead.", all.join(" and ")),
        ),
        (_, false) => comment(0, &format!("The script runs it by {}, which is left out.", all.join(" and "))),
    }
}
