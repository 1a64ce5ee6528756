//! One machine from the image of its system on.

use super::host::{Ended, Host, World};
use super::publisher::{Answer, Publisher};
use super::tools::tool;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;

/// What the guest is told, once for each instance: to say at each boot which one it is, how often it was booted, and how large its
/// first file system is; and to end.
const USER_DATA: &str = "#cloud-config
write_files:
- path: /var/lib/cloud/scripts/per-boot/say
  permissions: '0755'
  content: |
    #!/bin/sh
    echo boot >>/var/lib/boots
    cd /var/lib/cloud/data
    echo \"guest: $(cat instance-id), boot $(grep -c . /var/lib/boots), $(df -m --output=size / | tail -n 1) MiB\" >/dev/ttyS0
    (until [ -e /run/cloud-init/result.json ]; do sleep 1; done; systemctl poweroff) >/dev/null 2>&1 &
runcmd:
- |
  echo \"guest: cloud-init made $(cat /etc/hostname) of it\" >/dev/ttyS0
";

/// How large the disk of the machine is, in MiB; the image has less than a quarter of that.
const DISK: u64 = 3072;

/// The forms in which the image is published, and what makes them of the raw one.
const FORMS: [(&str, &str); 3] = [
    ("qcow2", "qemu-img convert -c -f raw -O qcow2 debian.raw debian.qcow2"),
    ("raw.xz", "xz -T0 -0 --keep debian.raw"),
    ("raw", "true"),
];

/// The image in all its forms, and who publishes them.
pub(crate) struct Published {
    publisher: Publisher,
    /// The length of the raw one, in bytes.
    length: u64,
}

impl Published {
    pub(crate) fn new(world: &World) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/build-debian-image.sh");
        world.shell(&format!("{script} debian.raw"));
        let length = fs::metadata(world.path("images/debian.raw")).unwrap().len();
        Self { publisher: Publisher::new(), length }
    }

    /// What a recipe says to fetch a form, which is made and served.
    fn fetch(&self, world: &World, (form, make): (&str, &str)) -> String {
        world.shell(make);
        let name = format!("debian.{form}");
        let file = world.path(&format!("images/{name}"));
        let sum = tool("sha256sum", &[file.to_str().unwrap()]);
        let url = self.publisher.serve(&name, Answer::File(fs::read(&file).unwrap()));
        format!("fetch(\"{url}\", #{{ sha256: \"{}\" }})", sum.split(' ').next().unwrap())
    }

    /// What a configuration says of the image, which is served with its checksum, as of the system `test`.
    pub(crate) fn row(&self, world: &World) -> String {
        let [(_, make), ..] = FORMS;
        world.shell(make);
        world.shell("sha256sum debian.qcow2 >SHA256SUMS");
        let serve = |name: &str| {
            let file = fs::read(world.path(&format!("images/{name}"))).unwrap();
            self.publisher.serve(name, Answer::File(file))
        };
        let (url, checksums) = (serve("debian.qcow2"), serve("SHA256SUMS"));
        format!(
            "[images.test]\ntitle = \"Debian\"\nurl = \"{url}\"\nchecksums = \"{checksums}\"\ndigest = \"sha256\"\n\
             kind = \"qcow2\"\nuser = \"debian\"\namd64 = \"amd64\"\n"
        )
    }
}

/// The recipe of a machine whose disk begins as what is fetched.
fn recipe(fetch: &str) -> String {
    format!(
        r#"let root = disk("web.img", {DISK}.MiB);
let seed = "web.seed";
if init {{
    convert({fetch}, root);
}}
cloud_seed(seed, #{{ meta_data: "instance-id: web-1\nlocal-hostname: web\n", user_data: `{USER_DATA}` }});
bhyve(#{{
    name: "web", cpus: 2, memory: 512.MiB, bootrom: uefi(), com1: "stdio",
    slots: #{{
        "0": hostbridge(),
        "3": virtio_blk(root),
        "4": virtio_blk(seed, #{{ ro: true }}),
        "31": lpc(),
    }},
}}).run();
"#
    )
}

/// What a guest said of itself.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// Which instance it is, by cloud-init.
    instance: String,
    /// How often its disk was booted.
    boots: u32,
    /// Whether its first file system has what the disk has, but for what a file system and a boot loader need.
    is_grown: bool,
    /// Whether cloud-init made something of it in this boot.
    is_made: bool,
}

fn said(instance: &str, boots: u32, is_made: bool) -> Said {
    Said { instance: instance.into(), boots, is_grown: true, is_made }
}

/// Reads the serial line of a guest that has ended well.
#[track_caller]
fn heard(ended: &Ended) -> Said {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let line = ended.stdout.lines().find_map(|line| line.split_once("guest: ")?.1.split_once(", boot "));
    let Some((instance, rest)) = line else { panic!("the guest says nothing:\n{}", ended.stdout) };
    let words: Vec<&str> = rest.split([',', ' ']).filter(|word| !word.is_empty()).collect();
    let [boots, size, "MiB"] = words[..] else { panic!("{rest:?}") };
    eprintln!("          guest: {instance}, boot {boots}, its first file system has {size} MiB");
    Said {
        instance: instance.into(),
        boots: boots.parse().unwrap(),
        is_grown: size.parse::<u64>().unwrap() > DISK - DISK / 8,
        is_made: ended.stdout.contains("guest: cloud-init made "),
    }
}

/// What happens after a snapshot has not happened once it is rolled back: the guest is at its second boot twice.
fn what_was_rolled_back_has_not_happened(host: &Host) {
    host.does(&["snapshot", "web", "before", "--copy"]);
    // A boot later it is the same instance: nothing is made of it again, and what was written is there.
    assert_eq!(heard(&host.vmrun(&["web.rhai"])), said("web-1", 2, false));
    host.does(&["rollback", "web", "before", "--copy"]);
    assert_eq!(heard(&host.vmrun(&["web.rhai"])), said("web-1", 2, false));
}

/// A clone has a copy of the disk, and is another machine: cloud-init makes something of it once more.
fn a_clone_is_made_anew_from_the_same_disk(host: &Host) {
    host.does(&["clone", "web", "shop"]);
    assert_eq!(heard(&host.vmrun(&["shop.rhai"])), said("shop-1", 3, true));
}

/// A host that has nothing of it gets all of it, and boots what the first one had.
fn it_goes_on_where_it_was_on_another_host(world: &World, host: &Host) {
    host.does(&["export", "web", "web.vmrun"]);
    let other = world.host("other");
    fs::rename(host.path("recipes/web.vmrun"), other.path("web.vmrun")).unwrap();
    other.does(&["import", "../web.vmrun"]);
    let recipe = |host: &Host| fs::read_to_string(host.path("recipes/web.rhai")).unwrap();
    assert_eq!(recipe(&other), recipe(host));
    world.shell(&format!("cmp {} {}", host.disk(), other.disk()));
    assert_eq!(heard(&other.vmrun(&["web.rhai"])), said("web-1", 3, false));
}

#[test]
fn an_image_becomes_a_machine_with_a_past() {
    let world = World::new();
    let published = Published::new(&world);
    let host = world.host("one");
    let [qcow2, ..] = FORMS;
    host.recipe("web.rhai", &recipe(&published.fetch(&world, qcow2)));
    assert_eq!(heard(&host.vmrun(&["web.rhai", "--init"])), said("web-1", 1, true));
    assert_eq!(published.publisher.asked(), ["/debian.qcow2"]);
    what_was_rolled_back_has_not_happened(&host);
    a_clone_is_made_anew_from_the_same_disk(&host);
    it_goes_on_where_it_was_on_another_host(&world, &host);
}

#[test]
fn every_form_of_an_image_becomes_the_same_disk() {
    let world = World::new();
    let published = Published::new(&world);
    let host = world.host("one");
    for (form, make) in FORMS {
        let fetch = published.fetch(&world, (form, make));
        host.recipe("form.rhai", &format!("convert({fetch}, disk(\"form.img\", {DISK}.MiB));\n"));
        host.does(&["form.rhai", "--init"]);
        assert_eq!(published.publisher.asked(), [format!("/debian.{form}")]);
        let disk = host.path("recipes/form.img");
        let (path, length) = (disk.display(), published.length);
        // What is in the image, and nothing behind it.
        world.shell(&format!("cmp --bytes={length} debian.raw {path}"));
        let behind = lseek(File::open(&disk).unwrap(), length.try_into().unwrap(), Whence::SeekData);
        assert_eq!(behind, Err(Errno::ENXIO), "{form}");
        let is = fs::metadata(&disk).unwrap();
        assert_eq!(is.len(), DISK << 20, "{form}");
        assert!(is.blocks() * 512 <= length, "{form}: what is zero takes no room");
        fs::remove_file(&disk).unwrap();
        // It is in the cache, and nobody is asked for it again.
        published.publisher.serve(&format!("debian.{form}"), Answer::Missing);
        host.does(&["form.rhai", "--init"]);
        assert_eq!(published.publisher.asked(), [""; 0]);
        fs::remove_file(&disk).unwrap();
    }
}
