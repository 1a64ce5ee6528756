//! What is written down of a restart of the machines of many hosts: a line of what is to be done, then a line for each machine whose
//! restart begins, and one for each that is back.

use crate::diag::{Blame, Fault};
use crate::model::VmName;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The form that is written.
const VERSION: u64 = 1;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The second of 1970 in which it began.
    pub began: u64,
    /// The hosts as they were given; none for this one and those of the configuration.
    pub hosts: Vec<String>,
    /// How long a guest may take to power off.
    pub within: Option<Duration>,
    /// How many machines are restarted at once.
    pub at_once: usize,
    /// The machines, of which each was to be restarted.
    pub machines: Vec<Recorded>,
    /// The names of those whose restart began.
    pub begun: BTreeSet<String>,
    /// The names of those that are back.
    pub back: BTreeSet<String>,
}

/// A machine that is to be restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub name: VmName,
    /// What its host calls itself, or how it is asked where it does not say.
    pub host: String,
    /// The process that looked after it.
    pub supervisor: u64,
}

/// Returns the line of a machine whose restart begins.
pub(super) fn begun(name: &VmName) -> String {
    json!({ "begun": name.as_str() }).to_string()
}

/// Returns the line of a machine that is back.
pub(super) fn back(name: &VmName) -> String {
    json!({ "back": name.as_str() }).to_string()
}

impl Record {
    /// Returns it as lines.
    pub(super) fn text(&self) -> String {
        let machine =
            |one: &Recorded| json!({ "name": one.name.as_str(), "host": one.host, "supervisor": one.supervisor });
        let within = self.within.map(|within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
        let head = json!({
            "version": VERSION, "began": self.began, "hosts": self.hosts, "within_ms": within, "at_once": self.at_once,
            "machines": self.machines.iter().map(machine).collect::<Vec<_>>(),
        });
        let line = |key: &'static str| move |name: &String| format!("{}\n", json!({ key: name }));
        let (begun, back) = (self.begun.iter().map(line("begun")), self.back.iter().map(line("back")));
        format!("{head}\n{}", begun.chain(back).collect::<String>())
    }

    /// Reads lines that are whole.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let wrong = |what: &str| Fault::host(what).blame(Blame::Unsure);
        let mut lines = text.lines();
        let head: Value = lines
            .next()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| wrong("it is no record of a restart"))?;
        match head.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(_) => return Err(wrong("a newer vmrun has written it")),
            None => return Err(wrong("it is no record of a restart")),
        }
        let mut record = Self::of_head(&head).ok_or_else(|| wrong("its first line is not whole"))?;
        for line in lines {
            let line: Value = serde_json::from_str(line).map_err(|_| wrong("one of its lines is not whole"))?;
            let of = |key: &str| line.get(key).and_then(Value::as_str).map(String::from);
            record.begun.extend(of("begun"));
            record.back.extend(of("back"));
        }
        Ok(record)
    }

    fn of_head(head: &Value) -> Option<Self> {
        let list = |key: &str| head.get(key)?.as_array();
        let machine = |one: &Value| {
            let text = |key: &str| one.get(key)?.as_str();
            Some(Recorded {
                name: text("name")?.parse().ok()?,
                host: text("host")?.into(),
                supervisor: one.get("supervisor")?.as_u64()?,
            })
        };
        Some(Self {
            began: head.get("began")?.as_u64()?,
            hosts: list("hosts")?.iter().map(|host| Some(host.as_str()?.into())).collect::<Option<_>>()?,
            within: head.get("within_ms")?.as_u64().map(Duration::from_millis),
            at_once: usize::try_from(head.get("at_once")?.as_u64()?).ok()?.max(1),
            machines: list("machines")?.iter().map(machine).collect::<Option<_>>()?,
            ..Self::default()
        })
    }

    /// Returns the machines that are not back.
    pub(super) fn left(&self) -> impl Iterator<Item = &Recorded> {
        self.machines.iter().filter(|one| !self.back.contains(one.name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(within: Option<u64>, at_once: usize, names: &[u8]) -> Record {
        let recorded = |number: &u8| Recorded {
            name: format!("m{number}").parse().unwrap(),
            host: format!("vm{}", number % 3),
            supervisor: u64::from(*number) + 5,
        };
        Record {
            began: 7,
            hosts: vec!["ssh://vm5".into()],
            within: within.map(Duration::from_millis),
            at_once,
            machines: names.iter().map(recorded).collect(),
            ..Record::default()
        }
    }

    #[test]
    fn what_is_back_is_not_left() {
        let mut record = record(None, 1, &[1, 2, 3]);
        let (one, two) = (record.machines[0].name.clone(), record.machines[1].name.clone());
        let text = [record.text(), begun(&one), "\n".into(), back(&one), "\n".into(), begun(&two), "\n".into()];
        let read = Record::read(&text.concat()).unwrap();
        assert_eq!(read.left().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["m2", "m3"]);
        (record.begun, record.back) = (["m1".into(), "m2".into()].into(), ["m1".into()].into());
        assert_eq!(read, record);
        let said = |text: &str| Record::read(text).unwrap_err().message;
        assert_eq!(said(""), "it is no record of a restart");
        assert_eq!(said("{\"version\":2}"), "a newer vmrun has written it");
        assert_eq!(said("{\"version\":1}"), "its first line is not whole");
        assert_eq!(said(&format!("{}half", record.text())), "one of its lines is not whole");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(within: Option<u32>, at_once in 1_usize..9, names: Vec<u8>, cut in 0_usize..2000) {
            let record = record(within.map(u64::from), at_once, &names);
            let text = record.text();
            prop_assert_eq!(Record::read(&text), Ok(record));
            let _ = Record::read(text.get(..cut).unwrap_or(&text));
        }
    }
}
