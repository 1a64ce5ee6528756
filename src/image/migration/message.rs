//! What the two sides of a move say to each other, as JSON objects.

use super::record::{MoveState, StartedWith, is_id};
use super::replication::Takeover;
use crate::diag::{Blame, Fault};
use crate::image::archive::{DiskForm, Manifest};
use crate::image::fields::Fields;
use crate::model::VmName;
use serde_json::{Value, json};

/// The protocol that this vmrun speaks; both sides have to speak the same. What was added to it without another number is left out by
/// who does not know it: `taken` and `signs` of a greeting, `given_up` and `encrypts` of the answer to it.
pub(crate) const PROTOCOL: u64 = 2;
/// How many faults are sent at most.
const FAULTS: usize = 100;

/// What a move begins with, and goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The protocol of who asks.
    pub(crate) protocol: u64,
    /// His vmrun.
    pub(crate) vmrun: String,
    /// The name of the move.
    pub(crate) id: String,
    /// The machine.
    pub(crate) machine: VmName,
    /// The host that has it.
    pub(crate) from: String,
    /// Whether the machine stays there, and only a replica of it comes.
    pub(crate) is_replica: bool,
    /// Whether who asks knows signs of life before an answer.
    pub(crate) signs: bool,
    /// The replicas from which the machine was taken over, there or before.
    pub(crate) taken: Vec<Takeover>,
}

/// How far a move is on the host that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// How far it is, if it is known.
    pub(crate) state: Option<MoveState>,
    /// The protocol of who answers.
    pub(crate) protocol: u64,
    /// His vmrun.
    pub(crate) vmrun: String,
    /// The replicas among those that were taken which he has sent; nothing of a vmrun that remembers no takeovers.
    pub(crate) given_up: Option<Vec<String>>,
    /// Whether he makes volumes anew that are encrypted; one that does not would have them in the clear.
    pub(crate) encrypts: bool,
}

/// A machine that was taken over from its replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TakenAway {
    /// The name of the replica.
    pub(crate) id: String,
    /// When that was, in seconds since 1970.
    pub(crate) at: u64,
    /// Where it was moved from there.
    pub(crate) moved_to: Option<String>,
}

/// A machine that is offered. Its texts follow, a frame each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What it is made of.
    pub(crate) manifest: Manifest,
    /// How it is started.
    pub(crate) with: StartedWith,
    /// Whether it runs, and is to run there.
    pub(crate) runs: bool,
    /// What stands beside each disk in a file, where both hosts see the same disks; nothing where they are copied.
    pub(crate) shared: Vec<String>,
    /// The permissions of each disk that is a file, as `chmod` has them; nothing of a volume.
    pub(crate) modes: Vec<Option<u32>>,
    /// Whether it is only asked what would stand against it.
    pub(crate) dry_run: bool,
}

/// What is asked of the side that gets the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The first one: how far the move is there.
    Hello(Hello),
    /// To check a machine, and to make room for its disks.
    Offer(Box<Offer>),
    /// What it has of a disk.
    Digests(u32),
    /// To have on its disks what was sent so far.
    Sync,
    /// To check that its disks are these.
    Seal(Vec<String>),
    /// To keep a replica that is whole, and so many in all.
    Keep(u64),
    /// To give up a machine of which the other side has a replica, and takes that.
    GiveUp,
    /// To give all of it its names.
    Take,
    /// To start the machine.
    Start,
    /// To keep nothing more of the move.
    Forget,
    /// To undo it.
    Abort,
    /// Whether the machine was taken over from one of these replicas. It is no part of a move, and asked without a greeting.
    TakenOver(VmName, Vec<String>),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// How far the move is.
    State(State),
    /// It was done.
    Done,
    /// It was not done, for this.
    Refused(Vec<Fault>),
    /// How a machine was taken over, if it was.
    Taken(Option<TakenAway>),
}

impl Request {
    /// Returns its text.
    pub(crate) fn text(&self) -> Vec<u8> {
        let of = |word: &str| json!({ "request": word });
        let value = match self {
            Self::Hello(hello) => json!({
                "request": "hello", "protocol": hello.protocol, "vmrun": hello.vmrun, "id": hello.id,
                "machine": hello.machine.as_str(), "from": hello.from,
                "replica": hello.is_replica, "signs": hello.signs, "taken": hello.taken.iter().map(Takeover::value).collect::<Vec<_>>(),
            }),
            Self::Offer(offer) => json!({
                "request": "offer", "manifest": offer.manifest.text(), "with": offer.with.value(),
                "runs": offer.runs, "shared": offer.shared, "modes": offer.modes, "dry_run": offer.dry_run,
            }),
            Self::Digests(disk) => json!({ "request": "digests", "disk": disk }),
            Self::Seal(sums) => json!({ "request": "seal", "sums": sums }),
            Self::Keep(count) => json!({ "request": "keep", "count": count }),
            Self::GiveUp => of("give_up"),
            Self::Sync => of("sync"),
            Self::Take => of("take"),
            Self::Start => of("start"),
            Self::Forget => of("forget"),
            Self::Abort => of("abort"),
            Self::TakenOver(machine, replicas) => {
                json!({ "request": "taken_over", "machine": machine.as_str(), "replicas": replicas })
            }
        };
        value.to_string().into_bytes()
    }

    /// Reads one.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(text).map_err(|_| Fault::host("a request came that is no JSON"))?;
        let of = Fields::of(&value, "a request")?;
        Ok(match of.text("request")? {
            "hello" => Self::Hello(Hello {
                protocol: of.number("protocol", u64::MAX)?,
                vmrun: of.text("vmrun")?.into(),
                id: id(of.text("id")?)?,
                machine: of.text("machine")?.parse()?,
                from: of.text("from")?.into(),
                is_replica: of.switch("replica")?,
                signs: !of.is_null("signs") && of.switch("signs")?,
                taken: if of.is_null("taken") { Vec::new() } else { takeovers(of.list("taken")?)? },
            }),
            "offer" => Self::Offer(Box::new(Offer {
                manifest: manifest(of.text("manifest")?)?,
                with: StartedWith::read(of.value("with")?)?,
                runs: of.switch("runs")?,
                shared: texts(of.list("shared")?)?,
                modes: of.list("modes")?.iter().map(mode).collect::<Result<_, _>>()?,
                dry_run: of.switch("dry_run")?,
            })),
            "digests" => Self::Digests(u32::try_from(of.number("disk", u32::MAX.into())?).unwrap_or(u32::MAX)),
            "seal" => Self::Seal(texts(of.list("sums")?)?),
            "keep" => Self::Keep(of.number("count", u64::MAX)?),
            "give_up" => Self::GiveUp,
            "sync" => Self::Sync,
            "take" => Self::Take,
            "start" => Self::Start,
            "forget" => Self::Forget,
            "abort" => Self::Abort,
            "taken_over" => Self::TakenOver(of.text("machine")?.parse()?, texts(of.list("replicas")?)?),
            other => return Err(Fault::host(format!("nobody here knows the request {other:?}"))),
        })
    }
}

impl Answer {
    /// Returns its text.
    pub(crate) fn text(&self) -> Vec<u8> {
        let fault = |fault: &Fault| json!({ "message": fault.message, "hint": fault.hint, "code": fault.blame.code() });
        let value = match self {
            Self::State(state) => json!({
                "answer": "state", "state": state.state.map(MoveState::word), "protocol": state.protocol,
                "vmrun": state.vmrun, "given_up": state.given_up, "encrypts": state.encrypts,
            }),
            Self::Done => json!({ "answer": "done" }),
            Self::Refused(faults) => {
                let faults: Vec<Value> = faults.iter().take(FAULTS).map(fault).collect();
                json!({ "answer": "refused", "faults": faults })
            }
            Self::Taken(taken) => {
                let value = |it: &TakenAway| json!({ "id": it.id, "at": it.at, "moved_to": it.moved_to });
                json!({ "answer": "taken", "taken": taken.as_ref().map(value) })
            }
        };
        value.to_string().into_bytes()
    }

    /// Reads one.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(text).map_err(|_| Fault::host("an answer came that is no JSON"))?;
        let of = Fields::of(&value, "an answer")?;
        Ok(match of.text("answer")? {
            "state" => Self::State(State {
                state: if of.is_null("state") { None } else { Some(MoveState::of_word(of.text("state")?)?) },
                protocol: of.number("protocol", u64::MAX)?,
                vmrun: of.text("vmrun")?.into(),
                encrypts: !of.is_null("encrypts") && of.switch("encrypts")?,
                given_up: if of.is_null("given_up") { None } else { Some(texts(of.list("given_up")?)?) },
            }),
            "taken" => Self::Taken(if of.is_null("taken") { None } else { Some(taken(of.value("taken")?)?) }),
            "done" => Self::Done,
            "refused" => Self::Refused(of.list("faults")?.iter().map(fault).collect::<Result<_, _>>()?),
            other => return Err(Fault::host(format!("nobody here knows the answer {other:?}"))),
        })
    }
}

fn id(text: &str) -> Result<String, Fault> {
    if is_id(text) { Ok(text.into()) } else { Err(Fault::host(format!("{text:?} is no name of a move"))) }
}

fn taken(value: &Value) -> Result<TakenAway, Fault> {
    let of = Fields::of(value, "a takeover")?;
    let moved_to = if of.is_null("moved_to") { None } else { Some(of.text("moved_to")?.into()) };
    Ok(TakenAway { id: id(of.text("id")?)?, at: of.number("at", u64::MAX)?, moved_to })
}

fn takeovers(list: &[Value]) -> Result<Vec<Takeover>, Fault> {
    list.iter().map(Takeover::read).collect()
}

fn fault(value: &Value) -> Result<Fault, Fault> {
    let of = Fields::of(value, "a fault")?;
    let code = i32::try_from(of.number("code", 255)?).ok();
    let blame = code.and_then(Blame::of_code).unwrap_or(Blame::Host);
    let hint = if of.is_null("hint") { None } else { Some(of.text("hint")?.to_string()) };
    Ok(Fault::host(of.text("message")?).maybe_hint(hint).blame(blame))
}

fn mode(value: &Value) -> Result<Option<u32>, Fault> {
    let mode = value.as_u64().and_then(|mode| u32::try_from(mode).ok()).filter(|mode| *mode <= 0o777);
    let is_one = value.is_null() || mode.is_some();
    is_one.then_some(mode).ok_or_else(|| Fault::host(format!("{value} are no permissions of a disk")))
}

/// Reads what is offered: a disk that is moved comes in blocks, and never as a stream.
fn manifest(text: &str) -> Result<Manifest, Fault> {
    let manifest = Manifest::parse(text.as_bytes())?;
    if manifest.disks.iter().any(|disk| disk.form != DiskForm::Bytes) {
        return Err(Fault::host("a disk is offered as a stream, and comes in blocks"));
    }
    Ok(manifest)
}

fn texts(list: &[Value]) -> Result<Vec<String>, Fault> {
    let text = |value: &Value| value.as_str().map(String::from);
    list.iter().map(text).collect::<Option<_>>().ok_or_else(|| Fault::host("a value in a list is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::archive::manifest_sample;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_is_read_again_as_it_was_said() {
        let hello = Hello {
            protocol: PROTOCOL,
            vmrun: "0.1.0".into(),
            id: "0123456789abcdef".into(),
            machine: "web".parse().unwrap(),
            from: "vm5".into(),
            is_replica: true,
            signs: true,
            taken: vec![Takeover { id: "fedcba9876543210".into(), from: "vm4".into(), at: 1_790_000_000 }],
        };
        let with = StartedWith {
            recipe: "/vm/web.rhai".into(),
            params: [("size".into(), "2G".into())].into(),
            permit: [("acquire".into(), "etcdctl lock vm/web".into())].into(),
            user_net: true,
            stop_within_ms: 60_000,
        };
        let (manifest, shared, modes) = (manifest_sample(), vec!["ab".into()], vec![Some(0o640), None]);
        let mut sent = manifest.clone();
        sent.disks[1].form = DiskForm::Sent;
        let offer = Offer { manifest, with, runs: true, shared, modes, dry_run: false };
        let with_stream = Offer { manifest: sent, ..offer.clone() };
        let said = Request::read(&Request::Offer(Box::new(with_stream)).text()).unwrap_err().message;
        assert_eq!(said, "a disk is offered as a stream, and comes in blocks");
        let requests = [
            Request::Hello(hello),
            Request::Offer(Box::new(offer)),
            Request::Digests(3),
            Request::Seal(vec!["ab".into()]),
            Request::Sync,
            Request::Keep(3),
            Request::GiveUp,
            Request::Take,
            Request::Start,
            Request::Forget,
            Request::Abort,
            Request::TakenOver("web".parse().unwrap(), vec!["0123456789abcdef".into()]),
        ];
        for request in requests {
            assert_eq!(Request::read(&request.text()), Ok(request));
        }
        let faults = vec![Fault::busy("no").hint("wait"), Fault::host("never")];
        let states = MoveState::ALL.map(Some).into_iter().chain([None]);
        let given_up = [None, Some(vec!["fedcba9876543210".to_string()])].into_iter().cycle();
        let states = states.zip(given_up).map(|(state, given_up)| {
            Answer::State(State { state, protocol: 1, vmrun: "0.1.0".into(), given_up, encrypts: true })
        });
        let away = TakenAway { id: "0123456789abcdef".into(), at: 1_790_000_000, moved_to: Some("vm7".into()) };
        let others = [Answer::Done, Answer::Refused(faults), Answer::Taken(None), Answer::Taken(Some(away))];
        for answer in states.chain(others) {
            assert_eq!(Answer::read(&answer.text()), Ok(answer));
        }
    }

    #[test]
    fn what_nobody_says_is_refused() {
        let request = |text: &str| Request::read(text.as_bytes()).unwrap_err().message;
        assert_eq!(request("x"), "a request came that is no JSON");
        assert_eq!(request("[]"), "a request is no object");
        for mode in ["512", "-1", "\"rw\""] {
            let value: Value = serde_json::from_str(mode).unwrap();
            assert_eq!(super::mode(&value).unwrap_err().message, format!("{mode} are no permissions of a disk"));
        }
        assert_eq!(request(r#"{"request": "dance"}"#), "nobody here knows the request \"dance\"");
        assert_eq!(
            request(r#"{"request": "digests", "disk": 4294967296}"#),
            "the `disk` of a request is 4294967296, and at most 4294967295"
        );
        let hello = r#"{"request": "hello", "protocol": 1, "vmrun": "", "id": "../../etc", "machine": "web", "from": "", "replica": false}"#;
        assert_eq!(request(hello), "\"../../etc\" is no name of a move");
        // What an earlier vmrun says is read.
        let hello = hello.replace("../../etc", "0123456789abcdef");
        assert!(matches!(Request::read(hello.as_bytes()), Ok(Request::Hello(hello)) if hello.taken.is_empty()));
        let state = r#"{"answer": "state", "state": null, "protocol": 2, "vmrun": "0.1.0"}"#;
        assert!(matches!(Answer::read(state.as_bytes()), Ok(Answer::State(state)) if state.given_up.is_none()));
        let answer = |text: &str| Answer::read(text.as_bytes()).unwrap_err().message;
        assert_eq!(answer(r#"{"answer": "state", "state": "asleep"}"#), "\"asleep\" is no state of a move");
    }

    proptest! {
        #[test]
        fn any_text_is_a_message_or_a_fault(text in ".{0,80}") {
            let _ = (Request::read(text.as_bytes()), Answer::read(text.as_bytes()));
        }
    }
}
