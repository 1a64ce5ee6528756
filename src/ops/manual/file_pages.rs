//! The pages of files: `vmrun.toml` and `config.toml`.

use super::super::roff::{page, prose, term, text};
use super::see_also;
use crate::diag::Fault;
use crate::library::allowed;
use clap_mangen::roff::Roff;

/// The keys of a library in `vmrun.toml`.
pub(super) const LIBRARY: [(&str, &str); 4] = [
    (
        "git",
        "the address of a repository: https://…, ssh://…, git@host:team/net.git, or a path; with `version` or `rev`",
    ),
    ("path", "a folder, from that of the file on; it is used as it is there, and not pinned"),
    ("rev", "a tag, a branch or a commit of the repository"),
    (
        "version",
        "which tags will do, as Cargo writes it: `1.2` is 1.2.0 and what is compatible with it; the highest is taken",
    ),
];

/// The keys of `config.toml` that are lists of texts.
pub(super) const CONFIG: [(&str, &str); 5] = [
    (
        "hosts",
        "the hosts that may run machines: `ssh://HOST` is asked by its own vmrun, `HOST` by the screens of its machines; what \
      `vmrun find` and others ask unless they are given `--hosts`",
    ),
    (
        "leases",
        "files of leases of DHCP servers, in which the addresses of guests are looked for beside the usual ones: dnsmasq's, ISC \
      dhcpd's, Kea's (memfile)",
    ),
    (
        "recipes",
        "the folders in which recipes are looked for by the name of their machine; otherwise the folder `recipes` beside this \
      file, the folder `recipes` of the folder where vmrun is started, and that folder itself",
    ),
    ("start", "what `vmrun start --all` starts, in this order: machines by name, or recipes"),
    (
        "viewer",
        "the program of `vmrun vnc` and its arguments; `{host}` and `{port}` stand for where the screen is, `{socket}` for the path of \
      one that is a socket",
    ),
];

/// The keys of an image in `config.toml`.
pub(super) const IMAGE: [(&str, &str); 12] = [
    ("title", "what it is, for people"),
    (
        "url",
        "where it is; `{arch}` stands for the publisher's name of the architecture, `{dir}` for that of its folder",
    ),
    ("checksums", "where the publisher's checksums are; `{file}` stands for the name of the image's file"),
    ("digest", "how they are made: `sha256` or `sha512`"),
    ("signed", "whether they are signed, and how, for people"),
    (
        "signature",
        "where their signature by OpenPGP is, if they have one, which needs `checksums`; `{checksums}` stands for where they are, and \
      alone means that the signature is around them",
    ),
    (
        "keyring",
        "the file of its publisher's keys, which needs a `signature`; a table with nothing else says it of an image that `vmrun images` \
      lists",
    ),
    ("kind", "the form of the disk, by the names of qemu-img(1), with what it is packed in: `qcow2`, `raw.xz`"),
    ("user", "the user that the image has"),
    ("note", "what else is to be known"),
    ("amd64", "the publisher's name of amd64; two names are that in the file and that of the folder"),
    ("arm64", "the publisher's name of arm64"),
];

const KEYRING: &str = "\
With a keyring `vmrun images pin` and `vmrun new` have gpgv(1) verify the signature of the checksums, and refuse one that is wrong, has \
expired, or is not by a key of that file. A key is got from its publisher's documentation, and never from where the image is; its \
fingerprint is compared with what another way says it is, and `gpg --dearmor < KEY.asc >> FILE` adds it to the file.";

const MANIFEST: &str = "\
The file `vmrun.toml` beside recipes names the libraries that they may import. It is written in TOML. `vmrun lib add` adds a library, and \
all of it can be written by hand.

    signers = \"allowed_signers\"

    [lib.net]
    git = \"https://git.example.org/net.git\"
    version = \"1.2\"

    [lib.lab]
    path = \"../lab\"

What begins with `net/` in a recipe is then a module of that library: `import \"net/cards\" as cards;`. Nothing is fetched while a recipe \
runs: `vmrun lib sync` does that, and pins the commit and the SHA-256 of every file in `vmrun.lock`, which belongs into the \
repository of the recipes. `vmrun lib verify` compares them.";

const CONFIGURATION: &str = "\
The file `config.toml` in the configuration folder is for those who have several hosts, or let libraries do more. It is written in \
TOML, and all of it is optional. The folder is /usr/local/etc/vmrun on FreeBSD and /etc/vmrun on Linux, for a plain user the user's own, \
and VMRUN_CONFIG names another.

    hosts = [\"ssh://vm5\", \"192.168.2.6\"]
    recipes = [\"/usr/local/etc/vmrun/recipes\"]
    start = [\"db\", \"web\"]
    viewer = [\"vncviewer\", \"{host}:{port}\"]

    [allow]
    paths = [\"/vm\"]

    [images.mine]
    url = \"https://images.example.org/mine-{arch}.qcow2\"
    digest = \"sha256\"
    amd64 = \"x86_64\"";

/// Returns the page of `vmrun.toml`.
pub(super) fn manifest() -> Result<String, Fault> {
    let mut roff = page("vmrun.toml", "the libraries of recipes", "vmrun.toml", "5");
    described(&mut roff, MANIFEST);
    roff.control("SH", ["KEYS"]);
    term(
        &mut roff,
        "signers",
        "the file of those who sign what comes from repositories (ssh-keygen(1), ALLOWED SIGNERS)",
    );
    LIBRARY.iter().for_each(|(key, means)| term(&mut roff, &format!("lib.NAME.{key}"), means));
    see_also(&mut roff, "vmrun-lib(1), vmrun-recipe(5), vmrun-config(5)");
    text(&roff)
}

/// Returns the page of `config.toml`. Its name is not that of the file, which other programs have as well.
pub(super) fn config() -> Result<String, Fault> {
    let mut roff = page("vmrun-config", "config.toml, the configuration of vmrun", "vmrun-config", "5");
    described(&mut roff, CONFIGURATION);
    roff.control("SH", ["KEYS"]);
    CONFIG.iter().for_each(|(key, means)| term(&mut roff, key, &format!("{means}. A list of texts.")));
    roff.control("SH", ["PERMISSIONS OF LIBRARIES"]);
    prose(
        &mut roff,
        "The lists of the table `[allow]` say what libraries may do in every recipe of this host, as `allow(#{ … })` says it in one.",
    );
    allowed::KEYS.iter().for_each(|(key, means)| term(&mut roff, &format!("allow.{key}"), means));
    roff.control("SH", ["IMAGES"]);
    prose(
        &mut roff,
        "A table `[images.NAME]` is an image of a system, beside those that `vmrun images` lists or in place of one.",
    );
    IMAGE.iter().for_each(|(key, means)| term(&mut roff, &format!("images.NAME.{key}"), means));
    term(&mut roff, "images.keyring", "the file of the keys of all publishers that have none of their own");
    prose(&mut roff, KEYRING);
    see_also(&mut roff, "vmrun(1), vmrun-find(1), vmrun-images(1), vmrun.toml(5)");
    text(&roff)
}

fn described(roff: &mut Roff, about: &str) {
    roff.control("SH", ["DESCRIPTION"]);
    prose(roff, about);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::catalog;
    use crate::library::manifest;
    use crate::ops::config;

    #[test]
    fn every_key_is_told_that_there_is() {
        fn names<const N: usize>(all: [(&'static str, &str); N]) -> [&'static str; N] {
            all.map(|(name, _)| name)
        }
        assert_eq!(names(LIBRARY), manifest::KEYS);
        assert_eq!(names(CONFIG), config::KEYS);
        assert_eq!(names(IMAGE), catalog::KEYS);
    }

    #[test]
    fn the_examples_of_the_pages_are_read() {
        let shown = |text: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(manifest::parse("vmrun.toml", &shown(MANIFEST)).unwrap().named.len(), 2);
        assert_eq!(config::parse("config.toml", &shown(CONFIGURATION)).unwrap().start, ["db", "web"]);
    }
}
