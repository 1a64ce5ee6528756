//! A host on which `vmrun new` is typed, with a publisher of every image of the table on the loopback.

use super::publisher::{Answer, Publisher};
use super::sandbox::{Done, Sandbox};
use std::fmt::Write as _;
use std::fs;

/// The digest of an image that nobody fetches.
pub(crate) const DIGEST: &str = "abababababababababababababababababababababababababababababababab";

/// A host with somebody who has a key of ssh, and a publisher of images on the loopback.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
    pub(crate) publisher: Publisher,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        ["fetch", "zfs", "zpool"].iter().for_each(|program| sandbox.has(program));
        sandbox.write("fake/zfs", "filesystem zroot\tsize=1073741824000\nfilesystem zroot/vm\n");
        fs::create_dir_all(sandbox.path("home/.ssh")).unwrap();
        sandbox.write("home/.ssh/id_ed25519.pub", "ssh-ed25519 AAAAC3Nz ann@home\n");
        let scene = Self { sandbox, publisher: Publisher::new() };
        // What the table has, with its publishers here.
        let text = scene.run("freebsd", &["images", "--json"]).stdout;
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut table = String::new();
        for row in rows.as_array().unwrap() {
            let of = |key: &str| row[key].as_str().unwrap();
            let (name, file) = (of("name"), format!("{}.{}", of("name"), of("kind")));
            scene.publisher.serve(&format!("{name}.sums"), Answer::File(format!("{DIGEST}  {file}\n").into_bytes()));
            let url = |file: &str| format!("{}{file}", scene.publisher.url(""));
            write!(
                table,
                "[images.{name:?}]\ntitle = {:?}\nurl = {:?}\nchecksums = {:?}\ndigest = \"sha256\"\nkind = {:?}\nuser = {:?}\namd64 = \"x\"\n",
                of("title"),
                url(&file),
                url(&format!("{name}.sums")),
                of("kind"),
                of("user"),
            )
            .unwrap();
        }
        scene.sandbox.write("config/config.toml", &table);
        scene
    }

    /// Runs vmrun on a host of some kind. Which port is free is another one every time.
    pub(crate) fn run(&self, on: &str, args: &[&str]) -> Done {
        let done = self.sandbox.finish(self.sandbox.command(args).env("VMRUN_PLATFORM", on));
        let shown = |text: &str| without_port(&self.publisher.shown(text));
        Done { code: done.code, stdout: shown(&done.stdout), stderr: shown(&done.stderr) }
    }

    /// What `vmrun new` says, in words.
    pub(crate) fn says(&self, line: &str) -> Done {
        self.run("freebsd-15", &line.split_whitespace().collect::<Vec<_>>())
    }

    /// The recipe of a machine.
    pub(crate) fn recipe(&self, path: &str) -> String {
        without_port(&self.sandbox.read(path))
    }
}

/// A text with 2201 in the place of the port that was free.
fn without_port(text: &str) -> String {
    let mut shown = text.to_string();
    for before in ["ssh_port: ", "127.0.0.1:"] {
        let parts: Vec<String> = shown.split(before).map(String::from).collect();
        let with = |part: &String| {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let is_ours = digits == 4 && part.starts_with('2');
            if is_ours { format!("2201{}", &part[digits..]) } else { part.clone() }
        };
        let first = parts[0].clone();
        let rest: Vec<String> = parts[1..].iter().map(with).collect();
        shown = [vec![first], rest].concat().join(before);
    }
    shown
}

/// How a machine is connected, and where its disk is.
pub(crate) const WAYS: [(&str, &[&str]); 4] = [
    ("slirp, file", &[]),
    ("bridge, file", &["--net", "bridge2"]),
    ("slirp, zvol", &["--zvol", "zroot/vm"]),
    ("bridge, zvol", &["--net", "bridge2", "--zvol", "zroot/vm"]),
];

pub(crate) const HOSTS: [&str; 3] = ["freebsd-14.3", "freebsd-15", "linux"];

/// The names of the systems of the table.
pub(crate) fn systems(scene: &Scene) -> Vec<String> {
    let rows: serde_json::Value = serde_json::from_str(&scene.run("freebsd", &["images", "--json"]).stdout).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().into()).collect()
}

/// A recipe that `vmrun new` has written into a folder of its own.
pub(crate) struct Written<'a> {
    scene: &'a Scene,
    on: &'a str,
    folder: String,
    /// What is in it.
    pub(crate) text: String,
}

impl<'a> Written<'a> {
    /// Has it written for a machine that is connected in a way.
    pub(crate) fn new(scene: &'a Scene, on: &'a str, os: &str, (name, way): (&str, &[&str])) -> Self {
        let folder = format!("{on}-{os}-{}", name.replace(", ", "-"));
        fs::create_dir(scene.sandbox.path(&folder)).unwrap();
        // On Linux it would be asked by curl, which not every host has.
        let pin = if on == "linux" { &["--sha256", DIGEST][..] } else { &[] };
        let done = scene.run(on, &[&["new", "web", "--os", os, "--dir", &folder], way, pin].concat());
        assert_eq!(done.code, 0, "{on} {os} {way:?}: {}", done.stderr);
        let text = scene.recipe(&format!("{folder}/web.rhai"));
        assert!(text.lines().count() <= 12, "{text}");
        Self { scene, on, folder, text }
    }

    fn path(&self) -> String {
        format!("{}/web.rhai", self.folder)
    }

    /// Has it checked for its host.
    #[track_caller]
    pub(crate) fn is_right(&self) {
        let done = self.scene.run(self.on, &["check", &self.path(), "--on", self.on]);
        let is_right = done.code == 0 && done.stderr.starts_with("vmrun: nothing is wrong with 1 recipe");
        assert!(is_right, "{}\n{}", self.text, done.stderr);
    }

    /// Its plan there. It is made elsewhere, so that it does not depend on what the host of the test has.
    #[track_caller]
    pub(crate) fn plan(&self, more: &[&str]) -> String {
        let here = if self.on == "linux" { "freebsd" } else { "linux" };
        let done = self.scene.run(here, &[&["plan", &self.path(), "--on", self.on], more].concat());
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", self.text);
        done.stdout.replace(&format!("[tmp]/{}", self.folder), "[tmp]")
    }
}
