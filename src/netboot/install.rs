//! How a machine is installed, and the iPXE script that begins it.

use super::chainload::MARKER;
use crate::diag::{Fault, suggest};
use std::collections::BTreeMap;

/// The keys that say how a machine is installed, with what each is.
pub(crate) const KEYS: [(&str, &str); 10] = [
    ("os", "what is installed, as \"debian\"; one that is not known is told with those that are"),
    ("mirror", "the address of its files"),
    ("release", "which release of it"),
    ("iso", "the address of an image of a CD"),
    ("image", "the address of an image with a root in memory"),
    ("kernel", "the address of a kernel"),
    ("initrd", "the address of an initial RAM disk"),
    ("args", "further arguments of the kernel"),
    ("answers", "the address of the installer's answers"),
    ("script", "an iPXE script of one's own, in place of all others"),
];

/// Returns the names of the keys that something is said of.
fn given_keys(given: &BTreeMap<String, String>) -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().map(|(key, _)| key).filter(|key| given.contains_key(*key))
}

/// How long a script of one's own may be, in bytes.
const SCRIPT_MAX: usize = 64 << 10;

/// How a machine is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Install {
    /// OpenBSD: its UEFI loader, which fetches bsd.rd; the answers come by DHCP.
    OpenBsd {
        /// The release's folder for the architecture.
        mirror: String,
    },
    /// FreeBSD: an image with a root in memory (mfsBSD), because its installer does not find the network's disk again.
    FreeBsd {
        /// Where the image is.
        image: String,
    },
    /// Any Linux: a kernel, an initial RAM disk and arguments.
    Linux {
        /// Where the kernel is.
        kernel: String,
        /// Where the initial RAM disk is.
        initrd: String,
        /// The kernel's arguments.
        args: String,
    },
    /// A script of one's own.
    Script(String),
}

/// An installer: what it needs to be told, what it may be told, and what comes of it.
struct Installer {
    os: &'static str,
    needs: &'static [&'static str],
    may: &'static [&'static str],
    make: fn(&GivenKeys<'_>) -> Install,
}

/// What was said, all of it checked.
struct GivenKeys<'a>(&'a BTreeMap<String, String>);

impl GivenKeys<'_> {
    fn text(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    /// A place below the mirror, or one of its own.
    fn below(&self, path: &str) -> String {
        if path.contains("://") { path.into() } else { format!("{}/{path}", self.text("mirror").trim_end_matches('/')) }
    }

    /// Arguments: those of the installer, then those of the recipe.
    fn args(&self, own: &[String]) -> String {
        let given = self.0.get("args").map(String::as_str);
        own.iter().map(String::as_str).chain(given).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn answers(&self, form: impl Fn(&str) -> String) -> String {
        self.0.get("answers").map(|answers| form(answers)).unwrap_or_default()
    }
}

const INSTALLERS: &[Installer] = &[
    Installer {
        os: "openbsd",
        needs: &["mirror"],
        may: &[],
        make: |given| Install::OpenBsd { mirror: given.text("mirror").trim_end_matches('/').into() },
    },
    Installer {
        // preseed/url, of the installation guide's appendix B.
        os: "debian",
        needs: &["mirror", "release"],
        may: &["args", "answers"],
        make: |given| {
            let folder = format!(
                "dists/{}/main/installer-amd64/current/images/netboot/debian-installer/amd64",
                given.text("release")
            );
            // Where DHCP names no server for names the installer asks for one before it can fetch the answers (netcfg's dhcp.c), and only
            // there does it take this, which is none.
            let answers = given.answers(|url| format!("auto=true priority=critical url={url} netcfg/get_nameservers="));
            Install::Linux {
                kernel: given.below(&format!("{folder}/linux")),
                initrd: given.below(&format!("{folder}/initrd.gz")),
                args: given.args(&[answers]),
            }
        },
    },
    Installer {
        // Casper fetches the ISO; cloud-init would take `url` for its own, were it not told of another.
        os: "ubuntu",
        needs: &["mirror", "iso"],
        may: &["args", "answers"],
        make: |given| {
            let seed = given.answers(|url| format!("autoinstall ds=nocloud;s={}/", url.trim_end_matches('/')));
            let iso = format!("ip=dhcp url={} cloud-config-url=/dev/null", given.below(given.text("iso")));
            Install::Linux {
                kernel: given.below("netboot/amd64/linux"),
                initrd: given.below("netboot/amd64/initrd"),
                args: given.args(&[iso, seed]),
            }
        },
    },
    Installer { os: "rocky", needs: &["mirror"], may: &["args", "answers"], make: anaconda },
    Installer { os: "fedora", needs: &["mirror"], may: &["args", "answers"], make: anaconda },
    Installer {
        os: "freebsd",
        needs: &["mirror", "image"],
        may: &[],
        make: |given| Install::FreeBsd { image: given.below(given.text("image")) },
    },
    Installer {
        os: "linux",
        needs: &["kernel", "initrd"],
        may: &["mirror", "args"],
        make: |given| Install::Linux {
            kernel: given.below(given.text("kernel")),
            initrd: given.below(given.text("initrd")),
            args: given.args(&[]),
        },
    },
];

/// Red Hat's installer: dracut.cmdline(7), and `inst.repo` and `inst.ks` of anaconda.
fn anaconda(given: &GivenKeys<'_>) -> Install {
    let repo = format!("ip=dhcp inst.repo={}", given.text("mirror").trim_end_matches('/'));
    Install::Linux {
        kernel: given.below("images/pxeboot/vmlinuz"),
        initrd: given.below("images/pxeboot/initrd.img"),
        args: given.args(&[repo, given.answers(|url| format!("inst.ks={url}"))]),
    }
}

impl Install {
    /// Reads what was said; nothing if nothing was. A fault comes with the key that it is about.
    pub(crate) fn read(given: &BTreeMap<String, String>) -> Result<Option<Self>, (&'static str, Fault)> {
        if let Some(text) = given.get("script") {
            if let Some(other) = given_keys(given).find(|key| *key != "script") {
                let fault = Fault::new(format!("`{other}` and `script` exclude each other"));
                return Err((other, fault.hint("a script of one's own says all of it")));
            }
            return own(text).map(|script| Some(Self::Script(script))).map_err(|fault| ("script", fault));
        }
        let names = || INSTALLERS.iter().map(|installer| installer.os);
        let Some(os) = given.get("os") else {
            let Some(key) = given_keys(given).next() else { return Ok(None) };
            let fault = Fault::new(format!("`{key}` is for an `os`, and none is named"));
            return Err((key, fault.hint(format!("known are {}", suggest::list(names())))));
        };
        let Some(installer) = INSTALLERS.iter().find(|installer| installer.os == os) else {
            let fault = Fault::new(format!("netboot does not know how to install {os:?}"));
            let fault = fault.hint(format!("known are {}; `script` is a script of one's own", suggest::list(names())));
            return Err(("os", fault.did_you_mean(os, names())));
        };
        installer.check(given)?;
        Ok(Some((installer.make)(&GivenKeys(given))))
    }

    /// Returns the text of the iPXE script, from its first line on.
    pub(crate) fn script(&self) -> String {
        let body = match self {
            Self::Script(text) => {
                let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
                return format!(
                    "#!ipxe\n{MARKER}\n{rest}{}",
                    if rest.ends_with('\n') || rest.is_empty() { "" } else { "\n" }
                );
            }
            Self::OpenBsd { mirror } => format!("chain {mirror}/BOOTX64.EFI"),
            Self::FreeBsd { image } => format!("sanboot --no-describe {image}"),
            // UEFI's kernels find the disk by its name.
            Self::Linux { kernel, initrd, args } => {
                let args = if args.is_empty() { String::new() } else { format!(" {args}") };
                format!(
                    "kernel {kernel} initrd=initrd{args} || goto failed\ninitrd --name initrd {initrd} || goto failed\nboot"
                )
            }
        };
        format!(
            "#!ipxe\n{MARKER}\n{body} || goto failed\n\n:failed\n\
             prompt --key s --timeout 10000 Installing failed, hit 's' for the iPXE shell; reboot in 10 seconds && shell || reboot\n"
        )
    }
}

impl Installer {
    fn check(&self, given: &BTreeMap<String, String>) -> Result<(), (&'static str, Fault)> {
        for key in self.needs {
            if !given.contains_key(*key) {
                let fault = Fault::new(format!("to install {} netboot needs `{key}`", self.os));
                return Err(("os", fault.hint(format!("it needs {}", suggest::list(self.needs.iter().copied())))));
            }
        }
        for key in given_keys(given) {
            if key != "os" && !self.needs.contains(&key) && !self.may.contains(&key) {
                let fault = Fault::new(format!("`{key}` means nothing to {}", self.os));
                let known: Vec<&str> = self.needs.iter().chain(self.may).copied().collect();
                let hint = match (key, self.os) {
                    ("answers", "openbsd") => {
                        "its answers are the file `auto_install` of the next server, by DHCP".into()
                    }
                    ("answers", "freebsd") => "its answers are in the image: /etc/installerconfig".into(),
                    _ => format!("it takes {}", suggest::list(known)),
                };
                return Err((key, fault.hint(hint)));
            }
            word(key, given.get(key).map(String::as_str).unwrap_or_default(), self.os).map_err(|fault| (key, fault))?;
        }
        Ok(())
    }
}

/// What stands in a line of a script: words without what iPXE would read as the end of a command.
fn word(key: &'static str, text: &str, os: &str) -> Result<(), Fault> {
    let is_place = ["mirror", "answers"].contains(&key) || (os == "linux" && ["kernel", "initrd"].contains(&key));
    let bad = text.chars().find(|c| c.is_control() || (*c == ' ' && key != "args"));
    if let Some(bad) = bad {
        return Err(Fault::new(format!("`{key}` has {bad:?}")).hint("it stands in one line of an iPXE script"));
    }
    if text.trim().is_empty() {
        return Err(Fault::new(format!("`{key}` is empty")));
    }
    if text.split(' ').any(|word| ["||", "&&", "#"].contains(&word)) {
        return Err(Fault::new(format!("`{key}` ends a command of iPXE")).hint("`||`, `&&` and `#` cannot stand alone"));
    }
    if is_place && !["http://", "https://", "tftp://", "ftp://", "nfs://"].iter().any(|scheme| text.starts_with(scheme))
    {
        let fault = Fault::new(format!("{text:?} is no address that iPXE can load from"));
        return Err(fault.hint("an address with http, https, tftp, ftp or nfs: tftp://${next-server}/linux"));
    }
    Ok(())
}

/// A script of one's own.
fn own(text: &str) -> Result<String, Fault> {
    if text.contains('\0') {
        return Err(Fault::new("the script has a NUL byte").hint("iPXE scripts are text"));
    }
    if text.len() > SCRIPT_MAX {
        let fault = Fault::new(format!("the script has {} bytes", text.len()));
        return Err(fault.hint(format!("at most {SCRIPT_MAX}; let it chain to the rest")));
    }
    if text.lines().next().map(str::trim_end) != Some("#!ipxe") {
        return Err(Fault::new("the script does not begin with `#!ipxe`").hint("iPXE takes it for something else then"));
    }
    if let Some((before, behind)) = text.split_once("{{") {
        let name = behind.split_once("}}").map_or("…", |(name, _)| name.trim());
        let line = before.matches('\n').count() + 1;
        let fault =
            Fault::new(format!("the script has the placeholder {{{{{name}}}}} in line {line}, and nothing fills it"));
        return Err(fault.hint("write the value there: `fill` is for ipxe_image"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    fn body(pairs: &[(&str, &str)]) -> String {
        let script = Install::read(&given(pairs)).unwrap().unwrap().script();
        let begin = "#!ipxe\n# vmrun: made by `vmrun netboot chainload`; what is changed here is lost\n";
        let end = "\n\n:failed\nprompt --key s --timeout 10000 Installing failed, hit 's' for the iPXE shell; \
                   reboot in 10 seconds && shell || reboot\n";
        script.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).unwrap_or_else(|| panic!("{script}")).into()
    }

    #[test]
    fn every_system_begins_as_its_installer_wants() {
        let deb = "http://deb.example/debian/dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64";
        assert_eq!(
            body(&[
                ("os", "debian"),
                ("mirror", "http://deb.example/debian/"),
                ("release", "bookworm"),
                ("answers", "http://a/web.cfg"),
                ("args", "console=ttyS0 --- quiet"),
            ]),
            format!(
                "kernel {deb}/linux initrd=initrd auto=true priority=critical url=http://a/web.cfg netcfg/get_nameservers= console=ttyS0 --- quiet || goto failed\n\
                 initrd --name initrd {deb}/initrd.gz || goto failed\nboot || goto failed"
            )
        );
        assert_eq!(
            body(&[
                ("os", "ubuntu"),
                ("mirror", "http://u.example/24.04"),
                ("iso", "ubuntu-24.04-live-server-amd64.iso"),
                ("answers", "http://a/web"),
            ]),
            "kernel http://u.example/24.04/netboot/amd64/linux initrd=initrd ip=dhcp \
             url=http://u.example/24.04/ubuntu-24.04-live-server-amd64.iso cloud-config-url=/dev/null autoinstall \
             ds=nocloud;s=http://a/web/ || goto failed\n\
             initrd --name initrd http://u.example/24.04/netboot/amd64/initrd || goto failed\nboot || goto failed"
        );
        for os in ["rocky", "fedora"] {
            assert_eq!(
                body(&[("os", os), ("mirror", "http://r.example/os/"), ("answers", "http://a/web.ks")]),
                "kernel http://r.example/os/images/pxeboot/vmlinuz initrd=initrd ip=dhcp inst.repo=http://r.example/os \
                 inst.ks=http://a/web.ks || goto failed\n\
                 initrd --name initrd http://r.example/os/images/pxeboot/initrd.img || goto failed\nboot || goto failed"
            );
        }
        let openbsd = [("os", "openbsd"), ("mirror", "tftp://${next-server}/7.4")];
        assert_eq!(body(&openbsd), "chain tftp://${next-server}/7.4/BOOTX64.EFI || goto failed");
        let freebsd = [("os", "freebsd"), ("mirror", "http://f.example"), ("image", "mfsbsd-14.img")];
        assert_eq!(body(&freebsd), "sanboot --no-describe http://f.example/mfsbsd-14.img || goto failed");
        assert_eq!(
            body(&[("os", "linux"), ("kernel", "tftp://${next-server}/linux"), ("initrd", "http://a/initrd")]),
            "kernel tftp://${next-server}/linux initrd=initrd || goto failed\n\
             initrd --name initrd http://a/initrd || goto failed\nboot || goto failed"
        );
    }

    #[test]
    fn a_script_of_ones_own_is_marked_and_otherwise_as_it_is() {
        let script = |text: &str| Install::read(&given(&[("script", text)])).unwrap().unwrap().script();
        let marked = "#!ipxe\n# vmrun: made by `vmrun netboot chainload`; what is changed here is lost\n";
        assert_eq!(script("#!ipxe\necho hello"), format!("{marked}echo hello\n"));
        assert_eq!(script("#!ipxe\r\n\necho hello\n"), format!("{marked}\necho hello\n"));
        assert_eq!(script("#!ipxe"), marked);
        assert_eq!(Install::read(&given(&[])), Ok(None));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        let told = |pairs: &[(&str, &str)]| {
            let (key, fault) = Install::read(&given(pairs)).unwrap_err();
            format!("{key}: {} | {}", fault.message, fault.hint.unwrap_or_default())
        };
        let known = "openbsd, debian, ubuntu, rocky, fedora, freebsd and linux";
        for (pairs, expected) in [
            (&[("os", "plan9")][..], format!("os: netboot does not know how to install \"plan9\" | known are {known}; `script` is a script of one's own")),
            (&[("os", "debain")], "os: netboot does not know how to install \"debain\" | did you mean `debian`?".into()),
            (&[("mirror", "http://a")], format!("mirror: `mirror` is for an `os`, and none is named | known are {known}")),
            (&[("os", "debian"), ("mirror", "http://a")], "os: to install debian netboot needs `release` | it needs mirror and release".into()),
            (&[("os", "openbsd"), ("mirror", "http://a"), ("answers", "http://b")],
             "answers: `answers` means nothing to openbsd | its answers are the file `auto_install` of the next server, by DHCP".into()),
            (&[("os", "freebsd"), ("mirror", "http://a"), ("image", "b"), ("answers", "http://b")],
             "answers: `answers` means nothing to freebsd | its answers are in the image: /etc/installerconfig".into()),
            (&[("os", "rocky"), ("mirror", "http://a"), ("iso", "b")], "iso: `iso` means nothing to rocky | it takes mirror, args and answers".into()),
            (&[("os", "rocky"), ("mirror", "/srv")],
             "mirror: \"/srv\" is no address that iPXE can load from | an address with http, https, tftp, ftp or nfs: tftp://${next-server}/linux".into()),
            (&[("os", "rocky"), ("mirror", "http://a b")], "mirror: `mirror` has ' ' | it stands in one line of an iPXE script".into()),
            (&[("os", "rocky"), ("mirror", "http://a"), ("args", "quiet\nshell")], "args: `args` has '\\n' | it stands in one line of an iPXE script".into()),
            (&[("os", "rocky"), ("mirror", "http://a"), ("args", "quiet || shell")], "args: `args` ends a command of iPXE | `||`, `&&` and `#` cannot stand alone".into()),
            (&[("os", "rocky"), ("mirror", "http://a"), ("args", " ")], "args: `args` is empty | ".into()),
            (&[("script", "#!ipxe\n"), ("os", "rocky")], "os: `os` and `script` exclude each other | a script of one's own says all of it".into()),
            (&[("script", "echo hello")], "script: the script does not begin with `#!ipxe` | iPXE takes it for something else then".into()),
            (&[("script", "#!ipxe\nchain {{host}}/a")], "script: the script has the placeholder {{host}} in line 2, and nothing fills it | write the value there: `fill` is for ipxe_image".into()),
            (&[("script", "#!ipxe\n\0")], "script: the script has a NUL byte | iPXE scripts are text".into()),
            (&[("script", &format!("#!ipxe\n{}", "#".repeat(70_000)))], "script: the script has 70007 bytes | at most 65536; let it chain to the rest".into()),
        ] {
            assert_eq!(told(pairs), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_every_line_of_the_script_is_ours(os in "(linux|debian|rocky)", mirror: String, args: String) {
            let pairs = [("os", os.as_str()), ("mirror", &mirror), ("args", &args), ("release", "x"), ("kernel", &mirror), ("initrd", "http://a")];
            let needed = pairs.iter().filter(|(key, _)| os == "linux" && ["os", "kernel", "initrd", "args"].contains(key)
                || os == "debian" && ["os", "mirror", "release", "args"].contains(key)
                || os == "rocky" && ["os", "mirror", "args"].contains(key));
            let given: BTreeMap<String, String> = needed.map(|(key, value)| ((*key).into(), (*value).into())).collect();
            if let Ok(Some(install)) = Install::read(&given) {
                prop_assert_eq!(install.script().lines().count(), 8);
            }
        }
    }
}
