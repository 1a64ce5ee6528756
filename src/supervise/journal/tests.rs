//! Journals as they are written, read, torn and of earlier versions.

use super::*;
use crate::host::helper::{HelperId, HelperProcess};
use crate::host::{Effect, Inner};
use crate::model::IscsiSession;
use crate::model::device::Access;
use proptest::prelude::*;

fn me() -> Owner {
    Owner {
        pid: 1234,
        started: "81213".into(),
        boot: "6d1f".into(),
        space: "net:[4026531840],pid:[4026531836]".into(),
        version: "0.1.0".into(),
        since: 1_764_090_312,
        recipe: "/root/my recipes/in\n100%.rhai".into(),
    }
}

fn tap(name: &str) -> Hold {
    Hold::Effect(Effect::create_tap(name.parse().unwrap()))
}

fn holds() -> Vec<Hold> {
    let join = Effect::join("bridge2".parse().unwrap(), "em0".parse().unwrap());
    vec![
        Hold::Lock("install".parse().unwrap()),
        Hold::Node("install".parse().unwrap()),
        tap("tap1"),
        Hold::Effect(join),
        Hold::Image("/vm/a b.img".into(), Access::ReadWrite),
        Hold::Temporary("/vm/ü%.img.1.new".into()),
        Hold::Guest { pid: 77, started: String::new() },
        Hold::Helper {
            name: "swtpm".into(),
            is_fatal: true,
            id: HelperId::Process(HelperProcess { pid: 78, started: "81214".into(), command: "swtpm socket".into() }),
            socket: None,
        },
        Hold::Helper {
            name: "fs".into(),
            is_fatal: false,
            id: HelperId::Process(HelperProcess { pid: 79, started: String::new(), command: "virtiofsd".into() }),
            socket: Some("/run/a b.sock".into()),
        },
        Hold::Effect(Effect::MakeCgroup("/sys/fs/cgroup/vmrun-web".into())),
        session(None),
        session(Some("shop")),
        Hold::Effect(Effect::Lend { jail: "web".parse().unwrap(), tap: "tap1".parse().unwrap() }),
        Hold::Effect(Effect::CreateInner(Box::new(Inner {
            jail: "web".parse().unwrap(),
            bridge: "bridge1".parse().unwrap(),
            half: "epair1b".parse().unwrap(),
            tap: "tap1".parse().unwrap(),
        }))),
    ]
}

fn session(nickname: Option<&str>) -> Hold {
    let (target, portal) = ("iqn.a:web".parse().unwrap(), "10.0.0.30".parse().unwrap());
    let nickname = nickname.map(|nickname| nickname.parse().unwrap());
    Hold::Effect(Effect::IscsiLogin(Box::new(IscsiSession { target, portal, nickname })))
}

fn text() -> String {
    std::iter::once(begun_by(&me())).chain(holds().iter().map(taken)).collect()
}

#[test]
fn a_journal_is_text_that_people_can_read() {
    let expected = "\
2fba9b1a owner 1234 81213 6d1f 0.1.0 1764090312 /root/my%20recipes/in%0a100%25.rhai
0c4e6b19 space net:[4026531840],pid:[4026531836]
+ lock install
+ node install
+ tap tap1
+ member bridge2 em0
+ writes /vm/a%20b.img
+ file /vm/ü%25.img.1.new
+ guest 77 
+ helper swtpm 78 81214 fatal swtpm%20socket
+ helper fs 79   virtiofsd /run/a%20b.sock
+ cgroup /sys/fs/cgroup/vmrun-web
+ session iqn.a:web 10.0.0.30
+ session iqn.a:web 10.0.0.30 shop
+ lent web tap1
+ inner web bridge1 epair1b tap1
";
    let text = text();
    let without: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let expected: Vec<&str> = expected
        .lines()
        .map(|line| if line.starts_with('+') { line } else { line.split_once(' ').unwrap().1 })
        .collect();
    assert_eq!(without, expected);
}

#[test]
fn what_was_written_is_read_and_what_was_given_back_is_not() {
    let journal = Journal::read(&text());
    let whole = Journal { owner: Some(me()), holds: holds(), ..Journal::default() };
    assert_eq!(journal, whole);
    let other = Owner { pid: 99, ..me() };
    let taken_over = Journal::read(&[text(), in_background(), begun_by(&other)].concat());
    assert_eq!(taken_over, Journal { owner: Some(other), in_background: true, ..whole });
    let journal = Journal::read(&[text(), given_back(&tap("tap1")), given_back(&tap("tap9"))].concat());
    let rest: Vec<Hold> = holds().into_iter().filter(|hold| *hold != tap("tap1")).collect();
    assert_eq!(journal.holds, rest);
    let db: VmName = "db".parse().unwrap();
    let grown = Journal::read(&[vcpus(&db, 2), vcpus(&db, 4), line(&["vcpus", "db", "many"])].concat());
    assert_eq!(grown.vcpus, [(db, 4)].into());
    let alone = [Exclusive::new(Role::Serial, "/dev/nmdm0A"), Exclusive::new(Role::Vnc, "[::1]:5901")];
    let lines: String = alone.iter().map(has).chain([line(&["has", "luck", "a lot"])]).collect();
    assert_eq!(Journal::read(&lines).alone, alone);
    assert_eq!(Journal::read(&part_of(&"db".parse().unwrap())).part_of, "db".parse().ok());
    let db = || "db".parse().unwrap();
    for work in [Work::Export(db()), Work::Clone(db()), Work::Change(db())] {
        assert_eq!(Journal::read(&of_work(&work)).work, Some(work));
    }
    let stopped = [stops(Means::PowerButton), stops(Means::Force), line(&["stops", "by magic"])].concat();
    assert_eq!(Journal::read(&stopped).stops, Some(Means::Force));
    assert_eq!(Journal::read(&[stopped, begun_by(&me())].concat()).stops, None);
}

#[test]
fn what_no_step_of_the_clock_changes_is_that_of_the_owner_and_the_guest_that_count() {
    let witness = Witness { boot: Some("0123abcd".into()), starts: [(1234, 40), (77, 41)].into() };
    let lines = witnessed(&witness);
    let words: Vec<&str> = lines.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(words, ["boot 0123abcd", "start 77 41", "start 1234 40"]);
    let known = |text: String| {
        let journal = Journal::read(&text);
        (journal.boot, journal.starts.into_iter().collect::<Vec<_>>())
    };
    let boot = || Some("0123abcd".to_string());
    assert_eq!(known([text(), lines.clone()].concat()), (boot(), vec![(77, 41), (1234, 40)]));
    // Whoever took over was started at another time, in the same boot; so was the next guest.
    let other = begun_by(&Owner { pid: 1234, ..me() });
    assert_eq!(known([text(), lines.clone(), other].concat()), (boot(), vec![(77, 41)]));
    let next = taken(&Hold::Guest { pid: 77, started: String::new() });
    assert_eq!(known([text(), lines, next].concat()), (boot(), vec![(1234, 40)]));
    assert_eq!(known(text()), (None, vec![]));
    assert_eq!(witnessed(&Witness::default()), "");
    assert_eq!(known([text(), line(&["start", "1234", "soon"])].concat()), (None, vec![]));
}

#[test]
fn an_owner_is_named_with_its_recipe_and_its_time() {
    let owner = Owner { recipe: "web.rhai".into(), ..me() };
    assert_eq!(owner.to_string(), "vmrun 1234, of web.rhai, since 2025-11-25 17:05:12 UTC");
}

#[test]
fn an_owner_is_elsewhere_if_both_places_are_known_and_is_told_by_where_that_is() {
    let of = |space: &str| Owner { space: space.into(), ..me() };
    let is_elsewhere = |there: &str, here: &str| of(there).is_elsewhere(|| here.into());
    assert!(is_elsewhere("host", "jail:web") && is_elsewhere("jail:web", "host") && is_elsewhere("jail:a", "jail:b"));
    assert!(!is_elsewhere("jail:web", "jail:web") && !is_elsewhere("", "host") && !is_elsewhere("host", ""));
    let places = ["host", "jail:web.example.org", "jail:", "net:[1],pid:[2]"].map(|space| of(space).whereabouts());
    assert_eq!(
        places,
        [
            "on the host of this jail",
            "in the jail with the host name web.example.org",
            "in a jail without a host name",
            "in other namespaces than this vmrun, net:[1],pid:[2]",
        ]
    );
}

/// The owner of a journal whose lines about it are whole, or not: where it is may be missing.
fn owner_of(is_whole: bool, has_space: bool) -> Option<Owner> {
    let space = if has_space { me().space } else { String::new() };
    is_whole.then(|| Owner { space, ..me() })
}

proptest! {
    #[test]
    fn a_torn_journal_has_every_hold_but_the_torn_one(cut in 0_usize..400) {
        let whole = text();
        let cut = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
        let torn = Journal::read(&whole[..cut]);
        let lines = whole[..cut].matches('\n').count() + usize::from(whole[cut..].starts_with('\n'));
        prop_assert_eq!(torn.owner, owner_of(lines > 0, lines > 1));
        prop_assert_eq!(torn.holds, holds()[..lines.saturating_sub(2)].to_vec());
    }

    #[test]
    fn a_line_with_one_wrong_byte_says_nothing(at in 0_usize..400, byte in 0x21_u8..0x7f) {
        let whole = text();
        let mut bytes = whole.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != byte && bytes[at] != b'\n' && bytes[at].is_ascii());
        bytes[at] = byte;
        let line = whole[..at].matches('\n').count();
        let mut expected = holds();
        if line > 1 { expected.remove(line - 2); }
        let read = Journal::read(&String::from_utf8(bytes).unwrap());
        prop_assert_eq!(read.owner, owner_of(line != 0, line != 1));
        prop_assert_eq!(read.holds, expected);
    }

    #[test]
    fn any_text_can_be_read(text in ".{0,200}") {
        let _ = Journal::read(&text);
    }
}
