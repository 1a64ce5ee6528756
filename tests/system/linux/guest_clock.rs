//! The clock of a real guest, which its host sets when it has slept. That it has is told by a file in the place of /proc/uptime.

use super::guest::{end, with_agent};
use super::{FIRMWARE, Outcome, SOON, World, outcome, utf8, wait_for};
use std::fs;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

struct Host(World);

impl Drop for Host {
    fn drop(&mut self) {
        end(&self.0, "web");
    }
}

impl Host {
    fn vmrun(&self, words: &[&str]) -> Outcome {
        let mut command = self.0.vmrun();
        command.env("VMRUN_KVM_DIR", self.0.path(""));
        self.0.start("vmrun", command.args(words).stdin(Stdio::null())).ends(FIRMWARE)
    }

    /// The host has slept for so long; it was started long ago.
    fn has_slept(&self, seconds: u64) {
        // At once: somebody reads it.
        self.0.write("proc/uptime.new", format!("{}.00 0.00\n", 2_000_000_000 + seconds));
        fs::rename(self.0.path("proc/uptime.new"), self.0.path("proc/uptime")).unwrap();
    }

    /// The time that the guest has, in seconds of 1970.
    fn time(&self) -> u64 {
        let said = self.vmrun(&["exec", "web", "--", "date", "+%s"]);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
        said.stdout.trim().parse().unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_guest_has_the_time_that_it_is_when_its_host_has_slept() {
    let host = Host(World::new());
    fs::create_dir(host.0.path("proc")).unwrap();
    host.has_slept(0);
    let recipe = host.0.write(
        "web.rhai",
        format!(
            "ready(#{{ agent: true, within: \"4m\" }});\nbhyve(#{{ name: \"web\", memory: 256.MiB, bootrom: uefi(), agent: \"9\", \
             slots: #{{ \"0\": hostbridge(), \"3\": virtio_blk(\"{}\"), \"5\": virtio_net(\"slirp\"), \"31\": lpc() }} }}).run();\n",
            with_agent(&host.0).display()
        ),
    );
    assert_eq!(host.vmrun(&["start", utf8(&recipe)]), outcome(0, "", "vmrun: web runs\nvmrun: web is ready\n"));
    // A guest that is an hour late, as one would be.
    let late = format!("date -s @{} >/dev/null", now() - 3600);
    assert_eq!(host.vmrun(&["exec", "web", "--", "sh", "-c", &late]), outcome(0, "", ""));
    assert!(host.time() < now() - 3500);
    host.has_slept(3600);
    let told = "the clock of the guest was set";
    let events = wait_for(told, SOON, || {
        let events = host.vmrun(&["events", "web"]).stdout;
        events.contains("\"event\":\"clock\"").then_some(events)
    });
    assert!(events.contains(told), "{events}");
    assert!(host.time().abs_diff(now()) < 10);
    assert!(host.vmrun(&["logs", "web"]).stdout.contains(told));
    assert_eq!(host.vmrun(&["kill", "web"]), outcome(0, "", "vmrun: web was switched off\n"));
    host.0.is_clean();
}
