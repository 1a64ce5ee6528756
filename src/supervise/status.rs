//! The status of a machine in the background: `standing.json` in the machine's folder, which everybody may read. The file has
//! the name by which earlier versions know it.
//!
//! Only a run in the background writes it; whoever lists machines reads it. A machine that has failed keeps it when its
//! supervisor has ended.

use crate::host::Host;
use crate::model::permit::PermitOptions;
use crate::model::{Shape, Size, SshOptions, VmName};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The state of a machine in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// Its recipe is being evaluated, or its hypervisor has only just been started.
    Starting,
    /// Its guest runs.
    Running,
    /// Its guest was asked to power off.
    Stopping,
    /// Its guest crashed, or rebooted as soon as it was started, and is started again when its time has come.
    Waiting,
    /// Its guest crashed too often, or could not be started again: nothing happens until somebody starts it. People, and
    /// earlier versions, read "held".
    Failed,
}

impl MachineState {
    const ALL: [Self; 5] = [Self::Starting, Self::Running, Self::Stopping, Self::Waiting, Self::Failed];

    /// Returns its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Waiting => "waiting",
            Self::Failed => "held",
        }
    }
}

impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The status of a machine in the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineStatus {
    /// The machine.
    pub name: VmName,
    /// Whether it runs, waits, failed or ended, when it was written down.
    pub state: MachineState,
    /// The process that looks after it.
    pub supervisor: Option<u32>,
    /// The process of its hypervisor.
    pub guest: Option<u32>,
    /// The second of 1970 in which this state began.
    pub since: u64,
    /// How often it was booted, reboots included.
    pub boots: u64,
    /// How often it was started again after a crash.
    pub restarts: u64,
    /// The path of its recipe.
    pub recipe: String,
    /// Whether its first boot initializes it.
    pub init: bool,
    /// The parameters that the recipe was given.
    pub params: BTreeMap<String, String>,
    /// Whether its network is inside its process.
    pub user_net: bool,
    /// What the machine needs to run, as its command line says.
    pub permit: PermitOptions,
    /// How long its guest may take to power off.
    pub stop_within: Duration,
    /// The machines that it starts after.
    pub after: Vec<VmName>,
    /// The path of its log.
    pub log: String,
    /// Where in its log, in bytes, what its last boot says begins.
    pub log_from: u64,
    /// The last error.
    pub error: Option<String>,
    /// The second of 1970 in which it is started again, while it waits.
    pub until: Option<u64>,
    /// What it was made of when it was last booted.
    pub shape: Shape,
    /// The hypervisor's command line when it was last booted, in which there are no secrets; empty where an earlier version booted it.
    pub argv: Vec<String>,
    /// How its guest is reached by ssh, as its recipe says.
    pub ssh: SshOptions,
}

impl MachineStatus {
    /// Returns the status of a machine in the background; nothing of one that is not there.
    pub(crate) fn of(host: &dyn Host, name: &VmName) -> Option<Self> {
        host.store().status(name).and_then(|text| Self::read(&text))
    }

    /// Reads what [`MachineStatus::text`] wrote; nothing if it is anything else.
    pub fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let map = value.as_object()?;
        let number = |key: &str| map.get(key).and_then(Value::as_u64);
        let word = |key: &str| map.get(key).and_then(Value::as_str);
        let process = |key: &str| number(key).and_then(|pid| u32::try_from(pid).ok());
        let is = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or_default();
        let after = map.get("after").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            name: word("name")?.parse().ok()?,
            state: MachineState::ALL.into_iter().find(|state| Some(state.word()) == word("state"))?,
            supervisor: process("supervisor"),
            guest: process("guest"),
            since: number("since")?,
            boots: number("boots").unwrap_or_default(),
            restarts: number("restarts").unwrap_or_default(),
            recipe: word("recipe")?.into(),
            init: is("init"),
            params: map.get("params").and_then(Value::as_object).map(params).unwrap_or_default(),
            user_net: is("user_net"),
            permit: map.get("permit").map(permit_options).unwrap_or_default(),
            stop_within: number("stop_within_ms").map_or(super::STOP_WITHIN, Duration::from_millis),
            after: after.filter_map(|name| name.as_str()?.parse().ok()).collect(),
            log: word("log").unwrap_or_default().into(),
            log_from: number("log_from").unwrap_or_default(),
            error: word("error").map(Into::into),
            until: number("until"),
            shape: shape(map),
            argv: parsed(map, "argv"),
            ssh: map.get("ssh").map(ssh_options).unwrap_or_default(),
        })
    }

    /// Returns it as one line of JSON.
    pub fn text(&self) -> String {
        let after: Vec<&str> = self.after.iter().map(VmName::as_str).collect();
        let stop_within = u64::try_from(self.stop_within.as_millis()).unwrap_or(u64::MAX);
        let value = json!({
            "name": self.name.as_str(), "state": self.state.word(), "supervisor": self.supervisor, "guest": self.guest,
            "since": self.since, "boots": self.boots, "restarts": self.restarts, "recipe": self.recipe,
            "init": self.init, "params": self.params, "user_net": self.user_net, "stop_within_ms": stop_within,
            "after": after, "log": self.log, "log_from": self.log_from, "error": self.error, "until": self.until,
            "cpus": self.shape.cpus, "memory": self.shape.memory.map(Size::get), "vnc": self.shape.vnc.map(|it| it.to_string()),
            "disks": self.shape.disks, "taps": self.shape.taps,
            "macs": texts(&self.shape.macs), "forwards": texts(&self.shape.forwards), "ssh": ssh_value(&self.ssh),
            "agent": self.shape.agent, "argv": self.argv, "permit": permit_value(&self.permit),
        });
        format!("{value}\n")
    }
}

fn shape(map: &Map<String, Value>) -> Shape {
    let number = |key: &str| map.get(key).and_then(Value::as_u64);
    let texts = |key: &str| {
        let all = map.get(key).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|text| text.as_str().map(Into::into)).collect()
    };
    Shape {
        cpus: number("cpus"),
        memory: number("memory").map(Size::bytes),
        vnc: map.get("vnc").and_then(|text| text.as_str()?.parse().ok()),
        disks: texts("disks"),
        taps: texts("taps"),
        macs: parsed(map, "macs"),
        forwards: parsed(map, "forwards"),
        agent: map.get("agent").and_then(Value::as_str).map(Into::into),
    }
}

/// The values of a list that can be read.
fn parsed<T: FromStr>(map: &Map<String, Value>, key: &str) -> Vec<T> {
    let all = map.get(key).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|text| text.as_str()?.parse().ok()).collect()
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// What a machine needs to run, or null if its command line says nothing of it; earlier versions wrote nothing.
fn permit_value(permit: &PermitOptions) -> Value {
    let ttl = permit.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    let is_some = *permit != PermitOptions::default();
    is_some.then(|| json!({ "acquire": permit.acquire, "keep": permit.keep, "ttl_ms": ttl })).into()
}

/// Reads what [`permit_value`] wrote.
fn permit_options(value: &Value) -> PermitOptions {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(Into::into);
    let ttl = value.get("ttl_ms").and_then(Value::as_u64).map(Duration::from_millis);
    PermitOptions { acquire: text("acquire"), keep: text("keep"), ttl }
}

/// What is said of ssh, as other programs read it; earlier versions wrote nothing of it.
pub(crate) fn ssh_value(ssh: &SshOptions) -> Value {
    json!({
        "user": ssh.user.as_ref().map(ToString::to_string), "host_key": ssh.host_key.as_ref().map(ToString::to_string),
        "port": ssh.port, "address": ssh.address, "identity": ssh.identity.as_ref().map(ToString::to_string),
    })
}

/// Reads what [`ssh_value`] wrote; what cannot be read is as if it were not said.
pub(crate) fn ssh_options(value: &Value) -> SshOptions {
    fn parsed<T: FromStr>(value: &Value, key: &str) -> Option<T> {
        value.get(key).and_then(|text| text.as_str()?.parse().ok())
    }
    SshOptions {
        user: parsed(value, "user"),
        host_key: parsed(value, "host_key"),
        port: value.get("port").and_then(|port| u16::try_from(port.as_u64()?).ok()),
        address: parsed(value, "address"),
        identity: parsed(value, "identity"),
    }
}

fn params(map: &Map<String, Value>) -> BTreeMap<String, String> {
    map.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostKey;
    use proptest::prelude::*;

    fn waiting() -> MachineStatus {
        MachineStatus {
            name: "db".parse().unwrap(),
            state: MachineState::Waiting,
            supervisor: Some(77),
            guest: None,
            since: 1_764_090_312,
            boots: 3,
            restarts: 2,
            recipe: "/vm/my \"db\".rhai".into(),
            init: true,
            params: [("disk".to_string(), "/vm/a b.img".to_string())].into(),
            user_net: true,
            permit: PermitOptions {
                acquire: Some("etcdctl lock db".into()),
                keep: None,
                ttl: Some(Duration::from_secs(15)),
            },
            stop_within: Duration::from_millis(1500),
            after: vec!["net".parse().unwrap()],
            log: "/var/log/vmrun/db.log".into(),
            log_from: 1300,
            error: Some("the guest met a triple fault".into()),
            until: Some(1_764_090_316),
            shape: Shape {
                cpus: Some(2),
                memory: Some(Size::mib(512)),
                vnc: "10.0.0.5:5901".parse().ok(),
                disks: vec!["/vm/db.img".into()],
                taps: vec!["tap1".into()],
                macs: vec!["58:9c:fc:00:00:01".parse().unwrap()],
                forwards: vec!["tcp:127.0.0.1:2222-:22".parse().unwrap()],
                agent: Some("/run/web.agent".into()),
            },
            argv: ["bhyve", "-c", "2", "db"].map(String::from).to_vec(),
            ssh: SshOptions {
                user: "debian".parse().ok(),
                host_key: Some(HostKey::not_made()),
                port: Some(2022),
                address: "10.0.0.5".parse().ok(),
                identity: "/home/ann/.ssh/id".parse().ok(),
            },
        }
    }

    #[test]
    fn it_is_one_line_that_other_programs_read() {
        assert_eq!(
            waiting().text(),
            "{\"after\":[\"net\"],\"agent\":\"/run/web.agent\",\"argv\":[\"bhyve\",\"-c\",\"2\",\"db\"],\"boots\":3,\"cpus\":2,\"disks\":[\"/vm/db.img\"],\"error\":\"the guest met a triple fault\",\
             \"forwards\":[\"tcp:127.0.0.1:2222-:22\"],\"guest\":null,\"init\":true,\"log\":\"/var/log/vmrun/db.log\",\"log_from\":1300,\
             \"macs\":[\"58:9c:fc:00:00:01\"],\"memory\":536870912,\"name\":\"db\",\"params\":{\"disk\":\"/vm/a b.img\"},\"permit\":{\"acquire\":\"etcdctl lock db\",\"keep\":null,\"ttl_ms\":15000},\
             \"recipe\":\"/vm/my \\\"db\\\".rhai\",\"restarts\":2,\"since\":1764090312,\"ssh\":{\"address\":\"10.0.0.5\",\
             \"host_key\":\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\
             \"identity\":\"/home/ann/.ssh/id\",\"port\":2022,\"user\":\"debian\"},\"state\":\"waiting\",\
             \"stop_within_ms\":1500,\"supervisor\":77,\"taps\":[\"tap1\"],\"until\":1764090316,\"user_net\":true,\
             \"vnc\":\"10.0.0.5:5901\"}\n"
        );
    }

    #[test]
    fn what_was_written_is_read() {
        for state in MachineState::ALL {
            let status = MachineStatus { state, ..waiting() };
            assert_eq!(MachineStatus::read(&status.text()), Some(status));
        }
        let short = "{\"name\":\"db\",\"state\":\"held\",\"since\":1,\"recipe\":\"db.rhai\"}";
        assert_eq!(MachineStatus::read(short).map(|status| status.stop_within), Some(super::super::STOP_WITHIN));
        assert_eq!(MachineStatus::read("{\"name\":\"db\",\"state\":\"asleep\",\"since\":1,\"recipe\":\"\"}"), None);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}", cut in 0_usize..300) {
            let _ = MachineStatus::read(&text);
            let whole = waiting().text();
            prop_assert_eq!(MachineStatus::read(&whole[..cut.min(whole.len() - 2)]), None);
        }
    }
}
