//! Two hosts of the fake FreeBSD, of which one reaches the other by ssh, and a machine that is moved between them.

use super::host::{Host, SOON};
use super::sandbox::Done;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::{Duration, Instant};

/// The recipe of `web`: all that it has is beside it, wherever that is.
pub(crate) const WEB: &str = "let nic = tap(\"tap2\");
bridge(\"bridge2\").add(nic);
bhyve(#{
    name: \"web\", cpus: 1, memory: 64.MiB, bootrom: bootrom(\"rom.fd\"),
    slots: #{
        \"0\": hostbridge(), \"4\": virtio_blk(\"web.img\"), \"5\": virtio_blk(\"data.img\"), \"6\": virtio_net(nic), \"31\": lpc(),
    },
}).run();
";

/// The size of each of its disks: three blocks and a bit.
const SIZE: u64 = (3 << 20) + 4096;

/// The two hosts.
pub(crate) struct TwoHosts {
    /// That which has the machine.
    pub(crate) source: Host,
    /// That which gets it.
    pub(crate) target: Host,
}

impl TwoHosts {
    /// Makes them; `web` is on the first one, and does not run.
    pub(crate) fn new() -> Self {
        let guests = "run\n".repeat(8);
        let hosts = Self { source: Host::new(&guests), target: Host::new(&guests) };
        for (one, other) in [(&hosts.source, &hosts.target), (&hosts.target, &hosts.source)] {
            one.has("ssh");
            fs::create_dir_all(one.path("config/recipes")).unwrap();
            fs::copy(one.path("vm/rom.fd"), one.path("config/recipes/rom.fd")).unwrap();
            one.write(
                "fake/ssh",
                &format!("host {}\nvmrun {}\n", other.path("").display(), env!("CARGO_BIN_EXE_vmrun")),
            );
        }
        hosts.source.write("config/recipes/web.rhai", WEB);
        for (name, at) in [("web.img", 1 << 20), ("data.img", SIZE - 10)] {
            let file = fs::File::create(hosts.source.path("config/recipes").join(name)).unwrap();
            file.set_len(SIZE).unwrap();
            file.write_all_at(name.as_bytes(), at).unwrap();
        }
        hosts
    }

    /// Makes them, and starts `web` on the first one.
    pub(crate) fn running() -> Self {
        let hosts = Self::new();
        let done = hosts.source.run(&["start", "web"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        hosts
    }

    /// Has somebody die at a frame.
    pub(crate) fn strike(&self, strike: &str) {
        let text = fs::read_to_string(self.source.path("fake/ssh")).unwrap();
        let text: String =
            text.lines().filter(|line| !line.starts_with("strike ")).map(|line| format!("{line}\n")).collect();
        let strike = if strike.is_empty() { String::new() } else { format!("strike {strike}\n") };
        self.source.write("fake/ssh", &format!("{text}{strike}"));
    }

    /// Runs vmrun on the host that has the machine, again for as long as the other side of a move that was cut off has not ended.
    pub(crate) fn patiently(&self, args: &[&str]) -> Done {
        let begin = Instant::now();
        loop {
            let done = self.source.run(args);
            if !done.stderr.contains("right now") || begin.elapsed() > SOON {
                return done;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is on the disks of a host.
    pub(crate) fn disks(host: &Host) -> Option<[Vec<u8>; 2]> {
        let read = |name: &str| fs::read(host.path("config/recipes").join(name)).ok();
        Some([read("web.img")?, read("data.img")?])
    }

    /// Whether `web` runs on a host.
    pub(crate) fn runs(host: &Host) -> bool {
        let done = host.run(&["monitor", "web"]);
        assert!([0, 8].contains(&done.code), "{done:?}");
        done.code == 0
    }
}
