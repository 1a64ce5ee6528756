//! What a script calls: its text, the journal of its calls, and what they come to.

use vmrun::internals::model::argv::quote;
use vmrun::internals::recording::{
    Call, Recording, Scenario, World, again, carried, escape, hidden, journal, merge, transcript, words,
};

const FIXTURES: [&str; 3] = [
    include_str!("../../fixtures/record/ifconfig.txt"),
    include_str!("../../fixtures/record/install.sh.txt"),
    include_str!("../../fixtures/record/report1.sh.txt"),
];

/// The fixtures, a journal and a setting.
pub fn seeds() -> Vec<Vec<u8>> {
    let calls = [
        "ifconfig tap1 create\nifconfig bridge2 addm tap1 up\nifconfig tap create name lab group vm\nifconfig -l\n\
         truncate -s 20G /vm/a.img\nbhyve -c 1 -s 29,fbuf,password=x lab\nifconfig tap1 destroy",
        "mdconfig -a -t vnode -f /vm/a.img\nnewfs_msdos -F 16 md0\nmount -t msdosfs /dev/md0 /mnt\numount /mnt\n\
         zfs create -V 20G zroot/vm\nsudo -u root kldload vmm\nbhyvectl --destroy --vm=lab\nsysctl -n hw.ncpu",
    ];
    let mut world = World::new(&Scenario::default());
    let mut bytes = Vec::new();
    for call in calls.iter().flat_map(|calls| calls.lines()) {
        let argv = words::split(call).unwrap();
        bytes.extend(journal::write_call(&argv, b"/", &world.call(&argv)));
    }
    let texts = FIXTURES.iter().chain(&calls).map(|text| text.as_bytes().to_vec());
    texts.chain([bytes, journal::write_scenario(&Scenario::default())]).collect()
}

pub fn holds(bytes: &[u8]) {
    let (calls, length) = journal::read_calls(bytes);
    assert!(length <= bytes.len());
    told(calls);
    if let Some(setting) = journal::read_scenario(bytes) {
        assert_eq!(journal::read_scenario(&journal::write_scenario(&setting)).as_ref(), Some(&setting));
        World::new(&setting);
    }
    let text = String::from_utf8_lossy(bytes);
    for found in escape::find(&text) {
        assert!(text.get(found.span).is_some_and(|text| !text.is_empty()));
    }
    let hidden = hidden::hide(&text);
    assert_eq!(hidden::hide(&hidden), hidden);
    called(&text);
}

/// Every line is a call of one script.
fn called(text: &str) {
    let mut world = World::new(&Scenario::default());
    let mut calls = Vec::new();
    let mut bytes = Vec::new();
    for line in text.lines() {
        let Ok(argv) = words::split(line) else { continue };
        let quoted: Vec<String> = argv.iter().map(|word| quote(word)).collect();
        assert_eq!(words::split(&quoted.join(" ")).as_ref(), Ok(&argv));
        let argv = carried(&argv).filter(|_| line.starts_with("sudo")).map_or(argv.as_slice(), |carried| carried.words);
        let answer = world.call(argv);
        bytes.extend(journal::write_call(argv, b"/vm", &answer));
        calls.push(Call::new(argv, b"/vm", &answer));
    }
    let read = journal::read_calls(&bytes);
    assert_eq!((read.0.len(), read.1), (calls.len(), bytes.len()));
    told(calls);
}

/// Two recordings of the same calls, one of them cut short.
fn told(calls: Vec<Call>) {
    let half = calls.get(..calls.len() / 2).unwrap_or_default().to_vec();
    let recording = |calls| Recording { calls, ..Recording::default() };
    let (with, without) = (recording(calls), recording(half));
    for without in [None, Some(&without)] {
        let steps = merge(&with, without);
        assert!(steps.iter().all(|step| step.given_back_by.is_none_or(|by| by < steps.len())));
        let again = again(&with, without);
        transcript::text(&steps, again, "-i", "vm.sh");
        transcript::json(&steps, again, &with, without);
    }
}
