//! What a host keeps written of a move, so that it is known after a crash, and after the host was started anew: which of the two hosts
//! may start the machine, and what there is to be undone.

use crate::diag::Fault;
use crate::image::fields::Fields;
use crate::model::{Argv, VmName};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The form that this module writes and reads.
const FORM: u64 = 1;

/// Whether a text is the name of a move: 16 hexadecimal digits.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// How far a move is on a host: the first four on the host that gives the machine, the others on the one that gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MoveState {
    /// Its disks are copied, while its guest runs or not.
    Sending,
    /// Its guest is stopped, and the rest is sent. It may not be started.
    Stopping,
    /// The other host may have it. It may not be started.
    Given,
    /// The other host has it. It may not be started.
    Moved,
    /// Its disks come, and have no names yet.
    Receiving,
    /// Its disks are whole, and have no names yet.
    Whole,
    /// Its disks get their names, or have them. It may not be started yet.
    Named,
    /// It is this host's, and is started for the first time. It may be started.
    Starting,
    /// It is this host's.
    Here,
    /// It was undone, and is never gone on with: nothing of it is here.
    Undone,
}

impl MoveState {
    /// Every state.
    pub(super) const ALL: [Self; 10] = [
        Self::Sending,
        Self::Stopping,
        Self::Given,
        Self::Moved,
        Self::Receiving,
        Self::Whole,
        Self::Named,
        Self::Starting,
        Self::Here,
        Self::Undone,
    ];

    /// Returns its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Stopping => "stopping",
            Self::Given => "given",
            Self::Moved => "moved",
            Self::Receiving => "receiving",
            Self::Whole => "whole",
            Self::Named => "named",
            Self::Starting => "starting",
            Self::Here => "here",
            Self::Undone => "undone",
        }
    }

    /// Returns the state of a word.
    pub(super) fn of_word(word: &str) -> Result<Self, Fault> {
        let state = Self::ALL.into_iter().find(|state| state.word() == word);
        state.ok_or_else(|| Fault::host(format!("{word:?} is no state of a move")))
    }

    /// Whether it is one of the host that gives the machine.
    pub(crate) const fn is_of_giver(self) -> bool {
        matches!(self, Self::Sending | Self::Stopping | Self::Given | Self::Moved)
    }
}

/// How a machine was started, and is started again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StartedWith {
    /// Its recipe.
    pub(crate) recipe: PathBuf,
    /// The parameters; secrets are none.
    pub(crate) params: BTreeMap<String, String>,
    /// What it needs to run, as its command line said: `acquire`, `keep`, and `ttl` in milliseconds.
    pub(crate) permit: BTreeMap<String, String>,
    /// Whether its network is inside its process.
    pub(crate) user_net: bool,
    /// How long its guest may take to power off, in milliseconds.
    pub(crate) stop_within_ms: u64,
}

impl StartedWith {
    pub(super) fn value(&self) -> Value {
        json!({
            "recipe": self.recipe.display().to_string(), "params": self.params, "permit": self.permit,
            "user_net": self.user_net, "stop_within_ms": self.stop_within_ms,
        })
    }

    pub(super) fn read(value: &Value) -> Result<Self, Fault> {
        let of = Fields::of(value, "the start of a machine")?;
        Ok(Self {
            recipe: of.text("recipe")?.into(),
            params: of.texts("params")?,
            permit: of.texts("permit")?,
            user_net: of.switch("user_net")?,
            stop_within_ms: of.number("stop_within_ms", u64::MAX)?,
        })
    }
}

/// Something that a move has made on the host that gets the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// A file, by the path that it has meanwhile and the one that it gets; and the number of its inode, by
    /// which it is known under either, 0 for as long as there is none.
    File(PathBuf, PathBuf, u64),
    /// A volume, by the name that it has meanwhile and the one that it gets.
    Volume(String, String),
    /// A folder.
    Folder(PathBuf),
}

impl Made {
    fn value(&self) -> Value {
        let shown = |path: &Path| path.display().to_string();
        match self {
            Self::File(half, path, inode) => json!({ "file": shown(path), "half": shown(half), "inode": inode }),
            Self::Volume(half, name) => json!({ "volume": name, "half": half }),
            Self::Folder(path) => json!({ "folder": shown(path) }),
        }
    }

    fn read(value: &Value) -> Result<Self, Fault> {
        let of = Fields::of(value, "what a move has made")?;
        if of.has("folder") {
            return Ok(Self::Folder(of.text("folder")?.into()));
        }
        let half = of.text("half")?;
        if of.has("volume") {
            return Ok(Self::Volume(half.into(), of.text("volume")?.into()));
        }
        Ok(Self::File(half.into(), of.text("file")?.into(), of.number("inode", u64::MAX)?))
    }
}

/// The host that has a machine which was moved there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Away {
    /// The host.
    pub(crate) host: String,
    /// When it was moved, in seconds since 1970.
    pub(crate) since: u64,
}

impl Away {
    fn value(&self) -> Value {
        json!({ "host": self.host, "since": self.since })
    }

    fn read(value: &Value) -> Result<Self, Fault> {
        let of = Fields::of(value, "the host of a machine")?;
        Ok(Self { host: of.text("host")?.into(), since: of.number("since", u64::MAX)? })
    }
}

/// What a host keeps written of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MoveRecord {
    /// The name of the move.
    pub(crate) id: String,
    /// The machine.
    pub(crate) machine: VmName,
    /// How far it is.
    pub(crate) state: MoveState,
    /// The other host: for the one that gives, as ssh knows it.
    pub(crate) peer: String,
    /// When it was written, in seconds since 1970.
    pub(crate) at: u64,
    /// Whether the machine ran when the move began, and is to run at its end.
    pub(crate) runs: bool,
    /// Whether both hosts see the same disks, and none is copied.
    pub(crate) is_shared: bool,
    /// How it is started here.
    pub(crate) with: StartedWith,
    /// The host to which it was moved before it came back: what is here of it is older.
    pub(crate) was_at: Option<Away>,
    /// What was made for it here.
    pub(crate) made: Vec<Made>,
}

impl MoveRecord {
    /// Returns that of a machine that is another host's by now, which has taken it over from a replica.
    pub(crate) fn taken_over(machine: VmName, id: String, peer: String, at: u64, with: StartedWith) -> Self {
        let (state, runs, is_shared, was_at, made) = (MoveState::Moved, false, false, None, Vec::new());
        Self { id, machine, state, peer, at, runs, is_shared, with, was_at, made }
    }

    /// Returns its text.
    pub(crate) fn text(&self) -> String {
        let document = json!({
            "form": FORM, "id": self.id, "machine": self.machine.as_str(), "state": self.state.word(),
            "peer": self.peer, "at": self.at, "runs": self.runs, "shared": self.is_shared,
            "with": self.with.value(), "was_at": self.was_at.as_ref().map(Away::value),
            "made": self.made.iter().map(Made::value).collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }

    /// Reads one.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let value: Value = serde_json::from_str(text).map_err(|_| Fault::host("it is no JSON"))?;
        let of = Fields::of(&value, "it")?;
        of.require_form(FORM)?;
        let id = of.text("id")?;
        if !is_id(id) {
            return Err(Fault::host(format!("{id:?} is no name of a move")));
        }
        Ok(Self {
            id: id.into(),
            machine: of.text("machine")?.parse()?,
            state: MoveState::of_word(of.text("state")?)?,
            peer: of.text("peer")?.into(),
            at: of.number("at", u64::MAX)?,
            runs: of.switch("runs")?,
            is_shared: of.switch("shared")?,
            with: StartedWith::read(of.value("with")?)?,
            was_at: if of.is_null("was_at") { None } else { Some(Away::read(of.value("was_at")?)?) },
            made: of.list("made")?.iter().map(Made::read).collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing is left of the move, and the machine is this host's.
    pub(crate) fn is_over(&self) -> bool {
        self.state == MoveState::Undone && self.away().is_none()
    }

    fn is_at(&self, peer: &str) -> Fault {
        let name = &self.machine;
        let fault = Fault::busy(format!("the machine {name} was moved to {peer}, which has it now"));
        let back = format!("`vmrun migrate {name} HOST` there brings it back");
        let lost = format!("`vmrun migrate --forget {name}` lets this one be started if that one is gone for ever");
        fault.hint(format!("{back}; {lost}"))
    }

    /// Returns the host that has the machine, if it is another one as far as this one knows.
    pub(crate) fn away(&self) -> Option<Away> {
        match self.state {
            MoveState::Moved => Some(Away { host: self.peer.clone(), since: self.at }),
            MoveState::Undone => self.was_at.clone(),
            MoveState::Sending
            | MoveState::Stopping
            | MoveState::Given
            | MoveState::Receiving
            | MoveState::Whole
            | MoveState::Named
            | MoveState::Starting
            | MoveState::Here => None,
        }
    }

    /// Says why the machine may not be started on the host that has this record; nothing if it may.
    pub(crate) fn refusal(&self) -> Option<Fault> {
        let (name, peer) = (&self.machine, &self.peer);
        let commands = |first: &str, then: &str| {
            let argv = |option: &str| Argv::new("vmrun").arg("migrate").arg(option).arg(name);
            format!("`{}` {first}, `{}` {then}", argv("--resume"), argv("--abort"))
        };
        match self.state {
            MoveState::Sending | MoveState::Starting | MoveState::Here => None,
            MoveState::Stopping | MoveState::Given => {
                let fault = Fault::busy(format!("the machine {name} is being moved to {peer}"));
                Some(fault.hint(commands("goes on with it", "undoes it")))
            }
            MoveState::Moved => Some(self.is_at(peer)),
            MoveState::Undone => self.was_at.as_ref().map(|away| self.is_at(&away.host)),
            MoveState::Receiving | MoveState::Whole | MoveState::Named => {
                let fault = Fault::busy(format!("the machine {name} is on its way here from {peer}"));
                Some(fault.hint(format!("on {peer}, {}", commands("goes on with it", "undoes it"))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(state: MoveState) -> MoveRecord {
        MoveRecord {
            id: "0123456789abcdef".into(),
            machine: "web".parse().unwrap(),
            state,
            peer: "vm6".into(),
            at: 1_790_000_000,
            runs: true,
            is_shared: false,
            with: StartedWith { recipe: "/vm/web.rhai".into(), ..StartedWith::default() },
            was_at: Some(Away { host: "vm7".into(), since: 1_780_000_000 }),
            made: vec![
                Made::Folder("/vm".into()),
                Made::File("/vm/a.half".into(), "/vm/a".into(), 7),
                Made::Volume("zroot/a.half".into(), "zroot/a".into()),
            ],
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_anything_else_is_refused() {
        for state in MoveState::ALL {
            let record = sample(state);
            assert_eq!(MoveRecord::read(&record.text()), Ok(record));
        }
        let text = sample(MoveState::Given).text();
        let read = |from: &str, to: &str| MoveRecord::read(&text.replace(from, to)).unwrap_err().message;
        assert_eq!(read("{", "["), "it is no JSON");
        assert_eq!(read("\"form\": 1", "\"form\": 2"), "it has form 2, and this vmrun knows form 1");
        assert_eq!(read("\"given\"", "\"gone\""), "\"gone\" is no state of a move");
        assert_eq!(read("0123456789abcdef", "0123456789ABCDEF"), "\"0123456789ABCDEF\" is no name of a move");
    }

    #[test]
    fn at_no_pair_of_states_that_can_come_may_both_hosts_start_the_machine() {
        use MoveState::{Given, Here, Moved, Named, Receiving, Sending, Starting, Stopping, Undone, Whole};
        let may = |state| sample(state).refusal().is_none();
        let before = [None, Some(Receiving), Some(Whole)];
        let any = [None, Some(Whole), Some(Named), Some(Starting), Some(Here), Some(Undone)];
        let pairs: [(_, &[_]); 4] =
            [(Sending, &before), (Stopping, &before), (Given, &any), (Moved, &[None, Some(Starting), Some(Here)])];
        for (giver, others) in pairs {
            assert!(giver.is_of_giver());
            for other in others.iter().flatten() {
                assert!(!other.is_of_giver());
                assert!(!(may(giver) && may(*other)), "{giver:?} {other:?}");
            }
        }
    }
}
