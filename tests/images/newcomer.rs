//! The first machine of somebody who is new: an ordinary user, to whom no processor helps. `vmrun new` writes its recipe, a start makes
//! it, and ssh leads to it, by the keys of which vmrun said what they are.

use super::host::World;
use super::story::Published;
use super::tools::{need, search_path};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The user and the group that nobody is.
const NOBODY: u32 = 65534;

/// A user with a home, in which there is nothing.
struct Newcomer {
    home: PathBuf,
    program: PathBuf,
}

impl Newcomer {
    /// Makes a home, and puts vmrun where its user finds it.
    fn new(world: &World) -> Self {
        let (home, program) = (world.path("home"), world.path("vmrun"));
        fs::create_dir_all(home.join(".config/vmrun")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_vmrun"), &program).unwrap();
        for folder in [home.join(".config/vmrun"), home.join(".config"), home.clone()] {
            chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        fs::set_permissions(world.path("."), Permissions::from_mode(0o755)).unwrap();
        Self { home, program }
    }

    /// Runs vmrun at home, and returns what it says to its output, and to its error; it goes well.
    #[track_caller]
    fn vmrun(&self, args: &[&str]) -> (String, String) {
        let began = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.home).env_clear().env("HOME", &self.home).env("PATH", search_path());
        let output = command.uid(NOBODY).gid(NOBODY).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(self.home.to_str().unwrap(), "~");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        eprintln!("{:6.1} s  vmrun {}", began.elapsed().as_secs_f64(), args.join(" "));
        assert!(output.status.success(), "vmrun {args:?}: {}\n{stdout}{stderr}", output.status);
        (stdout, stderr)
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        // What a test that failed has left running ends with it.
        let mut command = Command::new(&self.program);
        command.args(["kill", "web"]).env_clear().env("HOME", &self.home).env("PATH", search_path());
        let _ = command.uid(NOBODY).gid(NOBODY).stdin(Stdio::null()).output();
    }
}

#[test]
fn three_commands_of_an_ordinary_user_lead_into_a_guest_of_his_own() {
    need(&["ssh", "ssh-keygen"]);
    let world = World::new();
    let published = Published::new(&world);
    let row = published.row(&world);
    let newcomer = Newcomer::new(&world);
    fs::write(newcomer.home.join(".config/vmrun/config.toml"), row).unwrap();

    let (next, _) = newcomer.vmrun(&["new", "web", "--os", "test", "--size", "3G", "--memory", "512M"]);
    assert_eq!(next, "vmrun start web.rhai --init\nvmrun ssh --wait 5m web\n");
    let (printed, said) = newcomer.vmrun(&["start", "web.rhai", "--init"]);
    // A host without KVM tells of it, in words that tests/it/accelerator.rs holds.
    let said: Vec<&str> = said.lines().filter(|line| !line.starts_with("vmrun: web runs without KVM, ")).collect();
    assert_eq!((printed.as_str(), said.as_slice()), ("", ["vmrun: web runs"].as_slice()));
    // Whoever has to do without the processor's help waits longer.
    let into = ["ssh", "--wait", "15m", "web", "--"];
    let inside = |command: &str| newcomer.vmrun(&[&into[..], &[command]].concat()).0;
    assert_eq!(inside("hostname; id -un; sudo -n id -un"), "web\ndebian\nroot\n");
    // The guest has the key that it was given, which cloud-init lets only root read; so it is here.
    let key = newcomer.home.join("web.key");
    let public = fs::read_to_string(newcomer.home.join("web.key.pub")).unwrap();
    assert_eq!(inside("sudo -n cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub").trim(), public.trim());
    let modes = [key, newcomer.home.join("web.seed"), newcomer.home.join(".config/vmrun/ssh/id_ed25519")];
    assert_eq!(modes.map(|path| fs::metadata(path).unwrap().mode() & 0o777), [0o600; 3]);

    fs::write(newcomer.home.join("a b"), "a note").unwrap();
    newcomer.vmrun(&["cp", "a b", "web:/tmp/"]);
    newcomer.vmrun(&["cp", "web:/tmp/a b", "back"]);
    assert_eq!(fs::read_to_string(newcomer.home.join("back")).unwrap(), "a note");
    // Nobody in this image listens to the power button.
    assert_eq!(newcomer.vmrun(&["kill", "web"]).1, "vmrun: web was switched off\n");
    newcomer.vmrun(&["remove", "web", "--recipe", "--yes"]);
    let left = fs::read_dir(&newcomer.home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with("web")).collect();
    assert_eq!(left, [""; 0]);
}
