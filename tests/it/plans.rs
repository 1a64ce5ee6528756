//! What `vmrun plan --on freebsd` prints.

use super::sandbox::{Done, Sandbox, project, same};
use serde_json::Value;
use std::fs;

/// The design document's script, its variables written out, without the password.
const INSTALL: &str = "bhyve -c 1 -m 512M -w -H \
    -s 0,hostbridge \
    -s 3,ahci-cd,/iso/miniroot74.img \
    -s 4,virtio-blk,/vm/install.img \
    -s 5,virtio-blk,/vm/install-data.img \
    -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 \
    -s 29,fbuf,tcp=192.168.2.1:5901,w=800,h=600 \
    -s 30,xhci,tablet \
    -s 31,lpc \
    -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd \
    install";
const REPORT1: &str = "bhyve -c 4 -m 8G -w -H \
    -s 0,hostbridge \
    -s 1,nvme,/root/uefi-ipxe-chainload.img \
    -s 4,virtio-blk,/vm/report1.img \
    -s 5,virtio-net,tap2,mac=00:0c:29:f9:6d:4e \
    -s 29,fbuf,tcp=192.168.2.1:5902,w=800,h=600 \
    -s 30,xhci,tablet \
    -s 31,lpc \
    -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd \
    report1";

/// The recipes of the project, below the sandbox, so that messages name them shortly.
fn recipes() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("recipes")).unwrap();
    for name in ["install", "report1"] {
        let recipe = fs::read_to_string(project(&format!("recipes/{name}.rhai"))).unwrap();
        sandbox.write(&format!("recipes/{name}.rhai"), &recipe);
    }
    sandbox
}

fn plan(sandbox: &Sandbox, words: &[&str]) -> Done {
    let mut all = vec!["plan", "--on", "freebsd"];
    all.extend(words);
    // The kind of host that is planned for is not the one that is here.
    sandbox.finish(sandbox.command(&all).env("VMRUN_PLATFORM", "linux").env("VMRUN_SECRET_VNC", "hunter22"))
}

#[track_caller]
fn planned(words: &[&str], stdout: &str, stderr: &str) {
    let done = plan(&recipes(), words);
    same(&done.stderr, stderr);
    same(&done.stdout, stdout);
    assert_eq!(done.code, 0);
}

#[test]
fn the_plan_of_install_is_whole() {
    planned(&["recipes/install.rhai"], "
umask 026
ifconfig tap1 create
ifconfig bridge2 addm tap1
mkdir -p -m 700 [tmp]/state/install
install -m 600 /dev/stdin [tmp]/state/install/secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 1 -m 512M -w -H -s 0,hostbridge -s 4,virtio-blk,/vm/install.img -s 5,virtio-blk,/vm/install-data.img -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 29,fbuf,tcp=192.168.2.1:5901,w=800,h=600 -k [tmp]/state/install/secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd install
# given back when the run ends:
bhyvectl --destroy --vm=install
ifconfig tap1 destroy
", r#"
warning: the address of a host that is not here is assumed to be 192.168.2.1
  --> recipes/install.rhai:24:39
   |
24 |         "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5901`, w: 800, h: 600, password: secret("vnc") }),
   |                                       ^^^^^^^^^^^^^^^^
   |
   = hint: the run itself will find the right one
"#);
}

#[test]
fn the_plan_of_install_with_init_makes_the_disks_and_boots_the_installer() {
    planned(&["recipes/install.rhai", "--init"], "
umask 026
bhyvectl --destroy --vm=install
truncate -s 20G /vm/install.img
truncate -s 80G /vm/install-data.img
ifconfig tap1 create
ifconfig bridge2 addm tap1
mkdir -p -m 700 [tmp]/state/install
install -m 600 /dev/stdin [tmp]/state/install/secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 1 -m 512M -w -H -s 0,hostbridge -s 3,ahci-cd,/iso/miniroot74.img -s 4,virtio-blk,/vm/install.img -s 5,virtio-blk,/vm/install-data.img -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 29,fbuf,tcp=192.168.2.1:5901,w=800,h=600 -k [tmp]/state/install/secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd install
# given back when the run ends:
bhyvectl --destroy --vm=install
ifconfig tap1 destroy
", r#"
warning: the address of a host that is not here is assumed to be 192.168.2.1
  --> recipes/install.rhai:24:39
   |
24 |         "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5901`, w: 800, h: 600, password: secret("vnc") }),
   |                                       ^^^^^^^^^^^^^^^^
   |
   = hint: the run itself will find the right one
"#);
}

#[test]
fn the_plan_of_report1_is_whole() {
    planned(&["recipes/report1.rhai"], "
umask 026
ifconfig tap2 create
ifconfig bridge2 addm tap2
mkdir -p -m 700 [tmp]/state/report1
install -m 600 /dev/stdin [tmp]/state/report1/secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 4 -m 8G -w -H -s 0,hostbridge -s 4,virtio-blk,/vm/report1.img -s 5,virtio-net,tap2,mac=00:0c:29:f9:6d:4e -s 29,fbuf,tcp=192.168.2.1:5902,w=800,h=600 -k [tmp]/state/report1/secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd report1
# given back when the run ends:
bhyvectl --destroy --vm=report1
ifconfig tap2 destroy
", r#"
warning: the address of a host that is not here is assumed to be 192.168.2.1
  --> recipes/report1.rhai:23:39
   |
23 |         "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5902`, w: 800, h: 600, password: secret("vnc") }),
   |                                       ^^^^^^^^^^^^^^^^
   |
   = hint: the run itself will find the right one
"#);
}

#[test]
fn the_plan_of_report1_with_init_makes_the_disk_and_the_boot_image() {
    planned(&["recipes/report1.rhai", "--init"], "
umask 026
bhyvectl --destroy --vm=report1
truncate -s 50G /vm/report1.img
vmrun image ipxe /root/uefi-ipxe-chainload.img --loader /usr/local/share/ipxe/snp.efi-x86_64 --size 4M
ifconfig tap2 create
ifconfig bridge2 addm tap2
mkdir -p -m 700 [tmp]/state/report1
install -m 600 /dev/stdin [tmp]/state/report1/secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 4 -m 8G -w -H -s 0,hostbridge -s 1,nvme,/root/uefi-ipxe-chainload.img -s 4,virtio-blk,/vm/report1.img -s 5,virtio-net,tap2,mac=00:0c:29:f9:6d:4e -s 29,fbuf,tcp=192.168.2.1:5902,w=800,h=600 -k [tmp]/state/report1/secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd report1
# given back when the run ends:
bhyvectl --destroy --vm=report1
ifconfig tap2 destroy
", r#"
warning: the address of a host that is not here is assumed to be 192.168.2.1
  --> recipes/report1.rhai:23:39
   |
23 |         "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5902`, w: 800, h: 600, password: secret("vnc") }),
   |                                       ^^^^^^^^^^^^^^^^
   |
   = hint: the run itself will find the right one
"#);
}

/// The words of a bhyve line, without the file that holds the password.
fn words(line: &str) -> Vec<&str> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| *word == "-k") {
        words.drain(at..at + 2);
    }
    words
}

/// The words of the script, without those of the installer unless this boot initializes.
fn script(line: &'static str, installer: &str, init: bool) -> Vec<&'static str> {
    let mut words = words(line);
    if let Some(at) = words.iter().position(|word| !init && word.starts_with(installer)) {
        words.drain(at - 1..=at);
    }
    words
}

#[test]
fn bhyve_is_called_as_by_the_design_documents_script() {
    let sandbox = recipes();
    for (recipe, line, installer) in [("install", INSTALL, "3,"), ("report1", REPORT1, "1,")] {
        let path = format!("recipes/{recipe}.rhai");
        for (init, args) in [(false, vec![path.as_str()]), (true, vec![path.as_str(), "--init"])] {
            let done = plan(&sandbox, &args);
            let own = done.stdout.lines().find(|line| line.starts_with("bhyve ")).unwrap();
            assert_eq!(words(own), script(line, installer, init), "{recipe}, init {init}");
        }
    }
}

const OPENBSD: &str = r#"import "std/guest" as guest;
guest::openbsd(#{
    name: "install", cpus: 1, memory: 512.MiB, init: init, installer: "/iso/miniroot74.img",
    disks: [["/vm/install.img", 20.GiB], ["/vm/install-data.img", 80.GiB]],
    bridge: "bridge2", tap: "tap1", mac: "00:0c:29:a5:19:b9",
    vnc: `${host_ip("192.168.2.0/24")}:5901`, password: secret("vnc"),
}).run();
"#;

const LINUX: &str = r#"import "std/guest" as guest;
let ipxe = "/root/uefi-ipxe-chainload.img";
if init { bhyvectl("report1").destroy(); truncate("/vm/report1.img", 50.GiB); ipxe_image(ipxe); }
guest::linux(#{
    name: "report1", cpus: 4, memory: 8.GiB, installer: ipxe, disks: [["/vm/report1.img", 50.GiB]],
    bridge: "bridge2", tap: "tap2", mac: "00:0c:29:f9:6d:4e",
    vnc: `${host_ip("192.168.2.0/24")}:5902`, password: secret("vnc"),
}).run();
"#;

#[test]
fn the_library_plans_what_the_recipes_plan() {
    let sandbox = recipes();
    let cases = [("openbsd", OPENBSD, "install", &[][..]), ("openbsd", OPENBSD, "install", &["--init"])];
    for (name, text, recipe, more) in cases.into_iter().chain([("linux", LINUX, "report1", &[][..])]) {
        assert!(text.lines().count() <= 8);
        sandbox.write(&format!("{name}.rhai"), text);
        let of = |path: &str| plan(&sandbox, &[&[path], more].concat());
        let (library, own) = (of(&format!("{name}.rhai")), of(&format!("recipes/{recipe}.rhai")));
        assert_eq!((library.code, own.code), (0, 0), "{}{}", library.stderr, own.stderr);
        same(&library.stdout, &own.stdout);
    }
}

#[test]
fn a_plan_as_json_holds_the_same_commands() {
    let sandbox = recipes();
    let done = plan(&sandbox, &["recipes/install.rhai", "--init", "--json"]);
    let json: Value = serde_json::from_str(&done.stdout).unwrap();
    let lines = |key: &str| -> Vec<String> {
        let steps = json[key].as_array().unwrap().iter();
        steps
            .map(|step| {
                let argv = step["argv"].as_array().unwrap();
                argv.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
            })
            .collect()
    };
    let text = plan(&sandbox, &["recipes/install.rhai", "--init"]).stdout;
    for line in lines("steps").iter().chain(&lines("given_back")) {
        assert!(text.lines().any(|of| of.split(" <<").next() == Some(line)), "{line}\n{text}");
    }
    assert_eq!(lines("given_back"), ["bhyvectl --destroy --vm=install", "ifconfig tap1 destroy"]);
    let secrets: Vec<&Value> = json["steps"].as_array().unwrap().iter().map(|step| &step["stdin"]).collect();
    assert!(secrets.contains(&&Value::from("pci.0.29.0.password=***")), "{secrets:?}");
    assert!(!done.stdout.contains("hunter22"));
}

#[test]
fn a_plan_touches_nothing() {
    let sandbox = recipes();
    let before = sandbox.everything();
    plan(&sandbox, &["recipes/install.rhai", "--init"]);
    assert_eq!(sandbox.everything(), before);
    assert_eq!(sandbox.read("fake/log"), "");
}
