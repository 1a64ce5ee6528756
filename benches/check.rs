//! How long `vmrun check` takes for a folder of 1,000 recipes of 40 lines, beside what one would run otherwise: `vmrun plan`
//! of each, with and without `--init`, which tells only the first fault and nothing between recipes.
//!
//! Nothing is asserted: times belong to the machine.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark may stop with a panic")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RECIPES: usize = 1000;
const RUNS: usize = 7;

/// How many recipes are planned; the time of all is reckoned.
const PLANNED: usize = 50;

/// A recipe of 40 lines that asks for parameters and hears of ends, of a machine of its own.
fn recipe(number: usize) -> String {
    let (high, low) = (number / 250, number % 250);
    format!(
        r#"// A machine with two disks, of which --init makes both.
// It is started again when it crashes, and says so.
// Its address follows from its number.
let name = "vm{number}";
let root = `/vm/${{name}}.img`;
let data = `/vm/${{name}}-data.img`;
let cpus = param("cpus", 2, 1..=8);
let big = param("big", false);

if init {{
    bhyvectl(name).destroy();
    truncate(root, 20.GiB);
    truncate(data, if big {{ 200.GiB }} else {{ 80.GiB }});
    write_file(`/vm/${{name}}.txt`, "initialized");
}}

restart(#{{ on: ["reboot", "crash"], delay: "1s", limit: 5, within: "10m" }});
on("failed", |e| run("logger", [`${{e.machine}} failed: ${{e.status}}`]));

fn address(number) {{
    let digits = number.to_hex();
    if number < 16 {{ "0" + digits }} else {{ digits }}
}}

let nic = tap("tap{number}");
bridge("bridge2").add(nic);

let vm = bhyve(#{{
    name: name, cpus: cpus, memory: 512.MiB,
    strict_msr: false, exit_on_hlt: true,
    bootrom: uefi(),
    slots: #{{
        "0": hostbridge(),
        "4": virtio_blk(root), "5": virtio_blk(data, #{{ nocache: true }}),
        "6": virtio_net(nic, #{{ mac: `58:9c:fc:00:${{address({high})}}:${{address({low})}}` }}),
        "29": fbuf(#{{ tcp: "127.0.0.1:{port}", w: 800, h: 600, password: secret("vnc") }}),
        "30": xhci("tablet"), "31": lpc(),
    }},
}});
vm.run();
"#,
        port = 20000 + number
    )
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    command
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env("VMRUN_SECRET_VNC", "hunter22");
    command
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..RECIPES {
        fs::write(folder.path().join(format!("vm{number}.rhai")), recipe(number)).unwrap();
    }
    assert_eq!(recipe(0).lines().count(), 40);
    let checked = || {
        let begin = Instant::now();
        assert!(command(folder.path(), &["check"]).status().unwrap().success());
        begin.elapsed()
    };
    let mut times: Vec<Duration> = (0..RUNS).map(|_| checked()).collect();
    times.sort();
    let check = times.get(RUNS / 2).copied().unwrap_or_default();
    let begin = Instant::now();
    for number in 0..PLANNED {
        let file = format!("vm{number}.rhai");
        for more in [&["plan", "--on", "freebsd-15"][..], &["plan", "--on", "freebsd-15", "--init"]] {
            assert!(command(folder.path(), &[more, &[file.as_str()]].concat()).status().unwrap().success());
        }
    }
    let plans = begin.elapsed() * u32::try_from(RECIPES / PLANNED).unwrap_or(1);
    let ratio = check.as_secs_f64() / plans.as_secs_f64();
    println!(
        "check      {:.0} ms for 1,000 recipes of 40 lines (goal 1000), {ratio:.2} of planning each with and without --init ({:.0} ms)",
        check.as_secs_f64() * 1000.0,
        plans.as_secs_f64() * 1000.0,
    );
}
