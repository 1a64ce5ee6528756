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
fn a_plan_may_give_bhyve_its_machine_as_a_file() {
    planned(
        &["recipes/install.rhai", "--format", "config"],
        "
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:install up
ifconfig bridge2 addm tap1
mkdir -p -m 755 [tmp]/state/install
install -m 600 /dev/stdin [tmp]/state/install/config <<'EOF'
name=install
cpus=1
memory.size=512M
x86.strictmsr=false
x86.vmexit_on_hlt=true
bootrom=/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd
pci.0.0.0.device=hostbridge
pci.0.4.0.device=virtio-blk
pci.0.4.0.path=/vm/install.img
pci.0.5.0.device=virtio-blk
pci.0.5.0.path=/vm/install-data.img
pci.0.6.0.device=virtio-net
pci.0.6.0.backend=tap1
pci.0.6.0.mac=00:0c:29:a5:19:b9
pci.0.29.0.device=fbuf
pci.0.29.0.tcp=192.168.2.1:5901
pci.0.29.0.w=800
pci.0.29.0.h=600
pci.0.30.0.device=xhci
pci.0.30.0.slot.1.device=tablet
pci.0.31.0.device=lpc
pci.0.29.0.password=***
EOF
bhyve -k [tmp]/state/install/config
# given back when the run ends:
bhyvectl --destroy --vm=install
ifconfig tap1 destroy
",
        r#"
warning: the address of a host that is not here is assumed to be 192.168.2.1
  --> recipes/install.rhai:24:39
   |
24 |         "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5901`, w: 800, h: 600, password: secret("vnc") }),
   |                                       ^^^^^^^^^^^^^^^^
   |
   = hint: the run itself will find the right one
"#,
    );
    let done = plan(&recipes(), &["recipes/install.rhai", "--on", "linux"]);
    assert_eq!(done.code, 2, "one --on is enough: {}", done.stderr);
}

#[test]
fn what_a_release_does_not_have_is_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.rhai", "bhyve(#{ name: \"lab\", memory: 64.MiB, monitor: true }).run();\n");
    let plan =
        |on: &str| sandbox.finish(sandbox.command(&["plan", "--on", on, "lab.rhai"]).env("VMRUN_PLATFORM", "linux"));
    let done = plan("freebsd-15");
    same(
        &done.stderr,
        "
error: `monitor` needs FreeBSD 16, and this is for FreeBSD 15.1
 --> lab.rhai:1:48
  |
1 | bhyve(#{ name: \"lab\", memory: 64.MiB, monitor: true }).run();
  |                                                ^^^^
  |
  = hint: leave it out, or run the machine on a later release
",
    );
    assert_eq!(done.code, 1);
    same(
        &plan("freebsd-16").stdout,
        "
umask 026
bhyve -c 1 -m 64M -M lab
# given back when the run ends:
bhyvectl --destroy --vm=lab
",
    );
    let done = plan("freebsd-13");
    same(
        &done.stderr,
        "
error: \"freebsd-13\" is no platform
 |
 = hint: linux, freebsd, or freebsd with a release (14.3, 14.4, 14.5, 15.0, 15.1, 16) and an architecture: freebsd-14.3, freebsd-15-arm64
",
    );
    assert_eq!(done.code, 2);
}

#[test]
fn the_plan_of_install_is_whole() {
    planned(&["recipes/install.rhai"], "
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:install up
ifconfig bridge2 addm tap1
mkdir -p [tmp]/state
install -m 600 /dev/stdin [tmp]/state/.install.secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 1 -m 512M -w -H -s 0,hostbridge -s 4,virtio-blk,/vm/install.img -s 5,virtio-blk,/vm/install-data.img -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 29,fbuf,tcp=192.168.2.1:5901,w=800,h=600 -k [tmp]/state/.install.secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd install
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
ifconfig tap1 group vmrun description vmrun:install up
ifconfig bridge2 addm tap1
mkdir -p [tmp]/state
install -m 600 /dev/stdin [tmp]/state/.install.secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 1 -m 512M -w -H -s 0,hostbridge -s 3,ahci-cd,/iso/miniroot74.img -s 4,virtio-blk,/vm/install.img -s 5,virtio-blk,/vm/install-data.img -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 29,fbuf,tcp=192.168.2.1:5901,w=800,h=600 -k [tmp]/state/.install.secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd install
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
ifconfig tap2 group vmrun description vmrun:report1 up
ifconfig bridge2 addm tap2
mkdir -p [tmp]/state
install -m 600 /dev/stdin [tmp]/state/.report1.secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 4 -m 8G -w -H -s 0,hostbridge -s 4,virtio-blk,/vm/report1.img -s 5,virtio-net,tap2,mac=00:0c:29:f9:6d:4e -s 29,fbuf,tcp=192.168.2.1:5902,w=800,h=600 -k [tmp]/state/.report1.secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd report1
# given back when the run ends:
bhyvectl --destroy --vm=report1
ifconfig tap2 destroy
", r#"
warning: the address of a host that is not here is assumed to be 192.168.2.1
  --> recipes/report1.rhai:28:39
   |
28 |         "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5902`, w: 800, h: 600, password: secret("vnc") }),
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
ifconfig tap2 group vmrun description vmrun:report1 up
ifconfig bridge2 addm tap2
mkdir -p [tmp]/state
install -m 600 /dev/stdin [tmp]/state/.report1.secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 4 -m 8G -w -H -s 0,hostbridge -s 1,nvme,/root/uefi-ipxe-chainload.img -s 4,virtio-blk,/vm/report1.img -s 5,virtio-net,tap2,mac=00:0c:29:f9:6d:4e -s 29,fbuf,tcp=192.168.2.1:5902,w=800,h=600 -k [tmp]/state/.report1.secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd report1
# given back when the run ends:
bhyvectl --destroy --vm=report1
ifconfig tap2 destroy
", r#"
warning: the address of a host that is not here is assumed to be 192.168.2.1
  --> recipes/report1.rhai:28:39
   |
28 |         "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5902`, w: 800, h: 600, password: secret("vnc") }),
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

/// The script's clock shows the host's local time, and it has no source of randomness.
const OPENBSD: &str = r#"import "std/guest" as guest;
guest::openbsd(#{
    name: "install", cpus: 1, memory: 512.MiB, init: init, installer: "/iso/miniroot74.img",
    disks: [["/vm/install.img", 20.GiB], ["/vm/install-data.img", 80.GiB]],
    bridge: "bridge2", tap: "tap1", mac: "00:0c:29:a5:19:b9", localtime: true, random: false,
    vnc: `${host_ip("192.168.2.0/24")}:5901`, password: secret("vnc"),
}).run();
"#;

const LINUX: &str = r#"import "std/guest" as guest;
guest::linux(#{
    name: "report1", cpus: 4, memory: param("memory", 8.GiB), init: init,
    disks: [["/vm/report1.img", 50.GiB]], ipxe: "/root/uefi-ipxe-chainload.img",
    bridge: "bridge2", tap: "tap2", mac: "00:0c:29:f9:6d:4e", localtime: true, random: false,
    vnc: `${host_ip("192.168.2.0/24")}:5902`, password: secret("vnc"),
}).run();
"#;

#[test]
fn the_library_plans_what_the_recipes_plan() {
    let sandbox = recipes();
    for (text, recipe) in [(OPENBSD, "install"), (LINUX, "report1")] {
        assert!(text.lines().count() <= 8);
        sandbox.write("library.rhai", text);
        for more in [&[][..], &["--init"]] {
            let of = |path: &str| plan(&sandbox, &[&[path], more].concat());
            let (library, own) = (of("library.rhai"), of(&format!("recipes/{recipe}.rhai")));
            assert_eq!((library.code, own.code), (0, 0), "{}{}", library.stderr, own.stderr);
            // In the library no disk stands before a card, so that cards stay where they are when disks are added.
            let own = own.stdout.replace("-s 6,virtio-net,", "-s 5,virtio-net,");
            let (disk, card) = ("-s 5,virtio-blk,/vm/install-data.img ", "-s 5,virtio-net,tap1,mac=00:0c:29:a5:19:b9 ");
            let own = own.replace(&format!("{disk}{card}"), &format!("{card}{}", disk.replace("-s 5", "-s 13")));
            same(&library.stdout, &own);
        }
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

/// The command line of `all.rhai`.
const EVERYTHING: &str = "bhyve -c 4,sockets=2,cores=2,threads=1 -m 2G -w -H -P -A -S -C -D -e -u -W -x -Y \
    -U 5c8dbf6a-0f3f-11ee-9d6b-589cfc0f1c2a -K de_noacc -G w127.0.0.1:1234 -p 1:4 -p 1:5 \
    -n id=0,size=1G,cpus=0-1 -f opt/a,string=x,y -f opt/b,file=/etc/b -s 0,hostbridge \
    -s 0:1,amd_hostbridge -s 1,ahci,hd:/vm/a,nocache,bootindex=1,ser=A,cd:/iso/b.iso \
    -s 2,ahci-hd,/vm/c,nmrr=1,rev=R,model=M -s 3,ahci-cd,/iso/d.iso \
    -s 4,virtio-blk,/vm/e,direct,sync,nodelete,sectorsize=512/4096,serial=E \
    -s 5,nvme,/vm/f,maxq=4,qsz=64,ioslots=2,sectsz=4096,ser=F,eui64=0x589cfc20ffee0001,dsm=auto \
    -s 6,nvme,ram=64 -s 7,virtio-scsi,/dev/cam/ctl1.0,iid=2,bootindex=2 -s 8,virtio-9p,share=/export,ro \
    -s 9,virtio-net,tap1,mac=58:9c:fc:00:00:01,mtu=9000 \
    -s '10,e1000,slirp,hostfwd=tcp::2222-:22;udp::53-:53,open' \
    -s 11,virtio-net,netgraph,path=bridge0:,peerhook=link1,hook=vmlink,socket=all \
    -s 12,virtio-net,vale0:all -s 13,virtio-net,web0,type=tap \
    -s 14,virtio-console,org.a=/run/a,org.b=/run/b -s 15,virtio-input,/dev/input/event0 \
    -s 16,hda,play=/dev/dsp0,rec=/dev/dsp1 -s 17,uart,stdio -s 18,uart -s 19,virtio-rnd \
    -s 20,passthru,2/0/0,rom=/fw/gop.rom,bootindex=3 -s 21,passthru,ppt0 \
    -s 29,fbuf,rfb=127.0.0.1:5901,w=1920,h=1200,vga=off,wait -s 30,xhci,tablet -s 31,lpc \
    -l com1,/dev/nmdm0A -l com2,tcp=127.0.0.1:4321 -l tpm,swtpm,/run/tpm,version=2.0 -l pc-testdev \
    -l 'bootrom,/fw/code.fd,/fw/50\\%.fd,fwcfg=qemu' -o acpi_tables_in_memory=false \
    -o pci.enable_bars=true -o bios.vendor=a -o bios.version=b -o bios.release_date=c \
    -o system.family_name=d -o system.manufacturer=e -o system.product_name=f -o system.serial_number=g \
    -o system.sku=h -o system.version=i -o board.manufacturer=j -o board.product_name=k \
    -o board.version=l -o board.serial_number=m -o board.asset_tag=n -o 'board.location=o, p' \
    -o chassis.manufacturer=q -o chassis.version=r -o chassis.serial_number=s -o chassis.asset_tag=t \
    -o chassis.sku=u -o vcpu.0.cpuset=0-3,8 -o domains.1.size=1G -o domains.1.cpus=2,3 \
    -o domains.1.domain_policy=prefer:0 -o pci.0.0.0.pcireg.vendor=0x8086 \
    -o pci.0.20.0.pcireg.vendor=0x10de -o pci.0.31.0.pcireg.vendor=host \
    -o pci.0.31.0.pcireg.revid=0x31 all";

#[test]
fn every_device_and_every_key_is_told_to_bhyve() {
    let sandbox = Sandbox::new();
    sandbox.write("all.rhai", include_str!("all.rhai"));
    let done = plan(&sandbox, &["all.rhai"]);
    same(&done.stderr, "");
    assert_eq!(done.code, 0);
    same(done.stdout.lines().find(|line| line.starts_with("bhyve ")).unwrap(), EVERYTHING);
}

#[test]
fn a_machine_without_firmware_is_told_that_a_loader_has_to_come_first() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", "bhyve(#{ name: \"lab\" }).run();\n");
    let done = sandbox.run(&["plan", "--on", "freebsd", "recipe.rhai"]);
    same(
        &done.stderr,
        r#"
warning: the machine has no boot ROM: bhyve starts only what a loader has put into its memory
 --> recipe.rhai:1:1
  |
1 | bhyve(#{ name: "lab" }).run();
  | ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: add `bootrom: uefi()`, or a loader: `loader: bhyveload()` for FreeBSD, `loader: grub_bhyve(#{ … })`
"#,
    );
    assert_eq!(done.code, 0);
    let loaded = "run(\"bhyveload\", [\"-m\", \"256M\", \"lab\"]);\nbhyve(#{ name: \"lab\" }).run();\n";
    sandbox.write("recipe.rhai", loaded);
    let done = sandbox.run(&["plan", "--on", "freebsd-15", "recipe.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn a_command_that_is_missing_is_only_a_warning_in_a_plan() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", "run(\"zffs\", [\"list\"]);\n");
    let said = |kind: &str| {
        format!(
            "{kind}: `zffs` is not installed\n --> recipe.rhai:1:5\n  |\n1 | run(\"zffs\", [\"list\"]);\n  |     ^^^^^^\n  |\n  = hint: install it, or correct its name"
        )
    };
    let done = sandbox.run(&["plan", "recipe.rhai"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "umask 026\nzffs list\n"));
    same(&done.stderr, &said("warning"));
    let done = sandbox.run(&["recipe.rhai"]);
    assert_eq!((done.code, done.stdout.as_str()), (3, ""));
    same(&done.stderr, &said("error"));
}

#[test]
fn the_help_of_a_command_is_its_own_and_that_of_a_recipe_has_whole_defaults() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "lab.rhai",
        "// A lab.\nprint(param(\"who\", \"a, b)\") + param(\"n\", 1) + `${param(\"x\", \"it's, \\\"so\\\"\")}`);\n",
    );
    let help = "
A lab.

Usage: vmrun lab.rhai [--init] [--set NAME=VALUE]…

Parameters:
  --set who=…  (\"a, b)\")
  --set n=…  (1)
  --set x=…  (\"it's, \\\"so\\\"\")
";
    for words in [&["lab.rhai", "--help"][..], &["run", "lab.rhai", "-h"], &["-v", "run", "lab.rhai", "--help"]] {
        same(&sandbox.run(words).stdout, help);
    }
    for (command, words) in [("plan", ["plan", "lab.rhai", "--help"]), ("check", ["check", "--help", "lab.rhai"])] {
        let done = sandbox.run(&words);
        assert!(done.stdout.contains(&format!("Usage: vmrun {command} ")), "{}", done.stdout);
        assert!(!done.stdout.contains("--set who"), "{}", done.stdout);
    }
}

#[test]
fn a_linux_that_is_not_here_has_kvm_whatever_is_here() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.rhai", "bhyve(#{ name: \"lab\", bootrom: uefi(), slots: #{ \"31\": lpc() } }).run();\n");
    let done = sandbox.run(&["plan", "--on", "linux", "lab.rhai"]);
    assert!(done.stdout.contains(" -accel kvm -cpu host "), "{}", done.stdout);
}

#[test]
fn how_long_the_host_has_run_is_known_where_it_is_here() {
    let sandbox = Sandbox::new();
    sandbox
        .write("up.rhai", "umask(\"022\");\nprint(if uptime() > 0 { \"here\" } else { `${uptime()} elsewhere` });\n");
    let here = sandbox.run(&["plan", "up.rhai"]);
    assert_eq!((here.code, here.stderr.as_str()), (0, "here\n"), "{}", here.stdout);
    let elsewhere = plan(&sandbox, &["up.rhai"]);
    assert_eq!((elsewhere.code, elsewhere.stderr.as_str()), (0, "0 elsewhere\n"), "{}", elsewhere.stdout);
}

/// A recipe that asks whether its disk is there, and is plugged into a bridge.
fn asking() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "lab.rhai",
        "if !exists(\"/vm/lab.img\") { truncate(\"/vm/lab.img\", 1.GiB); }\nlet nic = tap(\"tap1\");\nbridge(\"bridge2\").add(nic);\n\
         bhyve(#{ name: \"lab\", bootrom: uefi(), slots: #{ \"4\": virtio_blk(\"/vm/lab.img\"), \"5\": virtio_net(nic), \"31\": lpc() } }).run();\n",
    );
    sandbox
}

#[test]
fn what_a_host_that_is_not_here_is_taken_to_have_is_said() {
    let sandbox = asking();
    let done = plan(&sandbox, &["lab.rhai"]);
    same(
        &done.stdout,
        "
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:lab up
ifconfig bridge2 addm tap1
bhyve -c 1 -m 256M -s 4,virtio-blk,/vm/lab.img -s 5,virtio-net,tap1 -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd lab
# given back when the run ends:
bhyvectl --destroy --vm=lab
ifconfig tap1 destroy
",
    );
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&plan(&sandbox, &["lab.rhai", "--json"]).stdout).unwrap();
    let one = |kind: &str, name: &str| serde_json::json!({ "kind": kind, "name": name });
    let firmware = "/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd";
    assert_eq!(
        json["assumed"],
        serde_json::json!([one("file", firmware), one("file", "/vm/lab.img"), one("bridge", "bridge2")])
    );
    // Whoever sits at a terminal is told; what is printed stays as it is.
    let line = "vmrun plan --on freebsd lab.rhai >/dev/null";
    let told = sandbox.finish(sandbox.on_terminal(line).env("VMRUN_PLATFORM", "linux"));
    same(
        &told.stdout.replace('\r', ""),
        "
vmrun: taken to be so on a host that is not here (`--assume missing` takes files not to be there):
vmrun:   /usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd is there
vmrun:   /vm/lab.img is there
vmrun:   the bridge bridge2 is there
",
    );
    // Of this host nothing is taken to be so.
    let here = sandbox.run(&["plan", "lab.rhai", "--init", "--json"]);
    let json: Value = serde_json::from_str(&here.stdout).unwrap_or_default();
    assert!(json.is_null() || json["assumed"] == serde_json::json!([]), "{here:?}");
}

#[test]
fn a_host_may_be_taken_to_lack_what_is_asked_for() {
    let sandbox = asking();
    let done = plan(&sandbox, &["lab.rhai", "--assume", "missing"]);
    let made = "umask 026\ntruncate -s 1G /vm/lab.img\nifconfig tap1 create\n";
    assert!(done.stdout.starts_with(made), "{}", done.stdout);
    assert!(!done.stdout.contains("/vm/lab.img is there"), "{}", done.stdout);
    same(
        &done.stderr,
        "
warning: the bridge bridge2 is not there, and the recipe does not make it
 |
 = hint: bridge(\"bridge2\", #{ create: true }) makes one for the run
",
    );
    assert_eq!(done.code, 0);
    // What no recipe makes is missed.
    sandbox.write(
        "cd.rhai",
        "bhyve(#{ name: \"cd\", bootrom: uefi(), slots: #{ \"3\": ahci_cd(\"/iso/a.iso\"), \"31\": lpc() } }).run();\n",
    );
    let done = plan(&sandbox, &["cd.rhai", "--assume", "missing"]);
    assert!(done.stderr.starts_with("error: /iso/a.iso is not there\n"), "{}", done.stderr);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert_eq!(sandbox.run(&["plan", "lab.rhai", "--assume", "missing"]).code, 2);
}
