//! Screens of real guests: what QEMU's VNC server sends of them.

use super::{FIRMWARE, Network, SOON, World, need, need_firmware, read, utf8, wait_for};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use vmrun::internals::screen::picture::Picture;

/// A world in a network of its own, so that its consoles are on its own loopback.
struct Viewer {
    world: World,
    network: Network,
}

impl Viewer {
    fn new() -> Self {
        need(&["qemu-system-x86_64", "ip"]);
        let viewer = Self { world: World::new(), network: Network::new("screen") };
        viewer.network.ip("link set lo up");
        viewer
    }

    /// Runs vmrun to its end, and returns its standard output.
    fn vmrun(&self, args: &[&str]) -> String {
        let mut command = self.network.inside(env!("CARGO_BIN_EXE_vmrun"));
        self.world.surroundings(&mut command).env("VMRUN_SECRET_VNC", "hunter22");
        command.args(args).current_dir(self.world.path("")).stdin(Stdio::null());
        let done = self.world.start("viewer", &mut command).ends(FIRMWARE);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{args:?}");
        done.stdout
    }

    fn picture(&self, file: &str) -> Picture {
        Picture::from_png(&fs::read(self.world.path(file)).unwrap()).unwrap()
    }

    /// Writes the recipe of a machine with a screen, whose disk is an image.
    fn recipe(&self, image: &Path, console: &str) {
        let slots = format!("\"1\": nvme(\"{}\", #{{ ro: true }}), \"29\": {console}, \"31\": lpc()", image.display());
        let text = format!(
            "bhyve(#{{ name: \"lab\", memory: 256.MiB, bootrom: uefi(), com1: \"stdio\", slots: #{{ {slots} }} }}).run();\n"
        );
        self.world.write("lab.rhai", text);
    }
}

#[test]
fn ipxe_is_seen_read_and_typed_to() {
    need_firmware();
    let viewer = Viewer::new();
    let image = viewer.world.ipxe("lab.img", "#!ipxe\nshell\npoweroff\n");
    viewer.recipe(&image, "fbuf(#{ tcp: \"127.0.0.1:5901\", w: 800, h: 600, password: secret(\"vnc\") })");
    let mut command = viewer.network.inside(env!("CARGO_BIN_EXE_vmrun"));
    viewer.world.surroundings(&mut command).env("VMRUN_SECRET_VNC", "hunter22").stdin(Stdio::null());
    let run = viewer.world.start("lab", command.arg(viewer.world.path("lab.rhai")));

    assert_eq!(viewer.vmrun(&["wait-screen", "lab.rhai", "iPXE>", "--within", "4m"]), "");
    let text = viewer.vmrun(&["screenshot", "lab.rhai", "--text"]);
    let banner: Vec<&str> = text.lines().filter(|line| line.starts_with("iPXE")).collect();
    let [begin, banner, prompt] = banner[..] else { panic!("{text}") };
    assert_eq!(begin, "iPXE initialising devices...");
    assert!(banner.contains(" -- Open Source Network Boot Firmware -- https://ipxe.org"), "{banner}");
    assert!(prompt.starts_with("iPXE>"), "{prompt}");
    assert!(text.lines().any(|line| line.starts_with("Features: ") && line.ends_with(" EFI Menu")), "{text}");

    let mut command = viewer.network.inside(env!("CARGO_BIN_EXE_vmrun"));
    viewer.world.surroundings(&mut command).env("VMRUN_SECRET_VNC", "hunter22").current_dir(viewer.world.path(""));
    let saved = viewer.world.start("viewer", command.args(["screenshot", "lab.rhai", "lab.png"])).ends(SOON);
    assert_eq!((saved.code, saved.stderr.as_str()), (Some(0), "vmrun: wrote lab.png, 800x600 pixels\n"));
    let picture = viewer.picture("lab.png");
    assert_eq!((picture.width(), picture.height()), (800, 600));

    // Every character that needs the shift key, and some that do not.
    viewer.vmrun(&["type", "lab.rhai", "echo Typed: ~!@%^*()_+{}:\\<>? 0-9 [a,b]\\n"]);
    viewer.vmrun(&["wait-screen", "lab.rhai", "Typed: ~!@%^*()_+{}:<>? 0-9 [a,b]", "--within", "60s"]);
    viewer.vmrun(&["type", "lab.rhai", "exit<Enter>"]);
    let ended = run.ends(FIRMWARE);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    viewer.world.is_clean();
}

#[test]
fn a_recipe_types_to_a_guest_under_qemu_and_sees_what_it_shows() {
    need_firmware();
    let viewer = Viewer::new();
    let image = viewer.world.ipxe("lab.img", "#!ipxe\nshell\npoweroff\n");
    viewer.recipe(&image, "fbuf(#{ tcp: \"127.0.0.1:5901\", w: 800, h: 600, password: secret(\"vnc\") })");
    let text = fs::read_to_string(viewer.world.path("lab.rhai")).unwrap();
    let talk = "vm.screen.shows(\"iPXE>\", \"4m\");\nvm.type(\"echo Typed: {A\\\\<}<Space>\");\nvm.type(secret(\"vnc\"));\n\
        vm.screen.shows(\"Typed: {A<} hunter22\");\nvm.type(\"exit<Enter>\");\n";
    let text = text.replace("bhyve(", "let vm = bhyve(").replace(".run();", &format!(";\n{talk}vm.run();"));
    let recipe = viewer.world.write("lab.rhai", text);
    let mut command = viewer.network.inside(env!("CARGO_BIN_EXE_vmrun"));
    viewer.world.surroundings(&mut command).env("VMRUN_SECRET_VNC", "hunter22").stdin(Stdio::null());
    let ended = viewer.world.start("lab", command.arg(recipe)).ends(FIRMWARE);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    viewer.world.is_clean();
}

/// A QEMU that is told by hand, so that it can be asked what is on its screen.
#[test]
fn a_screenshot_is_what_qemu_says_is_on_the_screen() {
    let viewer = Viewer::new();
    let image = viewer.world.disk('H');
    viewer.recipe(&image, "fbuf(#{ tcp: \"127.0.0.1:5907\" })");
    let (socket, dump) = (viewer.world.path("qmp"), viewer.world.path("dump.png"));
    let mut command = viewer.network.inside("qemu-system-x86_64");
    command.args(["-nodefaults", "-display", "none", "-device", "VGA", "-vnc", "127.0.0.1:7", "-serial", "stdio"]);
    command.args(["-drive", &format!("file={},format=raw", image.display())]);
    command.args(["-qmp", &format!("unix:{},server=on,wait=off", socket.display())]).stdin(Stdio::null());
    let qemu = viewer.world.start("qemu", &mut command);
    qemu.says("vmrun test guest: H\r\n");
    let stream = wait_for("QMP", SOON, || UnixStream::connect(&socket).ok());
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut ask = |command: &str| {
        writeln!(&stream, "{command}").unwrap();
        while !lines.next().unwrap().unwrap().contains("\"return\"") {}
    };
    ask("{\"execute\":\"qmp_capabilities\"}");
    // The cursor blinks.
    wait_for("the same picture", Duration::from_secs(20), || {
        let mut command = viewer.network.inside(env!("CARGO_BIN_EXE_vmrun"));
        viewer.world.surroundings(&mut command).current_dir(viewer.world.path("")).stdin(Stdio::null());
        let saved = viewer.world.start("viewer", command.args(["screenshot", "lab.rhai", "lab.png"])).ends(SOON);
        assert_eq!(saved.stderr, "vmrun: wrote lab.png, 720x400 pixels\n");
        let dumped = format!("{{\"filename\":\"{}\",\"format\":\"png\"}}", utf8(&dump));
        ask(&format!("{{\"execute\":\"screendump\",\"arguments\":{dumped}}}"));
        (viewer.picture("lab.png") == viewer.picture("dump.png")).then_some(())
    });
    let text = viewer.vmrun(&["screenshot", "lab.rhai", "--text"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("SeaBIOS (version "), "{text}");
    assert!(lines.contains(&"Booting from Hard Disk..."), "{text}");
    // A part of the screen is found on it, and is not any more when it is another.
    viewer.vmrun(&["wait-screen", "lab.rhai", "--picture", "dump.png", "--within", "20s"]);
    assert_eq!(read(&qemu.stderr), "");
}
