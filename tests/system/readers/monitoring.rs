//! Prometheus, as it reads what vmrun tells of machines, and the alerts that stand beside it.

use crate::host::{Host, kill};
use crate::sandbox::{Sandbox, project};
use crate::tools::{need, tool};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn each_alert_comes_when_it_should_and_only_then() {
    need(&["promtool"]);
    let rules = tool("promtool", &["check", "rules", &project("packaging/prometheus/vmrun.rules.yml")]);
    assert!(rules.contains("SUCCESS: 5 rules found"), "{rules}");
    let tests = tool("promtool", &["test", "rules", &project("packaging/prometheus/vmrun.test.yml")]);
    assert!(tests.contains("SUCCESS"), "{tests}");
}

#[test]
fn prometheus_finds_nothing_to_say_against_the_numbers() {
    need(&["promtool"]);
    let sandbox = Sandbox::new();
    let done = sandbox.run(&["metrics"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let mut reader = sandbox.program("promtool", &["check", "metrics"]);
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(done.stdout.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&read.stdout), String::from_utf8_lossy(&read.stderr));
    assert!(read.status.success() && said.is_empty(), "{said}");
}

/// A Prometheus, until this is dropped.
struct Prometheus {
    process: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// Has one scrape an address every second, with the alerts that are beside vmrun.
    fn scraping(sandbox: &Sandbox, target: SocketAddr) -> Self {
        let rules = project("packaging/prometheus/vmrun.rules.yml");
        sandbox.write(
            "prometheus.yml",
            &format!(
                "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [\"{rules}\"]\n\
                 scrape_configs: [{{ job_name: vmrun, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n"
            ),
        );
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", sandbox.path("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", sandbox.path("tsdb").display()));
        command.arg(format!("--web.listen-address={address}")).current_dir(sandbox.path(""));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, address }
    }

    /// What it answers at a path of its interface; nothing while it does not.
    fn answer(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    /// Waits until an expression has this value.
    #[track_caller]
    fn until(&self, expression: &str, value: Option<&str>) {
        let begin = Instant::now();
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        loop {
            let answer = self.answer(&format!("/api/v1/query?query={encoded}")).unwrap_or_default();
            let found = answer.pointer("/data/result/0/value/1").and_then(Value::as_str);
            if answer["status"] == "success" && found == value {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(90), "{expression}: {answer}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Answers every question by what `vmrun metrics` prints at that moment.
fn exporter(host: Arc<Host>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // What was asked is not of interest, but has to be read.
            let _ = stream.read(&mut [0; 4096]);
            let text = host.run(&["metrics"]).stdout;
            let length = text.len();
            let _ = write!(
                stream,
                "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\r\n{text}"
            );
        }
    });
    address
}

#[test]
fn a_real_prometheus_follows_a_machine_from_its_start_to_its_end() {
    need(&["prometheus"]);
    let host = Arc::new(Host::new("run\n"));
    host.recipe("db", "");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
    let prometheus = Prometheus::scraping(&host, exporter(host.clone()));
    prometheus.until("up{job=\"vmrun\"}", Some("1"));
    prometheus.until("vmrun_machine_up{machine=\"db\"}", Some("1"));
    prometheus.until("vmrun_machine_memory_bytes{machine=\"db\"}", Some("268435456"));
    // Its supervisor is killed: the guest goes on, and the alert waits for it.
    kill(host.status("db").and_then(|status| status.supervisor).unwrap());
    prometheus.until("vmrun_machine_state{machine=\"db\",state=\"unsupervised\"}", Some("1"));
    prometheus.until("ALERTS{alertname=\"VmrunMachineUnsupervised\",alertstate=\"pending\",machine=\"db\"}", Some("1"));
    assert_eq!(host.run(&["stop", "db"]).code, 0);
    prometheus.until("vmrun_machine_up{machine=\"db\"}", None);
    let rules = prometheus.answer("/api/v1/rules").unwrap();
    let rules = rules.pointer("/data/groups/0/rules").and_then(Value::as_array).unwrap();
    assert!(rules.len() == 5 && rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
}
