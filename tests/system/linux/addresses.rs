//! Where a guest on a bridge is, with a real Linux, a real dnsmasq(8) and Debian's agent, in a network of their own: its recipe says it, its
//! agent, a lease, the table of neighbours. One after the other is taken away.

use super::guest::{end, with_agent};
use super::story::GUEST;
use super::{FIRMWARE, Network, Outcome, Running, SOON, World, need, outcome, read, serve, tool, utf8, wait_for};
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// A key by which nobody logs in.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVCLQ3m+2VYBi3xdrn9vCePq1LrFl0Fk9nqFi0kY6sK me\n";

/// A network with a bridge on which the machine is, which ends with it.
struct Lan {
    world: World,
    network: Network,
    /// The publisher of its image.
    publisher: Option<Running>,
}

impl Drop for Lan {
    fn drop(&mut self) {
        end(&self.world, "web");
        self.publisher = None;
    }
}

impl Lan {
    fn new() -> Self {
        need(&["ip", "dnsmasq", "curl", "sha256sum"]);
        let (world, network) = (World::new(), Network::new("addresses"));
        for line in [
            "link set lo up",
            "link add bridge2 type bridge stp_state 0 forward_delay 0",
            "link set bridge2 up",
            "address add 192.168.2.5/24 dev bridge2",
            "address add fd00:99::1/64 dev bridge2 nodad",
        ] {
            network.ip(line);
        }
        fs::create_dir_all(world.path("config")).unwrap();
        world.write("me.pub", KEY);
        let mut lan = Self { world, network, publisher: None };
        lan.publish();
        lan
    }

    /// Serves the image of the system `test`, and says so in the configuration.
    fn publish(&mut self) {
        let image = with_agent(&self.world);
        let folder = image.parent().unwrap();
        let sum = tool("sha256sum", &[utf8(&image)]);
        self.world.write("SHA256SUMS", format!("{}  guest.img\n", sum.split(' ').next().unwrap()));
        let mut command = self.network.inside(&format!("{GUEST}/busybox"));
        command.args(["httpd", "-f", "-p", "127.0.0.1:80", "-h", utf8(folder)]).stdin(Stdio::null());
        self.publisher = Some(self.world.start("httpd", &mut command));
        let url = "http://127.0.0.1:80";
        let row = format!(
            "leases = [\"{}\"]\n[images.test]\ntitle = \"A Linux\"\nurl = \"{url}/guest.img\"\nchecksums = \"{url}/SHA256SUMS\"\n\
             digest = \"sha256\"\nkind = \"raw\"\nuser = \"me\"\namd64 = \"amd64\"\n",
            self.world.path("leases").display()
        );
        self.world.write("config/config.toml", row);
    }

    /// Runs vmrun in the network to its end.
    fn vmrun(&self, line: &str) -> Outcome {
        let mut command = self.network.inside(env!("CARGO_BIN_EXE_vmrun"));
        self.world.surroundings(&mut command).current_dir(self.world.path("")).stdin(Stdio::null());
        command.env("VMRUN_CACHE_DIR", self.world.path("cache")).args(line.split(' '));
        self.world.start("vmrun", &mut command).ends(FIRMWARE)
    }

    /// Where the machine is, and by what that is known, as everything tells that tells it.
    #[track_caller]
    fn place(&self) -> String {
        let list = self.vmrun("list --json");
        assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
        let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
        let one = &list["machines"][0];
        let (Some(ip), Some(source)) = (one["address"].as_str(), one["address_from"].as_str()) else {
            return "nowhere".into();
        };
        let status = self.vmrun("status web").stdout;
        let config = self.vmrun("ssh-config web");
        assert_eq!((config.code, config.stderr.as_str()), (Some(0), ""));
        // Between two of these questions an agent may end, or a busy one be too slow.
        if !status.lines().any(|it| it.starts_with("address ") && it.ends_with(&format!("{ip} ({source})"))) {
            return format!("{source} {ip}, but status says otherwise: {status}");
        }
        if !config.stdout.contains(&format!("\n  HostName {ip}\n")) {
            return format!("{source} {ip}, but ssh-config says otherwise: {}", config.stdout);
        }
        format!("{source} {ip}")
    }

    #[track_caller]
    fn is_at(&self, place: &str) {
        wait_for(place, SOON, || (self.place() == place).then_some(()));
    }
}

/// Adds to the recipe of a machine what else it says of it.
fn add(recipe: &Path, more: &str) {
    fs::write(recipe, read(recipe).replace("    com1: ", &format!("    {more}\n    com1: "))).unwrap();
}

#[test]
fn a_machine_on_a_bridge_is_found_by_its_recipe_its_agent_a_lease_and_its_neighbours() {
    let lan = Lan::new();
    let new = lan.vmrun("new web --os test --net bridge2 --size 64M --memory 256M --cpus 1 --key me.pub");
    assert_eq!((new.code, new.stdout.as_str()), (Some(0), "vmrun start web.rhai --init\nvmrun ssh --wait 5m web\n"));
    let recipe = lan.world.path("web.rhai");
    let written = read(&recipe);
    assert!(written.contains("agent: true,"), "{written}");
    add(&recipe, "address: \"192.168.2.200\",");
    let server = serve(&lan.world, &lan.network);
    assert_eq!(lan.vmrun("start web.rhai --init"), outcome(0, "", "vmrun: web runs\n"));
    // The guest need not have booted for that.
    assert_eq!(lan.place(), "recipe 192.168.2.200");
    assert_eq!(lan.vmrun("kill web"), outcome(0, "", "vmrun: web was switched off\n"));

    fs::write(&recipe, format!("ready(#{{ agent: true, within: \"4m\" }});\n{written}")).unwrap();
    assert_eq!(lan.vmrun("start web.rhai"), outcome(0, "", "vmrun: web runs\nvmrun: web is ready\n"));
    let lease = read(&lan.world.path("leases"));
    let ip = lease.split_whitespace().nth(2).unwrap_or_else(|| panic!("no lease: {lease}")).to_string();
    lan.is_at(&format!("agent {ip}"));
    let events = lan.vmrun("events web").stdout;
    assert!(
        events.lines().any(|line| line.starts_with(&format!("{{\"address\":\"{ip}\",\"event\":\"ready\","))),
        "{events}"
    );

    let kills = "(sleep 1; killall qemu-ga) </dev/null >/dev/null 2>&1 &";
    let mut command = lan.network.inside(env!("CARGO_BIN_EXE_vmrun"));
    lan.world.surroundings(&mut command).args(["exec", "web", "--", "sh", "-c", kills]).stdin(Stdio::null());
    assert_eq!(lan.world.start("exec", &mut command).ends(SOON), outcome(0, "", ""));
    lan.is_at(&format!("leases {ip}"));

    // Whoever is spoken to is a neighbour.
    let silent = lan.vmrun("ssh --wait 1s web -- true");
    assert!(silent.stderr.starts_with(&format!("error: no sshd answered at {ip}:22, where web is, ")), "{silent:?}");
    drop(server);
    fs::remove_file(lan.world.path("leases")).unwrap();
    lan.is_at(&format!("neighbours {ip}"));

    lan.network.ip("link set tap0 down");
    lan.network.ip("neigh flush dev bridge2");
    lan.is_at("nowhere");
    assert_eq!(
        lan.vmrun("ssh web"),
        outcome(
            3,
            "",
            "error: the address of web is not known: its recipe names none, its agent says none, no lease of a DHCP server of this \
             host is for it, and this host has not spoken to it\n |\n = hint: --wait 60s waits until it has one; `ssh: #{ address: \
             \"10.0.0.5\" }` in its recipe says it; leases that are elsewhere: leases = [\"/var/db/dnsmasq.leases\"] in config.toml\n"
        )
    );
    assert!(lan.vmrun("list").stdout.contains("web "));
}
