//! Two recordings set beside each other: with and without what initializes the machine.

use super::call::{Call, Recording};
use super::part::{Part, When, groups};
use super::taken::given_back;

/// One call of a script, and when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The call; of one that is in both recordings, the one that initializes.
    pub call: Call,
    /// When it is made.
    pub when: When,
    /// Its arguments, and when each of them is there.
    pub parts: Vec<Part>,
    /// The later step that gives back all that this one takes, by its place among the steps.
    pub given_back_by: Option<usize>,
}

/// What a script does when the guest reboots: bhyve's status 0 (bhyve(8), EXIT STATUS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// The recording holds no reboot.
    #[default]
    NoReboot,
    /// It does not start the machine again.
    Never,
    /// It starts the machine again in the same way.
    Same,
    /// It starts the machine as without what initializes it.
    AsWithout,
    /// It starts the machine in a way of its own.
    Otherwise,
}

/// Sets two recordings beside each other, as steps in one order.
///
/// The calls are cut at a reboot: what starts the machine again is left out, what follows the last boot is kept. Two boots of
/// one machine are one step, whose arguments tell what differs.
pub fn merge(with: &Recording, without: Option<&Recording>) -> Vec<Step> {
    let left = Cycle::of(with).kept();
    let mut steps = match without {
        None => left.into_iter().map(|call| alone(call, When::Always)).collect(),
        Some(without) => beside(&left, &Cycle::of(without).kept()),
    };
    let calls: Vec<&Call> = steps.iter().map(|step: &Step| &step.call).collect();
    let back = given_back(&calls);
    for (step, back) in steps.iter_mut().zip(back) {
        step.given_back_by = back;
    }
    steps
}

/// Returns what a script does when the guest reboots, or ends in another way after which it starts the machine again.
pub fn again(with: &Recording, without: Option<&Recording>) -> Again {
    let cycle = Cycle::of(with);
    let repeat = cycle.repeated();
    let is_same = |first: &[Call]| {
        let first: Vec<&Call> = first.iter().filter(|call| !call.reads).collect();
        let start = first.len().checked_sub(repeat.len());
        let tail = start.and_then(|start| first.get(start..)).unwrap_or_default();
        !tail.is_empty() && tail.iter().map(|call| &call.argv).eq(repeat.iter().map(|call| &call.argv))
    };
    // The boot that a script ends with may be followed by what gives back.
    let to_boot =
        |without: &'_ Recording| without.calls.iter().position(|call| call.boots().is_some()).map(|at| at + 1);
    let plain = without.and_then(|without| without.calls.get(..to_boot(without)?));
    match plain {
        _ if cycle.repeat.is_empty() && !with.calls.iter().any(is_reboot) => Again::NoReboot,
        _ if cycle.repeat.is_empty() => Again::Never,
        Some(plain) if is_same(plain) => Again::AsWithout,
        _ if is_same(cycle.first) => Again::Same,
        _ => Again::Otherwise,
    }
}

/// Returns the commands that a script calls before a boot, and again before the next one of the machine.
pub(crate) fn each_boot(recording: &Recording) -> Vec<String> {
    let cycle = Cycle::of(recording);
    let is_before = |call: &&Call| !call.reads && cycle.first.iter().any(|first| first.argv == call.argv);
    cycle.repeat.iter().filter(is_before).map(|call| call.command().to_string()).collect()
}

/// Returns the commands that a script calls between the first boot and the next one of the machine.
pub(crate) fn between(recording: &Recording) -> Vec<String> {
    Cycle::of(recording).repeat.iter().filter(|call| !call.reads).map(|call| call.command().to_string()).collect()
}

/// Returns whether a script starts a machine again that crashed.
pub(crate) fn after_crash(with: &Recording) -> bool {
    let cycle = Cycle::of(with);
    !cycle.repeat.is_empty() && cycle.first.last().is_some_and(|call| call.status != 0)
}

fn is_reboot(call: &Call) -> bool {
    call.boots().is_some() && call.status == 0
}

/// The calls of a script around the first reboot, or crash, of a machine that it starts again.
struct Cycle<'a> {
    /// Up to and with the boot that ended so; all calls if there was no such.
    first: &'a [Call],
    /// Up to and with the next boot of the machine.
    repeat: &'a [Call],
    /// What follows the last boot.
    after: &'a [Call],
}

impl<'a> Cycle<'a> {
    fn of(recording: &'a Recording) -> Self {
        let calls = recording.calls.as_slice();
        let cut = || {
            let is_started_again = |(at, call): (usize, &Call)| {
                let is_same = |other: &Call| other.boots() == call.boots();
                recording.goes_on_after(call) && calls.iter().skip(at + 1).any(is_same)
            };
            let at = calls.iter().enumerate().position(is_started_again)?;
            let name = calls.get(at)?.boots();
            let (first, rest) = calls.split_at_checked(at + 1)?;
            let is_again = |call: &Call| call.boots() == name;
            let (next, last) = (rest.iter().position(is_again)?, rest.iter().rposition(is_again)?);
            Some(Self { first, repeat: rest.get(..=next)?, after: rest.get(last + 1..)? })
        };
        cut().unwrap_or(Self { first: calls, repeat: &[], after: &[] })
    }

    /// What is called again up to the next boot, without what only asks and without what gives back: vmrun does that by itself.
    fn repeated(&self) -> Vec<&'a Call> {
        let calls: Vec<&Call> = self.first.iter().chain(self.repeat).collect();
        let backs = given_back(&calls);
        let is_back = |at: usize| backs.contains(&Some(at));
        let repeat = self.repeat.iter().enumerate().map(|(at, call)| (at + self.first.len(), call));
        repeat.filter(|(at, call)| !call.reads && !is_back(*at)).map(|(_, call)| call).collect()
    }

    fn kept(&self) -> Vec<&'a Call> {
        self.first.iter().chain(self.after).collect()
    }
}

fn alone(call: &Call, when: When) -> Step {
    let parts = groups(call.program(), call.args()).into_iter().map(|words| Part { words, when }).collect();
    Step { call: call.clone(), when, parts, given_back_by: None }
}

/// How alike two calls are: the same, boots of one machine, or nothing of that.
pub(crate) fn likeness(a: &Call, b: &Call) -> usize {
    match () {
        () if a.argv == b.argv => 2,
        () if a.boots().is_some() && a.boots() == b.boots() => 1,
        () => 0,
    }
}

fn beside(left: &[&Call], right: &[&Call]) -> Vec<Step> {
    let steps = align(left, right, |a, b| likeness(a, b)).into_iter().map(|pair| match pair {
        Pair::Left(call) => alone(call, When::OnlyInit),
        Pair::Right(call) => alone(call, When::OnlyWithout),
        Pair::Both(left, right) => {
            let (ours, theirs) = (groups(left.program(), left.args()), groups(right.program(), right.args()));
            let parts = align(&ours, &theirs, |a, b| usize::from(a == b)).into_iter().map(|pair| match pair {
                Pair::Both(words, _) => Part { words: words.clone(), when: When::Always },
                Pair::Left(words) => Part { words: words.clone(), when: When::OnlyInit },
                Pair::Right(words) => Part { words: words.clone(), when: When::OnlyWithout },
            });
            Step { parts: parts.collect(), ..alone(left, When::Always) }
        }
    });
    steps.collect()
}

/// The largest table that is made.
const CELLS: usize = 1 << 24;

/// What stands beside each other.
pub(crate) enum Pair<'a, T> {
    Both(&'a T, &'a T),
    Left(&'a T),
    Right(&'a T),
}

/// Aligns two rows so that their likeness is the greatest: the longest common subsequence, weighted. Where they differ, the
/// left comes first. The table has a cell for each pair; of rows that are too long for one only the beginnings are paired.
pub(crate) fn align<'a, T>(left: &'a [T], right: &'a [T], likeness: impl Fn(&T, &T) -> usize) -> Vec<Pair<'a, T>> {
    if left.len().saturating_mul(right.len()) > CELLS {
        let same = left.iter().zip(right).take_while(|(a, b)| likeness(a, b) > 0).count();
        let both = left.iter().zip(right).take(same).map(|(a, b)| Pair::Both(a, b));
        let rest = left.iter().skip(same).map(Pair::Left).chain(right.iter().skip(same).map(Pair::Right));
        return both.chain(rest).collect();
    }
    let width = right.len() + 1;
    let mut best = vec![0_usize; (left.len() + 1) * width];
    let cell = |best: &[usize], i: usize, j: usize| best.get(i * width + j).copied().unwrap_or_default();
    for (i, a) in left.iter().enumerate().rev() {
        for (j, b) in right.iter().enumerate().rev() {
            let like = likeness(a, b);
            let both = if like > 0 { like + cell(&best, i + 1, j + 1) } else { 0 };
            let value = both.max(cell(&best, i + 1, j)).max(cell(&best, i, j + 1));
            if let Some(place) = best.get_mut(i * width + j) {
                *place = value;
            }
        }
    }
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    loop {
        match (left.get(i), right.get(j)) {
            (Some(a), Some(b)) => {
                let like = likeness(a, b);
                if like > 0 && cell(&best, i, j) == like + cell(&best, i + 1, j + 1) {
                    pairs.push(Pair::Both(a, b));
                    (i, j) = (i + 1, j + 1);
                } else if cell(&best, i, j) == cell(&best, i + 1, j) {
                    pairs.push(Pair::Left(a));
                    i += 1;
                } else {
                    pairs.push(Pair::Right(b));
                    j += 1;
                }
            }
            (Some(a), None) => {
                pairs.push(Pair::Left(a));
                i += 1;
            }
            (None, Some(b)) => {
                pairs.push(Pair::Right(b));
                j += 1;
            }
            (None, None) => return pairs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recording(lines: &[&str]) -> Recording {
        let call = |line: &&str| {
            let (line, status) = line.split_once(" = ").unwrap_or((line, "0"));
            let argv = line.split(' ').map(str::to_string).collect();
            Call { argv, status: status.parse().unwrap(), ..Call::default() }
        };
        Recording { calls: lines.iter().map(call).collect(), ..Recording::default() }
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        let mark = |when: When| ["", "+", "-"][when as usize];
        let part = |part: &Part| format!("{}{}", mark(part.when), part.words.join(" "));
        let back = |step: &Step| step.given_back_by.map(|at| format!(" ^{at}")).unwrap_or_default();
        let line = |step: &Step| {
            let parts: Vec<String> = step.parts.iter().map(part).collect();
            format!("{}{} {}{}", mark(step.when), step.call.program(), parts.join(" "), back(step))
        };
        steps.iter().map(line).collect()
    }

    const INIT: &[&str] = &[
        "bhyvectl --destroy --vm=a",
        "truncate -s 20G /vm/a.img",
        "ifconfig tap1 create",
        "ifconfig bridge2 addm tap1",
        "bhyve -c 1 -s 3,ahci-cd,/iso -s 4,virtio-blk,/vm/a.img a = 0",
    ];
    const PLAIN: &[&str] = &[
        "ifconfig tap1 create",
        "ifconfig bridge2 addm tap1",
        "bhyve -c 1 -s 4,virtio-blk,/vm/a.img a = 1",
        "ifconfig tap1 destroy",
    ];

    const MERGED: [&str; 6] = [
        "+bhyvectl +--destroy +--vm=a",
        "+truncate +-s +20G +/vm/a.img",
        "ifconfig tap1 create ^5",
        "ifconfig bridge2 addm tap1 ^5",
        "bhyve -c 1 +-s 3,ahci-cd,/iso -s 4,virtio-blk,/vm/a.img a",
        "ifconfig tap1 destroy",
    ];

    #[test]
    fn what_both_do_is_always_and_a_boot_tells_its_arguments_apart() {
        let with = recording(
            &[&INIT[..4], &["bhyve -c 1 -s 3,ahci-cd,/iso -s 4,virtio-blk,/vm/a.img a = 1", PLAIN[3]]].concat(),
        );
        let without = recording(PLAIN);
        assert_eq!(shown(&merge(&with, Some(&without))), MERGED);
        assert_eq!(again(&with, Some(&without)), Again::NoReboot);
    }

    #[test]
    fn a_script_that_starts_itself_again_is_cut_where_it_does() {
        let with = recording(&[INIT, PLAIN].concat());
        let without = recording(PLAIN);
        assert_eq!(shown(&merge(&with, Some(&without))), MERGED);
        assert_eq!(again(&with, Some(&without)), Again::AsWithout);
        let both = recording(&[&PLAIN[..2], &["bhyve -c 1 -s 4,virtio-blk,/vm/a.img a = 0"], PLAIN].concat());
        assert_eq!(shown(&merge(&with, Some(&both))), MERGED);
        assert_eq!(again(&both, None), Again::Same);
    }

    #[test]
    fn a_machine_that_is_started_again_after_a_crash_is_one_and_that_is_known() {
        let with =
            recording(&["ifconfig tap1 create", "bhyve a = 4", "bhyve a = 3", "bhyve a = 1", "ifconfig tap1 destroy"]);
        assert_eq!(shown(&merge(&with, None)), ["ifconfig tap1 create ^2", "bhyve a", "ifconfig tap1 destroy"]);
        assert_eq!((again(&with, None), after_crash(&with)), (Again::Same, true));
        let twice = recording(&["bhyve a = 1", "bhyve a = 1"]);
        assert_eq!((shown(&merge(&twice, None)).len(), after_crash(&twice)), (2, false));
    }

    #[test]
    fn a_loop_around_the_boot_alone_is_cut_too() {
        let boot = "bhyve a = 0";
        let with = recording(&["ifconfig tap1 create", boot, boot, boot, "bhyve a = 1", "ifconfig tap1 destroy"]);
        assert_eq!(shown(&merge(&with, None)), ["ifconfig tap1 create ^2", "bhyve a", "ifconfig tap1 destroy"]);
        assert_eq!(again(&with, None), Again::Same);
    }

    #[test]
    fn what_is_given_back_and_taken_again_within_the_loop_is_the_same_way() {
        let body = [
            "ifconfig tap1 create",
            "ifconfig bridge2 addm tap1",
            "bhyve a = 0",
            "bhyvectl --destroy --vm=a",
            "ifconfig tap1 destroy",
        ];
        let last = [
            "ifconfig tap1 create",
            "ifconfig bridge2 addm tap1",
            "bhyve a = 1",
            "bhyvectl --destroy --vm=a",
            "ifconfig tap1 destroy",
        ];
        assert_eq!(again(&recording(&[body, last].concat()), None), Again::Same);
        let other = ["ifconfig tap1 create", "ifconfig bridge3 addm tap1", "bhyve a = 1"];
        assert_eq!(again(&recording(&[&body[..], &other[..]].concat()), None), Again::Otherwise);
    }

    #[test]
    fn a_boot_without_the_installer_after_the_installer_has_a_way_of_its_own() {
        let with = recording(&["bhyve -s 3,cd a = 0", "bhyve -s 4,hd a = 1"]);
        assert_eq!(again(&with, Some(&recording(&["bhyve b = 1"]))), Again::Otherwise);
        assert_eq!(again(&recording(&["bhyve a = 0", "ifconfig"]), None), Again::Never);
    }

    #[test]
    fn other_arguments_at_one_place_are_two_steps_unless_they_boot() {
        let with = recording(&["truncate -s 1G a", "bhyve -m 1G a = 1"]);
        let without = recording(&["truncate -s 2G a", "bhyve -m 2G a = 1", "bhyve b = 1"]);
        assert_eq!(
            shown(&merge(&with, Some(&without))),
            ["+truncate +-s +1G +a", "-truncate --s -2G -a", "bhyve +-m 1G --m 2G a", "-bhyve -b"]
        );
    }

    #[test]
    fn a_boot_with_too_many_arguments_is_compared_from_its_beginning() {
        let words = |last: &str| format!("bhyve -c 1 a{} {last}", " x".repeat(5000));
        let steps = merge(&recording(&[&words("y")]), Some(&recording(&[&words("z")])));
        let differing: Vec<&Part> = steps[0].parts.iter().filter(|part| part.when != When::Always).collect();
        assert_eq!((steps.len(), differing.len(), differing[0].words[0].as_str()), (1, 2, "y"));
    }

    fn calls() -> impl Strategy<Value = Recording> {
        let line = proptest::sample::select(vec![
            "ifconfig a create",
            "ifconfig a destroy",
            "bhyve a = 0",
            "bhyve -m 1G a = 1",
            "truncate x",
            "bhyve b = 0",
        ]);
        proptest::collection::vec(line, 0..12).prop_map(|lines| recording(&lines))
    }

    proptest! {
        #[test]
        fn each_recording_reads_back_from_the_steps(with in calls(), without in calls()) {
            let steps = merge(&with, Some(&without));
            for (recording, left_out) in [(&with, When::OnlyWithout), (&without, When::OnlyInit)] {
                let told: Vec<Vec<String>> = steps.iter().filter(|step| step.when != left_out).map(|step| {
                    let words = step.parts.iter().filter(|part| part.when != left_out).flat_map(|part| part.words.clone());
                    std::iter::once(step.call.program().to_string()).chain(words).collect()
                }).collect();
                let kept: Vec<Vec<String>> = Cycle::of(recording).kept().iter().map(|call| call.argv.clone()).collect();
                prop_assert_eq!(told, kept);
            }
            prop_assert!(steps.iter().enumerate().all(|(at, step)| step.given_back_by.is_none_or(|back| back > at)));
        }
    }
}
