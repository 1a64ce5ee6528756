//! The QEMU guest agent's protocol (QEMU's docs/interop/qemu-ga-ref): a JSON object in each line. Pure: a guest may send anything, and
//! what is no answer ends in a fault.

use crate::diag::{Blame, Fault};
use serde_json::{Value, json};

/// The most bytes that one answer may have.
pub(crate) const MOST: usize = 16 << 20;

/// How many bytes may come before the answer to a synchronisation: what the guest had to say to somebody who asked before.
const STALE: usize = MOST + (1 << 20);

/// The most bytes that the answer to a synchronisation has.
const SHORT: usize = 256;

/// The byte which is in no text, and by which both sides say that what came before is over (`guest-sync-delimited`).
const DELIMITER: u8 = 0xff;

/// Returns a request as it is sent.
pub(crate) fn request(command: &str, arguments: &Value) -> Vec<u8> {
    let request = if arguments.is_null() {
        json!({ "execute": command })
    } else {
        json!({ "execute": command, "arguments": arguments })
    };
    format!("{request}\n").into_bytes()
}

/// Returns the request that begins a conversation: it ends whatever was half said before, and the answer has the same number.
pub(crate) fn synchronisation(id: u32) -> Vec<u8> {
    let mut bytes = vec![DELIMITER];
    bytes.extend(request("guest-sync-delimited", &json!({ "id": id })));
    bytes
}

/// What the agent has sent, of which answers are made.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    bytes: Vec<u8>,
    /// Up to where there is no end of a line.
    searched: usize,
    /// How many bytes were left out that were meant for another.
    stale: usize,
}

impl Heard {
    /// Takes what has come.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns whether the answer to the synchronisation of this number is there. All that came before it is left out.
    pub(crate) fn is_synchronised(&mut self, id: u32) -> Result<bool, Fault> {
        let mut at = 0;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            // No text of JSON has a delimiter in it: only the last one of a line can begin an answer.
            let begin =
                rest.get(..end.unwrap_or(rest.len())).and_then(|line| line.iter().rposition(|byte| *byte == DELIMITER));
            let Some(end) = end else {
                // An answer to this is short: what has no end by now is none.
                let kept = begin.filter(|begin| rest.len() - begin <= SHORT);
                return self.forget(kept.map_or(self.bytes.len(), |begin| at + begin)).map(|()| false);
            };
            let line = begin.and_then(|begin| rest.get(begin + 1..end)).filter(|line| line.len() <= SHORT);
            let answer: Option<Value> = line.and_then(|line| serde_json::from_slice(line).ok());
            at += end + 1;
            if answer.and_then(|answer| answer.get("return")?.as_u64()) == Some(u64::from(id)) {
                self.take(at);
                return Ok(true);
            }
        }
    }

    /// Returns the next answer, if it is there as a whole: what the command returned, or why it was refused.
    pub(crate) fn answer(&mut self) -> Result<Option<Result<Value, String>>, Fault> {
        let rest = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n').map(|at| self.searched + at) else {
            self.searched = self.bytes.len();
            return if self.bytes.len() > MOST { Err(flood()) } else { Ok(None) };
        };
        if end > MOST {
            return Err(flood());
        }
        let parsed = self.bytes.get(..end).and_then(|line| serde_json::from_slice::<Value>(line).ok());
        self.take(end + 1);
        let value = parsed.ok_or_else(|| garbled("what is no JSON"))?;
        if let Some(returned) = value.get("return") {
            return Ok(Some(Ok(returned.clone())));
        }
        let refused = value.pointer("/error/desc").and_then(Value::as_str);
        refused.map(|why| Some(Err(why.chars().take(300).collect()))).ok_or_else(|| garbled("what is no answer"))
    }

    fn take(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.searched = 0;
    }

    fn forget(&mut self, count: usize) -> Result<(), Fault> {
        self.take(count);
        self.stale += count;
        if self.stale > STALE { Err(flood()) } else { Ok(()) }
    }
}

/// The fault of an agent that says too much.
fn flood() -> Fault {
    let fault = Fault::new(format!("sends more than {} MiB in one answer", MOST >> 20)).blame(Blame::Guest);
    fault.hint("have the command write a file in the guest, and `vmrun cp` fetch that")
}

/// The fault of an agent that says something else.
pub(crate) fn garbled(what: &str) -> Fault {
    let fault = Fault::new(format!("answers with {what}")).blame(Blame::Guest);
    fault.hint("whatever speaks in the guest is no qemu-ga, or one that is broken: look at it by `vmrun console`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(bytes: &[u8]) -> Heard {
        Heard { bytes: bytes.to_vec(), ..Heard::default() }
    }

    fn fault(result: Result<impl std::fmt::Debug, Fault>) -> String {
        let fault = result.unwrap_err();
        assert_eq!(fault.blame, Blame::Guest);
        format!("{} | {}", fault.message, fault.hint.unwrap())
    }

    #[test]
    fn requests_are_lines() {
        assert_eq!(synchronisation(7), b"\xff{\"arguments\":{\"id\":7},\"execute\":\"guest-sync-delimited\"}\n");
        assert_eq!(request("guest-ping", &Value::Null), b"{\"execute\":\"guest-ping\"}\n");
    }

    #[test]
    fn only_the_answer_of_the_same_number_begins_a_conversation() {
        let mut all =
            heard(b"{\"return\": {}}\n{\"half\xff{\"return\": 6}\n\xff\xff{\"return\": 7}\n{\"return\": 8}\n");
        assert_eq!(all.is_synchronised(7), Ok(true));
        assert_eq!(all.answer(), Ok(Some(Ok(json!(8)))));
        assert_eq!(all.answer(), Ok(None));
        assert_eq!(heard(b"\xff{\"return\": 6}\n").is_synchronised(7), Ok(false));
        assert_eq!(heard(b"{\"return\": 7}\n").is_synchronised(7), Ok(false));
        let mut late = heard(b"\xff{\"return\"");
        assert_eq!(late.is_synchronised(7), Ok(false));
        late.add(b": 7}\n");
        assert_eq!(late.is_synchronised(7), Ok(true));
    }

    #[test]
    fn answers_are_what_is_returned_or_why_not() {
        let refused =
            b"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command guest-exec has been disabled\"}}\n";
        assert_eq!(heard(refused).answer(), Ok(Some(Err("The command guest-exec has been disabled".into()))));
        let none =
            " | whatever speaks in the guest is no qemu-ga, or one that is broken: look at it by `vmrun console`";
        assert_eq!(fault(heard(b"\x1b[2J\n").answer()), format!("answers with what is no JSON{none}"));
        assert_eq!(fault(heard(b"[1]\n").answer()), format!("answers with what is no answer{none}"));
        let deep = [b"[".repeat(100_000), b"\n".to_vec()].concat();
        assert_eq!(fault(heard(&deep).answer()), format!("answers with what is no JSON{none}"));
    }

    #[test]
    fn a_line_without_an_end_and_a_flood_are_one_fault() {
        let said = "sends more than 16 MiB in one answer | have the command write a file in the guest, and `vmrun cp` fetch that";
        assert_eq!(fault(heard(&vec![b' '; MOST + 1]).answer()), said);
        assert_eq!(fault(heard(&vec![b' '; STALE + 1]).is_synchronised(7)), said);
        let mut drips = Heard::default();
        let flood = (0..=STALE >> 20).find_map(|_| {
            drips.add(&vec![b'x'; 1 << 20]);
            drips.is_synchronised(7).err()
        });
        assert_eq!(fault(Err::<(), _>(flood.unwrap())), said);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_pieces_is_heard_alike(
            parts in prop::collection::vec(prop_oneof![
                Just(b"\xff".to_vec()), Just(b"{\"return\": 7}\n".to_vec()), Just(b"{\"return\": {}}\n".to_vec()),
                Just(b"\n".to_vec()), prop::collection::vec(any::<u8>(), 0..9),
            ], 0..12),
            piece in 1_usize..9,
        ) {
            let bytes = parts.concat();
            let mut pieces = Heard::default();
            let mut is_in = false;
            for piece in bytes.chunks(piece) {
                pieces.add(piece);
                is_in = is_in || pieces.is_synchronised(7).unwrap();
            }
            let mut whole = heard(&bytes);
            prop_assert_eq!(whole.is_synchronised(7).unwrap(), is_in);
            for _ in 0..parts.len() {
                let _ = whole.answer();
            }
        }
    }
}
