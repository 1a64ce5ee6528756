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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Prepared;

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
        let answers = vec![Prepared { words: ["sysctl", "-n", "hw.model"].map(String::from).into(), text: "x".into() }];
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
