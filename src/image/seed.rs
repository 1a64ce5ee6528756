//! The seed of cloud-init: a volume labelled `cidata`, from which its data source NoCloud takes what a guest is to become.

use super::fat::{self, Head, Label, Shape, Time, Tree};
use super::form::{Identity, ImageForm, LARGEST, SMALLEST};
use super::{Image, SECTOR, amount, yaml};
use crate::diag::Fault;
use crate::model::{HostKey, Secret};
use std::path::PathBuf;
use std::rc::Rc;

/// What is in a seed, each a text as cloud-init reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    /// What is to be done: `#cloud-config`, or a script.
    pub user_data: String,
    /// Which instance it is: YAML with `instance-id`; cloud-init begins anew when that changes.
    pub meta_data: String,
    /// The network, in version 1 or 2; else every card asks DHCP.
    pub network_config: Option<String>,
    /// The key by which the guest is known, which cloud-init puts in the place of those that it would make.
    pub host_key: Option<GuestKey>,
    /// The time that all files have.
    pub time: Time,
}

/// A host key that a guest is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestKey {
    /// Where the private key is.
    pub path: PathBuf,
    /// The private key, in PEM's form; absent where it is only to be made.
    pub private: Secret,
    /// The public key.
    pub public: HostKey,
}

impl GuestKey {
    /// Returns the lines of `#cloud-config` for it (cloud-init's documentation, module SSH, `ssh_keys`).
    fn lines(&self) -> String {
        let kind = self.public.cloud_name();
        let mut lines = format!("ssh_keys:\n  {kind}_private: |\n");
        for line in self.private.reveal().lines() {
            lines.push_str(&format!("    {line}\n"));
        }
        lines + format!("  {kind}_public: {}\n", self.public).as_str()
    }
}

/// How user data begins, by the table in cloud-init's documentation ("User-data formats").
const BEGINNINGS: &[&str] = &[
    "#cloud-config",
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template: jinja",
    "Content-Type:",
    "MIME-Version:",
];

impl Seed {
    /// Returns the bytes of the volume: 1 MiB, or as much as it takes.
    pub fn build(&self) -> Result<Image, Fault> {
        let user_data = self.whole_user_data()?;
        self.check(&user_data)?;
        let mut tree = Tree::new();
        let mut add = |path: &str, text: &str| tree.add(path, Rc::new(text.as_bytes().to_vec()));
        add("meta-data", &self.meta_data)?;
        add("user-data", &user_data)?;
        if let Some(text) = &self.network_config {
            add("network-config", text)?;
        }
        let sizes = std::iter::successors(Some(SMALLEST), |size| Some(size * 2).filter(|size| *size < LARGEST));
        let shape = |size: u64| Shape::of(u32::try_from(size / u64::from(SECTOR)).ok()?);
        let found = sizes.filter_map(|size| Some((size, shape(size)?))).find(|(_, shape)| tree.fits(shape));
        let too_large = || Fault::new(format!("the seed of cloud-init does not fit into {}", amount(LARGEST)));
        let (size, shape) = found.ok_or_else(too_large)?;
        let form = ImageForm { size, label: Label::cidata(), time: self.time, ..ImageForm::default() };
        let serial = Identity::of(&form, tree.files()).serial;
        let head = Head { label: form.label, serial, time: form.time, hidden: 0 };
        Ok(Image::new(size, fat::write(&shape, &head, &tree)).of_seed(self.clone()))
    }

    /// Returns who may read it, where that is not for everybody: its owner, if there is a private key in it.
    pub fn mode(&self) -> Option<u32> {
        self.host_key.as_ref().map(|_| 0o600)
    }

    /// The user data with the host key.
    fn whole_user_data(&self) -> Result<String, Fault> {
        const CONFIG: &str = "#cloud-config";
        let Some(key) = &self.host_key else { return Ok(self.user_data.clone()) };
        if !self.user_data.starts_with(CONFIG) {
            let fault = Fault::new(format!("the seed has a host key, and its user-data is no {CONFIG}"));
            return Err(fault.hint(format!("begin it with a line {CONFIG}, or leave the host key out")));
        }
        if self.user_data.lines().any(|line| line.starts_with("ssh_keys:")) {
            let fault = Fault::new("the seed has a host key, and its user-data has `ssh_keys` of its own");
            return Err(fault.hint("leave one of them out"));
        }
        let end = if self.user_data.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{}{end}{}", self.user_data, key.lines()))
    }

    fn check(&self, user_data: &String) -> Result<(), Fault> {
        let texts = [("user-data", Some(user_data)), ("meta-data", Some(&self.meta_data))];
        for (name, text) in texts.into_iter().chain([("network-config", self.network_config.as_ref())]) {
            if text.is_some_and(|text| text.contains('\0')) {
                let fault = Fault::new(format!("the {name} of the seed has a NUL byte"));
                return Err(fault.hint("give a text: YAML, or a script"));
            }
        }
        if !BEGINNINGS.iter().any(|beginning| self.user_data.starts_with(beginning)) {
            let fault = Fault::new("the user-data of the seed begins with nothing that cloud-init knows");
            return Err(fault.hint("the first line is #cloud-config for YAML, or #!/bin/sh for a script"));
        }
        if !self.meta_data.contains("instance-id") {
            let fault = Fault::new("the meta-data of the seed has no instance-id");
            return Err(
                fault.hint("write a line such as `instance-id: web-1`; another one makes cloud-init begin anew")
            );
        }
        if self.network_config.as_ref().is_some_and(|text| !text.contains("version")) {
            let fault = Fault::new("the network-config of the seed has no version");
            return Err(fault.hint("write `version: 2` and `ethernets:` below it"));
        }
        // Scripts, templates and parts of a mail are read by others, or by cloud-init once they are filled.
        if self.user_data.starts_with("#cloud-config") {
            yaml::check("user-data", user_data)?;
        }
        yaml::check("meta-data", &self.meta_data)?;
        self.network_config.as_ref().map_or(Ok(()), |text| yaml::check("network-config", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Disk, inspect};

    fn seed() -> Seed {
        Seed {
            user_data: "#cloud-config\nhostname: web\n".into(),
            meta_data: "instance-id: web-1\n".into(),
            ..Seed::default()
        }
    }

    #[test]
    fn a_seed_is_a_volume_without_a_table() {
        let image = Seed { network_config: Some("version: 2\n".into()), ..seed() }.build().unwrap();
        assert_eq!(image.size(), 1 << 20);
        let found = inspect(&image).unwrap();
        assert!(found.table.is_none() && found.wrong.is_empty());
        let volume = found.volumes().next().unwrap();
        let files: Vec<(&str, u64)> = volume.files.iter().map(|file| (file.path.as_str(), file.size)).collect();
        assert_eq!(files, [("meta-data", 19), ("user-data", 28), ("network-config", 11)]);
        assert_eq!((volume.label.as_str(), volume.kind.as_str()), ("cidata", "FAT12"));
    }

    #[test]
    fn a_seed_is_as_large_as_it_has_to_be() {
        let user_data = format!("#!/bin/sh\n{}", "#".repeat(1 << 20));
        assert_eq!(Seed { user_data, ..seed() }.build().unwrap().size(), 2 << 20);
    }

    #[test]
    fn what_cloud_init_would_not_read_is_a_fault() {
        let fault = |seed: Seed| seed.build().unwrap_err();
        let begins = Fault::new("the user-data of the seed begins with nothing that cloud-init knows")
            .hint("the first line is #cloud-config for YAML, or #!/bin/sh for a script");
        assert_eq!(fault(Seed { user_data: "hostname: web\n".into(), ..seed() }), begins);
        assert_eq!(fault(Seed { user_data: String::new(), ..seed() }), begins);
        assert_eq!(
            fault(Seed { meta_data: "hostname: web\n".into(), ..seed() }),
            Fault::new("the meta-data of the seed has no instance-id")
                .hint("write a line such as `instance-id: web-1`; another one makes cloud-init begin anew")
        );
        assert_eq!(
            fault(Seed { network_config: Some("ethernets:\n".into()), ..seed() }),
            Fault::new("the network-config of the seed has no version")
                .hint("write `version: 2` and `ethernets:` below it")
        );
        let hint =
            "what belongs together begins in one column, by spaces; a text with `: ` or ` #` in it stands in quotes";
        let broken = |name: &str, why: &str| Fault::new(format!("the {name} of the seed is no YAML: {why}")).hint(hint);
        let users = "#cloud-config\nusers:\n  - name: a\n   shell: /bin/sh\n";
        assert_eq!(
            fault(Seed { user_data: users.into(), ..seed() }),
            broken(
                "user-data",
                "line 4, column 4: while parsing a block collection, did not find expected '-' indicator"
            )
        );
        let network = Some("version: 2\nethernets: {eth0: {dhcp4: true}\n".into());
        assert_eq!(
            fault(Seed { network_config: network, ..seed() }),
            broken(
                "network-config",
                "line 3, column 1: while parsing a flow mapping, did not find expected ',' or '}'"
            )
        );
        let meta_data = "instance-id: a: b\n".into();
        assert_eq!(
            fault(Seed { meta_data, ..seed() }),
            broken("meta-data", "line 1, column 15: mapping values are not allowed in this context")
        );
        assert_eq!(
            fault(Seed { user_data: "#cloud-config\n\0".into(), ..seed() }),
            Fault::new("the user-data of the seed has a NUL byte").hint("give a text: YAML, or a script")
        );
    }
}
