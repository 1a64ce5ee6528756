//! What was made up for the answers to calls: nothing that the script did before says so, and nobody else did.

use super::{Call, Scenario, World};

/// Returns what was made up for the answers to some calls, each once.
pub(crate) fn made_up(setting: &Scenario, calls: &[Call]) -> Vec<String> {
    let mut world = World::new(setting);
    let mut all: Vec<String> = Vec::new();
    for call in calls {
        let own = Some(call.made_up.clone()).filter(|text| !text.is_empty());
        for text in world.call(&call.argv).made_up.into_iter().chain(own) {
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }
    all
}

/// Returns the calls whose answers were made up and are a text, each once.
pub(crate) fn told<'a>(setting: &Scenario, calls: &'a [Call]) -> Vec<&'a Call> {
    answered(setting, calls).into_iter().filter(|(_, output)| !output.is_empty()).map(|(call, _)| call).collect()
}

/// Returns the questions of which was made up that they find nothing, each once.
pub(crate) fn told_nothing<'a>(setting: &Scenario, calls: &'a [Call]) -> Vec<&'a Call> {
    let asked = answered(setting, calls).into_iter().filter(|(call, output)| call.reads && output.is_empty());
    asked.map(|(call, _)| call).collect()
}

/// Returns the calls whose answers were made up, each once, with these.
fn answered<'a>(setting: &Scenario, calls: &'a [Call]) -> Vec<(&'a Call, String)> {
    let mut world = World::new(setting);
    let mut all: Vec<(&Call, String)> = Vec::new();
    for call in calls {
        let answer = world.call(&call.argv);
        if answer.made_up.is_some() && all.iter().all(|(known, _)| known.argv != call.argv) {
            all.push((call, answer.output));
        }
    }
    all
}

/// Returns an answer with other numbers in it, each twice as large and odd: `8` is `17`, `em0` is `em1`.
pub(crate) fn varied(answer: &str) -> String {
    let mut text = String::new();
    let mut rest = answer;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, after) = rest.split_at(at);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (digits, after) = after.split_at(end);
        let other = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(2)).map(|number| number | 1);
        text += before;
        text += &other.map_or_else(|| digits.to_string(), |number| number.to_string());
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Prepared;

    #[test]
    fn another_answer_has_other_numbers() {
        let cases =
            [("8\n", "17\n"), ("em0 9a", "em1 19a"), ("no", "no"), ("99999999999999999999", "99999999999999999999")];
        for (answer, expected) in cases {
            assert_eq!(varied(answer), expected);
        }
    }

    #[test]
    fn what_was_made_up_is_told_once_and_what_was_said_is_not() {
        let argv = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
        let lines = [
            "kldstat -q -m vmm",
            "kldstat -qm vmm",
            "kldload nmdm",
            "kldstat -q -m nmdm",
            "sysctl -n hw.ncpu",
            "sysctl hw.pagesize=7",
            "sysctl -n hw.pagesize",
            "sysctl -n hw.model",
            "route -n get default",
            "pkg info -e bash",
        ];
        let answers = vec![Prepared {
            words: ["sysctl", "-n", "hw.model"].map(String::from).into(),
            text: "x".into(),
            ..Prepared::default()
        }];
        let setting = Scenario { has_modules: true, answers, ..Scenario::default() };
        let call = |argv: Vec<String>| Call { argv, ..Call::default() };
        let told = Call { made_up: "/a is there".into(), ..call(argv("cp /a /b")) };
        let calls: Vec<Call> = lines.into_iter().map(argv).map(call).chain([told.clone(), told]).collect();
        assert_eq!(
            made_up(&setting, &calls),
            [
                "the module vmm is loaded",
                "hw.ncpu is 8",
                "the default route is by 192.168.2.1 and em0",
                "`pkg info -e bash` finds what it asks for",
                "/a is there"
            ]
        );
        assert_eq!(made_up(&Scenario::default(), &[call(argv("kldstat -q -m vmm"))]), [""; 0]);
    }
}
