//! What a host keeps written of the replicas of a machine beyond their disks: on which hosts they are, each of which may take the machine
//! over while this one is away; and which of another host's it has taken itself, so that this one can be told when it comes back.

use super::record::is_id;
use crate::diag::Fault;
use crate::image::fields::Fields;
use crate::model::VmName;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The form that this module writes and reads.
const FORM: u64 = 1;

/// Of how many replicas on one host is known: at least as many as that keeps.
const KNOWN: usize = 1000;

/// A replica that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    /// Its name.
    id: String,
    /// Whether the other host has said that it keeps it; else it may be whole there, or not.
    is_kept: bool,
}

/// The replicas that one host may have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keeper {
    /// The host, as ssh knows it.
    host: String,
    /// The replicas, from the oldest on.
    replicas: Vec<Sent>,
}

/// A replica that a host has taken: since then the machine is that host's, or of whoever got it from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Takeover {
    /// The name of the replica.
    pub(crate) id: String,
    /// The host that it is of, by the name which that calls itself.
    pub(crate) from: String,
    /// When it was taken, in seconds since 1970.
    pub(crate) at: u64,
}

/// What is known of the replicas of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replication {
    /// The machine.
    pub(crate) machine: VmName,
    keepers: Vec<Keeper>,
    /// The replicas that were taken.
    pub(crate) taken: Vec<Takeover>,
    /// The hosts that are not asked any more, though replicas of theirs were taken: they are answered, should they ask.
    forgotten: BTreeSet<String>,
    /// Of which recipe the machine was when a replica was sent last, and with which parameters; earlier versions do not say.
    pub(crate) of: Option<(PathBuf, BTreeMap<String, String>)>,
}

impl Takeover {
    pub(super) fn value(&self) -> Value {
        json!({ "id": self.id, "from": self.from, "at": self.at })
    }

    pub(super) fn read(value: &Value) -> Result<Self, Fault> {
        let of = Fields::of(value, "a takeover")?;
        Ok(Self { id: known_id(of.text("id")?)?, from: of.text("from")?.into(), at: of.number("at", u64::MAX)? })
    }
}

impl Keeper {
    fn value(&self) -> Value {
        let sent = |one: &Sent| json!({ "id": one.id, "kept": one.is_kept });
        json!({ "host": self.host, "replicas": self.replicas.iter().map(sent).collect::<Vec<_>>() })
    }

    fn read(value: &Value) -> Result<Self, Fault> {
        let of = Fields::of(value, "a host with replicas")?;
        let sent = |value: &Value| {
            let of = Fields::of(value, "a replica that was sent")?;
            Ok(Sent { id: known_id(of.text("id")?)?, is_kept: of.switch("kept")? })
        };
        let replicas = of.list("replicas")?.iter().map(sent).collect::<Result<_, Fault>>()?;
        Ok(Self { host: of.text("host")?.into(), replicas })
    }
}

fn known_id(text: &str) -> Result<String, Fault> {
    if is_id(text) { Ok(text.into()) } else { Err(Fault::host(format!("{text:?} is no name of a replica"))) }
}

impl Replication {
    /// Returns that of a machine of which no replica is known.
    pub(crate) const fn of(machine: VmName) -> Self {
        Self { machine, keepers: Vec::new(), taken: Vec::new(), forgotten: BTreeSet::new(), of: None }
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.keepers.is_empty() && self.taken.is_empty()
    }

    /// Returns its text.
    pub(crate) fn text(&self) -> String {
        let (keepers, taken): (Vec<_>, Vec<_>) =
            (self.keepers.iter().map(Keeper::value).collect(), self.taken.iter().map(Takeover::value).collect());
        let machine = self.machine.as_str();
        let mut all = json!({ "form": FORM, "machine": machine, "hosts": keepers, "taken": taken });
        if !self.forgotten.is_empty() {
            all["forgotten"] = json!(self.forgotten);
        }
        if let Some((recipe, params)) = &self.of {
            all["recipe"] = json!(recipe.display().to_string());
            all["params"] = json!(params);
        }
        format!("{all:#}\n")
    }

    /// Reads one.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let value: Value = serde_json::from_str(text).map_err(|_| Fault::host("it is no JSON"))?;
        let of = Fields::of(&value, "it")?;
        of.require_form(FORM)?;
        let forgotten = if of.has("forgotten") { of.list("forgotten")? } else { &[] };
        let host = |value: &Value| value.as_str().map(String::from).ok_or_else(|| Fault::new("a host is no text"));
        let recipe = of.has("recipe").then(|| Ok::<_, Fault>((of.text("recipe")?.into(), of.texts("params")?)));
        Ok(Self {
            forgotten: forgotten.iter().map(host).collect::<Result<_, _>>()?,
            of: recipe.transpose()?,
            machine: of.text("machine")?.parse()?,
            keepers: of.list("hosts")?.iter().map(Keeper::read).collect::<Result<_, _>>()?,
            taken: of.list("taken")?.iter().map(Takeover::read).collect::<Result<_, _>>()?,
        })
    }

    /// Returns the hosts that may have replicas, each with the names of these.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.keepers.iter().map(|one| (one.host.as_str(), one.replicas.iter().map(|sent| sent.id.clone()).collect()))
    }

    /// A replica is about to be sent to a host.
    pub(crate) fn begun(&mut self, host: &str, id: &str) {
        self.forgotten.remove(host);
        let sent = Sent { id: id.into(), is_kept: false };
        let Some(keeper) = self.keepers.iter_mut().find(|one| one.host == host) else {
            self.keepers.push(Keeper { host: host.into(), replicas: vec![sent] });
            return;
        };
        keeper.replicas.push(sent);
        while keeper.replicas.len() > KNOWN {
            // What was cut off goes with the next one that is whole.
            let first = keeper.replicas.iter().position(|sent| !sent.is_kept).filter(|at| *at + 1 < KNOWN);
            keeper.replicas.remove(first.unwrap_or(0));
        }
    }

    /// A host keeps a replica, and so many in all: what is older is there no more.
    pub(crate) fn kept(&mut self, host: &str, id: &str, count: usize) {
        let Some(keeper) = self.keepers.iter_mut().find(|one| one.host == host) else { return };
        keeper.replicas.iter_mut().filter(|sent| sent.id == id).for_each(|sent| sent.is_kept = true);
        // One of which is not known whether it is kept may be one of the count, so that it makes no older one go.
        let mut kept = keeper.replicas.iter().enumerate().rev().filter(|(_, sent)| sent.is_kept);
        let oldest = kept.nth(count.max(1) - 1).map_or(0, |(at, _)| at);
        keeper.replicas.drain(..oldest);
    }

    /// Nobody has these replicas as replicas any more: they were not sent to their end, or the machine came back.
    pub(crate) fn gone(&mut self, ids: &[String]) {
        self.keepers.iter_mut().for_each(|one| one.replicas.retain(|sent| !ids.contains(&sent.id)));
        self.keepers.retain(|one| !one.replicas.is_empty());
    }

    /// A host is asked nothing more. Returns whether it would have been.
    pub(crate) fn forget_host(&mut self, host: &str) -> bool {
        let is_asked = self.keepers.iter().any(|one| one.host == host) || self.origins().any(|(from, _)| from == host);
        self.keepers.retain(|one| one.host != host);
        // What was taken of it stays known: should it come back after all, it asks.
        if self.taken.iter().any(|one| one.from == host) {
            self.forgotten.insert(host.into());
        }
        is_asked
    }

    /// A replica of another host was taken.
    pub(crate) fn takes(&mut self, takeover: Takeover) {
        self.forgotten.remove(&takeover.from);
        self.taken.retain(|one| one.id != takeover.id);
        self.taken.push(takeover);
        let more = self.taken.len().saturating_sub(KNOWN);
        self.taken.drain(..more);
    }

    /// Somebody vouches for a host that may have taken one of its replicas: the machine is this host's again, should that one come back.
    pub(crate) fn takes_back(&mut self, host: &str, at: u64) {
        let ids = self.hosts().filter(|(name, _)| *name == host).flat_map(|(_, ids)| ids).collect::<Vec<_>>();
        ids.into_iter().for_each(|id| self.takes(Takeover { id, from: host.into(), at }));
    }

    /// Whether the machine was taken back from a host, which has not been asked since.
    pub(crate) fn has_taken_back(&self, host: &str) -> bool {
        self.hosts().any(|(name, ids)| name == host && ids.iter().any(|id| self.has_taken(id)))
    }

    /// Whether this host has taken a machine back of which it has sent that replica.
    pub(crate) fn is_taken_back(&self, id: &str) -> bool {
        self.has_taken(id) && self.is_sent(id)
    }

    /// A host that was vouched for knows that the machine is here.
    pub(crate) fn told(&mut self, host: &str) {
        let ids = self.hosts().filter(|(name, _)| *name == host).flat_map(|(_, ids)| ids).collect::<Vec<_>>();
        self.taken.retain(|one| !ids.contains(&one.id));
    }

    fn has_taken(&self, id: &str) -> bool {
        self.taken.iter().any(|one| one.id == id)
    }

    fn is_sent(&self, id: &str) -> bool {
        self.keepers.iter().any(|keeper| keeper.replicas.iter().any(|sent| sent.id == id))
    }

    /// Returns the hosts of which replicas were taken and that are not asked as ones that have some, each with the names of these.
    pub(crate) fn origins(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let is_asked =
            |from: &String| !self.forgotten.contains(from) && self.keepers.iter().all(|one| one.host != *from);
        for one in self.taken.iter().filter(|one| is_asked(&one.from)) {
            all.entry(&one.from).or_default().push(one.id.clone());
        }
        all.into_iter()
    }

    /// Returns which of these was sent from here, and not taken back since.
    pub(crate) fn sent_among(&self, takeovers: &[Takeover]) -> Vec<String> {
        let is_own = |one: &&Takeover| self.is_sent(&one.id) && !self.has_taken(&one.id);
        takeovers.iter().filter(is_own).map(|one| one.id.clone()).collect()
    }

    /// Returns the takeover of one of these replicas.
    pub(crate) fn taken_among(&self, ids: &[String]) -> Option<&Takeover> {
        self.taken.iter().rev().find(|one| ids.contains(&one.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: usize) -> String {
        format!("{number:016x}")
    }

    fn known(replication: &Replication, host: &str) -> Vec<usize> {
        let ids = replication.hosts().find(|(name, _)| *name == host).map(|(_, ids)| ids).unwrap_or_default();
        ids.iter().map(|id| usize::from_str_radix(id, 16).unwrap()).collect()
    }

    #[test]
    fn it_is_read_as_it_was_written_and_anything_else_is_refused() {
        let mut all = Replication::of("web".parse().unwrap());
        assert!(all.is_empty());
        all.begun("vm6", &id(1));
        all.kept("vm6", &id(1), 3);
        all.begun("root@vm7:2222", &id(2));
        all.takes(Takeover { id: id(3), from: "vm5".into(), at: 1_790_000_000 });
        assert_eq!(Replication::read(&all.text()), Ok(all.clone()));
        all.of = Some(("/vm/web.rhai".into(), [("size".into(), "7".into())].into()));
        assert!(all.forget_host("vm5") && !all.is_empty());
        let text = all.text();
        assert_eq!(Replication::read(&text), Ok(all));
        let read = |from: &str, to: &str| Replication::read(&text.replace(from, to)).unwrap_err().message;
        assert_eq!(read("{", "["), "it is no JSON");
        assert_eq!(read("\"form\": 1", "\"form\": 2"), "it has form 2, and this vmrun knows form 1");
        assert_eq!(read("0000000000000003", "../../etc/passwd"), "\"../../etc/passwd\" is no name of a replica");
        assert_eq!(read("\"kept\": true", "\"kept\": 1"), "a replica that was sent has no switch `kept`");
    }

    #[test]
    fn what_a_host_may_still_have_stays_known_and_the_rest_goes() {
        let mut all = Replication::of("web".parse().unwrap());
        for number in 1..=4 {
            all.begun("vm6", &id(number));
            if number != 2 {
                all.kept("vm6", &id(number), 2);
            }
        }
        // That of which nobody knows whether it is there may be one of the two.
        assert_eq!(known(&all, "vm6"), [3, 4]);
        all.begun("vm6", &id(5));
        all.begun("vm6", &id(6));
        all.kept("vm6", &id(6), 2);
        assert_eq!(known(&all, "vm6"), [4, 5, 6]);
        let takeover = |number| Takeover { id: id(number), from: "vm5".into(), at: number as u64 };
        assert_eq!(all.sent_among(&[takeover(3), takeover(5)]), [id(5)]);
        all.gone(&[id(5), id(9)]);
        assert_eq!(known(&all, "vm6"), [4, 6]);
        assert!(!all.forget_host("vm7") && all.forget_host("vm6"));
        all.takes(takeover(1));
        all.takes(takeover(2));
        all.takes(takeover(1));
        assert_eq!(all.taken, [takeover(2), takeover(1)]);
        assert_eq!(all.origins().collect::<Vec<_>>(), [("vm5", vec![id(2), id(1)])]);
        assert_eq!((all.taken_among(&[id(2), id(7)]), all.taken_among(&[id(7)])), (Some(&takeover(2)), None));
    }

    #[test]
    fn what_was_taken_back_is_so_until_the_other_host_knows_it() {
        let mut all = Replication::of("web".parse().unwrap());
        for (host, number) in [("vm6", 1), ("vm7", 2), ("vm6", 3)] {
            all.begun(host, &id(number));
        }
        let takeover = Takeover { id: id(1), from: "vm5".into(), at: 7 };
        assert_eq!(all.sent_among(std::slice::from_ref(&takeover)), [id(1)]);
        all.takes_back("vm6", 9);
        assert_eq!([all.has_taken_back("vm6"), all.has_taken_back("vm7")], [true, false]);
        assert_eq!([1, 2, 3].map(|number| all.is_taken_back(&id(number))), [true, false, true]);
        // It is asked as one that has replicas, and what it took before is over.
        assert_eq!(all.origins().count(), 0);
        assert_eq!(all.sent_among(&[takeover]), [""; 0]);
        all.told("vm6");
        assert_eq!((all.has_taken_back("vm6"), all.taken.len(), known(&all, "vm6")), (false, 0, vec![1, 3]));
    }

    proptest! {
        /// The other host as it is: it has what is whole, and removes the oldest when it keeps another one.
        #[test]
        fn whatever_is_cut_off_each_replica_that_is_there_is_known(
            sends in prop::collection::vec((0_u8..4, 1_usize..5), 1..60),
        ) {
            let (mut all, mut there) = (Replication::of("web".parse().unwrap()), Vec::new());
            for (number, (how, keep)) in sends.into_iter().enumerate() {
                all.begun("vm6", &id(number));
                // Cut off before it was whole; whole; kept, which the answer did not tell; kept.
                if how > 0 {
                    there.push(number);
                }
                if how > 1 {
                    let more = there.len().saturating_sub(keep);
                    there.drain(..more);
                }
                if how > 2 {
                    all.kept("vm6", &id(number), keep);
                }
                let known = known(&all, "vm6");
                prop_assert!(there.iter().all(|number| known.contains(number)), "{there:?} {known:?}");
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,120}") {
            let _ = Replication::read(&text);
        }
    }
}
