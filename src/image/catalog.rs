//! Images of systems: where their publishers have them, and where the checksums are. A table of our own, and that of a host
//! (`[images]` in `config.toml`), which is written in the same way and may replace rows.

use crate::diag::{Blame, Diagnostic, Fault, Place, Source, suggest};
use crate::model::name::in_order;
use crate::model::{Arch, DigestKind, Url};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// The table that the program carries.
const OWN: &str = include_str!("catalog.toml");

/// The keys of a row that are texts.
const TEXTS: [&str; 10] =
    ["title", "url", "checksums", "digest", "signed", "signature", "keyring", "kind", "user", "note"];

/// All keys of a row.
pub(crate) const KEYS: [&str; 12] =
    ["title", "url", "checksums", "digest", "signed", "signature", "keyring", "kind", "user", "note", "amd64", "arm64"];

/// The key of a row, and of the table itself for all rows, that names a file with the keys of publishers.
pub(crate) const KEYRING: &str = "keyring";

/// The way out of a row that is wrong.
const EXAMPLE: &str = "[images.mine] with url = \"https://…/{arch}.qcow2\", digest = \"sha512\", amd64 = \"x86_64\"";

/// The way out of a keyring that is wrong.
const KEYRING_EXAMPLE: &str = "keyring = \"/usr/local/etc/vmrun/publishers.gpg\"";

/// One system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct System {
    /// What it is, for people.
    pub title: String,
    url: String,
    checksums: String,
    /// How its publisher makes digests.
    digest: Option<DigestKind>,
    /// Whether the checksums are signed, and how; nothing where the row does not say.
    pub signed: String,
    /// Where the signature of the checksums is, if they have one by OpenPGP.
    signature: String,
    /// The file with the keys of its publisher.
    keyring: Option<PathBuf>,
    /// The form of its disk, by qemu-img(1)'s name, with what it is packed in: `qcow2`, `raw.xz`.
    pub kind: String,
    /// The user that its image has.
    pub user: String,
    /// What else is to be known.
    pub note: String,
    /// For each architecture the publisher's names: in the file, and of its folder.
    names: BTreeMap<String, (String, String)>,
    /// Whether it is a row of the host's own.
    pub is_own: bool,
}

/// One image of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemImage {
    /// Where it is.
    pub url: Url,
    /// Where its checksum is, if its publisher has one.
    pub checksums: Option<Url>,
    /// How that is made.
    pub digest: DigestKind,
    /// Where the signature of the checksums is, by OpenPGP; where they are themselves if it is around them.
    pub signature: Option<Url>,
}

/// Whether who signed a publisher's checksums is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verifies {
    /// They have a signature by OpenPGP, and this host the keys of its publisher.
    Yes,
    /// They have one, and this host has no keys for it.
    WithKeyring,
    /// They have none: neither are the signatures of an image itself verified, nor those of signify(1) and minisign.
    No,
}

/// All systems, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    systems: BTreeMap<String, System>,
    keyring: Option<PathBuf>,
}

/// A table as it is written: rows by name, and the keyring of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    systems: BTreeMap<String, (System, Range<usize>)>,
    keyring: Option<PathBuf>,
}

impl System {
    /// Returns the architectures for which there is an image.
    pub(crate) fn arches(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    /// Returns the image for an architecture.
    pub(crate) fn image(&self, name: &str, arch: Arch) -> Result<SystemImage, Fault> {
        let none = || {
            let fault = Fault::new(format!("there is no image of {name} for {arch}"));
            fault.hint(format!("its publisher has one for {}", suggest::list(self.arches())))
        };
        let (arch, dir) = self.names.get(&arch.to_string()).ok_or_else(none)?;
        let filled = |text: &str| text.replace("{arch}", arch).replace("{dir}", dir);
        let of = |fault: Fault| fault.context(format!("the image {name}"));
        let url: Url = filled(&self.url).parse().map_err(of)?;
        let checksums = Some(&self.checksums).filter(|text| !text.is_empty());
        let checksums: Option<Url> =
            checksums.map(|text| filled(text).replace("{file}", url.file_name()).parse().map_err(of)).transpose()?;
        let at = checksums.as_ref().map_or("", Url::as_str);
        let signature = Some(&self.signature).filter(|text| !text.is_empty());
        let signature = signature
            .map(|text| filled(&text.replace("{checksums}", at)).replace("{file}", url.file_name()).parse().map_err(of))
            .transpose()?;
        Ok(SystemImage { checksums, digest: self.digest.unwrap_or(DigestKind::Sha256), url, signature })
    }
}

impl Catalog {
    /// Returns the table that the program carries, with the rows of a configuration.
    pub(crate) fn configured(name: &str, text: &str) -> Result<Self, Diagnostic> {
        let mut catalog = Self::default();
        catalog.add("the table of images", OWN, false)?;
        catalog.add(name, text, true)?;
        Ok(catalog)
    }

    /// Returns the systems by name.
    pub(crate) fn systems(&self) -> impl Iterator<Item = (&str, &System)> {
        self.systems.iter().map(|(name, system)| (name.as_str(), system))
    }

    /// Returns a system.
    pub(crate) fn system(&self, name: &str) -> Result<&System, Fault> {
        self.systems.get(name).ok_or_else(|| {
            let fault = Fault::new(format!("there is no image {name:?}"))
                .hint("`vmrun images` lists them; `[images]` in config.toml adds more");
            fault.maybe_hint(self.near(name))
        })
    }

    /// Returns whether who signed the checksums of a system is verified when they are asked for.
    pub(crate) fn verifies(&self, system: &System) -> Verifies {
        match (system.signature.is_empty(), self.keyring(system)) {
            (true, _) => Verifies::No,
            (false, None) => Verifies::WithKeyring,
            (false, Some(_)) => Verifies::Yes,
        }
    }

    /// Returns the file with the keys of a publisher, if this host has one.
    pub(crate) fn keyring<'a>(&'a self, system: &'a System) -> Option<&'a Path> {
        system.keyring.as_deref().or(self.keyring.as_deref())
    }

    /// Returns what may have been meant: a system that is called nearly so, or of one without a release the newest.
    fn near(&self, name: &str) -> Option<String> {
        let all = || self.systems.keys().map(String::as_str);
        let of = |stem: &str| all().filter(|system| without_release(system) == stem).max_by_key(|one| in_order(one));
        let named = |stem: &&str| name.len() > 2 && (stem.starts_with(name) || name.starts_with(*stem));
        let stem =
            all().map(without_release).find(named).or_else(|| suggest::nearest(name, all().map(without_release)));
        let has_release = without_release(name) != name;
        let near = if has_release { suggest::nearest(name, all()) } else { stem.and_then(of) };
        near.map(|near| format!("did you mean `{near}`?"))
    }

    /// Returns whether an image of the table is there.
    pub(crate) fn has(&self, url: &str) -> bool {
        let arches = [Arch::Amd64, Arch::Arm64];
        let has = |(name, system): (&str, &System)| {
            arches.iter().any(|arch| system.image(name, *arch).is_ok_and(|image| image.url.as_str() == url))
        };
        self.systems().any(has)
    }

    fn add(&mut self, name: &str, text: &str, is_own: bool) -> Result<(), Diagnostic> {
        let source = Rc::new(Source { name: name.into(), text: text.into() });
        let at = |(fault, span): (Fault, Range<usize>)| {
            Diagnostic::error(fault.blame(Blame::Usage)).at(Place { source: source.clone(), span })
        };
        let table = DeTable::parse(text).map_err(|error| {
            let fault = Fault::new(error.message().to_string()).hint("the configuration is TOML: https://toml.io");
            at((fault, error.span().unwrap_or(text.len()..text.len())))
        })?;
        if let Some((_, images)) = table.get_ref().iter().find(|(key, _)| key.get_ref() == "images") {
            let DeValue::Table(rows) = images.get_ref() else { return Err(at((not_a_table(), images.span()))) };
            let rows = read(rows, is_own).map_err(at)?;
            self.keyring = rows.keyring.or(self.keyring.take());
            for (name, (system, span)) in rows.systems {
                self.take(name, system).map_err(|fault| at((fault, span)))?;
            }
        }
        Ok(())
    }

    /// Takes a row; one that has nothing but a keyring says whose keys are those of the row that is there.
    fn take(&mut self, name: String, row: System) -> Result<(), Fault> {
        if !row.url.is_empty() {
            self.systems.insert(name, row);
            return Ok(());
        }
        self.system(&name)?;
        self.systems.entry(name).and_modify(|there| there.keyring = row.keyring);
        Ok(())
    }
}

/// The name of a system without its release: `debian` of `debian-13`.
fn without_release(system: &str) -> &str {
    system.split_once(|c: char| c.is_ascii_digit()).map_or(system, |(before, _)| before.trim_end_matches('-'))
}

/// The fault of `images` that is no table.
pub(crate) fn not_a_table() -> Fault {
    Fault::new("`images` is a table").hint(EXAMPLE)
}

/// Reads the rows of a table.
pub(crate) fn read(rows: &DeTable<'_>, is_own: bool) -> Result<Rows, (Fault, Range<usize>)> {
    let mut read = Rows::default();
    for (name, row) in rows {
        let of_row = match row.get_ref() {
            DeValue::Table(keys) => keys,
            DeValue::String(text) if name.get_ref() == KEYRING => {
                read.keyring = Some(keyring(text).map_err(|fault| (fault, row.span()))?);
                continue;
            }
            _ if name.get_ref() == KEYRING => {
                let fault = Fault::new(format!("`{KEYRING}` is a text")).hint(KEYRING_EXAMPLE);
                return Err((fault, row.span()));
            }
            _ => {
                let fault = Fault::new(format!("the image `{}` is no table", name.get_ref()));
                return Err((fault.hint(EXAMPLE), row.span()));
            }
        };
        let system =
            system(name.get_ref(), of_row, is_own).map_err(|(fault, span)| (fault, span.unwrap_or(name.span())))?;
        read.systems.insert(name.get_ref().to_string(), (system, name.span()));
    }
    Ok(read)
}

/// Reads the path of a keyring. What gpgv(1) is told without a slash it looks for in a folder of its own.
fn keyring(text: &str) -> Result<PathBuf, Fault> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        return Ok(path);
    }
    let fault = Fault::new(format!("`{KEYRING}` is a path from the root on, and {text:?} is none"));
    Err(fault.hint(KEYRING_EXAMPLE))
}

fn system(name: &str, keys: &DeTable<'_>, is_own: bool) -> Result<System, (Fault, Option<Range<usize>>)> {
    let mut system = System { is_own, ..System::default() };
    for (key, value) in keys {
        let key_name = key.get_ref().as_ref();
        let wrong = |what: &str| (Fault::new(format!("`{key_name}` is {what}")).hint(EXAMPLE), Some(value.span()));
        if !KEYS.contains(&key_name) {
            let fault =
                Fault::new(format!("there is no key `{key_name}`")).hint(format!("keys: {}", suggest::list(KEYS)));
            return Err((fault.did_you_mean(key_name, KEYS), Some(key.span())));
        }
        if !TEXTS.contains(&key_name) {
            let names = names(value.get_ref()).ok_or_else(|| wrong("a text, or a list of two"))?;
            system.names.insert(key_name.into(), names);
            continue;
        }
        let DeValue::String(text) = value.get_ref() else { return Err(wrong("a text")) };
        match key_name {
            "digest" => {
                let kind = DigestKind::ALL.into_iter().find(|kind| kind.name() == text);
                system.digest = Some(kind.ok_or_else(|| wrong("\"sha256\" or \"sha512\""))?);
            }
            "title" => system.title = text.to_string(),
            "url" => system.url = text.to_string(),
            "checksums" => system.checksums = text.to_string(),
            "signed" => system.signed = text.to_string(),
            "signature" => system.signature = text.to_string(),
            KEYRING => system.keyring = Some(keyring(text).map_err(|fault| (fault, Some(value.span())))?),
            "kind" => system.kind = text.to_string(),
            "user" => system.user = text.to_string(),
            _ => system.note = text.to_string(),
        }
    }
    if keys.len() == 1 && system.keyring.is_some() {
        return Ok(system);
    }
    whole(name, &system).map_err(|fault| (fault, None))?;
    Ok(system)
}

/// Refuses a row that lacks something.
fn whole(name: &str, system: &System) -> Result<(), Fault> {
    let lacks = |what: &str, hint: &str| Err(Fault::new(format!("the image `{name}` has no {what}")).hint(hint));
    if system.url.is_empty() {
        return lacks("`url`", EXAMPLE);
    }
    if system.names.is_empty() {
        return lacks("`amd64` and no `arm64`", EXAMPLE);
    }
    if system.checksums.is_empty() && !system.signature.is_empty() {
        return lacks("`checksums`, of which its `signature` is", "checksums = \"https://…/SHA256SUMS\"");
    }
    if system.keyring.is_some() && system.signature.is_empty() {
        let hint = "signature = \"{checksums}.gpg\", or without `keyring` if its publisher signs nothing";
        return lacks("`signature`, which its `keyring` is for", hint);
    }
    let check = |arch: &Arch| system.names.contains_key(&arch.to_string()).then(|| system.image(name, *arch).err());
    [Arch::Amd64, Arch::Arm64].iter().filter_map(check).flatten().next().map_or(Ok(()), Err)
}

/// Reads the publisher's names of an architecture: in the file, and of the folder.
fn names(value: &DeValue<'_>) -> Option<(String, String)> {
    let text = |value: &DeValue<'_>| if let DeValue::String(text) = value { Some(text.to_string()) } else { None };
    if let DeValue::Array(both) = value {
        let all: Vec<String> = both.iter().map(|one| text(one.get_ref())).collect::<Option<_>>()?;
        return match all.as_slice() {
            [file, folder] => Some((file.clone(), folder.clone())),
            _ => None,
        };
    }
    text(value).map(|name| (name.clone(), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::snippet::{Colour, draw};

    #[test]
    fn every_row_of_our_own_says_where_its_image_and_its_checksums_are() {
        let catalog = Catalog::configured("config.toml", "").unwrap();
        for (name, system) in catalog.systems() {
            let lacks = [&system.title, &system.signed, &system.kind, &system.user].iter().any(|text| text.is_empty());
            assert!(!lacks && !system.is_own && system.digest.is_some(), "{name}");
            for arch in
                [Arch::Amd64, Arch::Arm64].into_iter().filter(|arch| system.names.contains_key(&arch.to_string()))
            {
                let image = system.image(name, arch).unwrap();
                assert!(image.url.is_https() && image.checksums.as_ref().is_some_and(Url::is_https), "{name}");
                assert!(!format!("{image:?}").contains(['{', '}']) || !image.url.as_str().contains('{'), "{name}");
                assert!(catalog.has(image.url.as_str()));
                assert!(image.signature.is_none_or(|url| url.is_https() && !url.as_str().contains('{')), "{name}");
            }
        }
        let signature = |name: &str| {
            let image = catalog.system(name).unwrap().image(name, Arch::Amd64).unwrap();
            (image.signature.map(|url| url.as_str().to_string()), image.checksums.unwrap().as_str().to_string())
        };
        let (fedora, inside) = signature("fedora-44");
        assert_eq!(fedora, Some(inside));
        assert_eq!(
            signature("ubuntu-24.04").0.as_deref(),
            Some("https://cloud-images.ubuntu.com/releases/24.04/release/SHA256SUMS.gpg")
        );
        assert_eq!((signature("debian-13").0, signature("arch").0), (None, None));
        let freebsd = catalog.system("freebsd-15.1").unwrap().image("freebsd-15.1", Arch::Arm64).unwrap();
        assert_eq!(
            freebsd.url.as_str(),
            "https://download.freebsd.org/releases/VM-IMAGES/15.1-RELEASE/aarch64/Latest/FreeBSD-15.1-RELEASE-arm64-aarch64-BASIC-CLOUDINIT-ufs.raw.xz"
        );
        let said = |fault: Fault| format!("{} | {}", fault.message, fault.hint.unwrap_or_default());
        let arch = catalog.system("arch").unwrap().image("arch", Arch::Arm64).unwrap_err();
        assert_eq!(said(arch), "there is no image of arch for arm64 | its publisher has one for amd64");
        let debain = catalog.system("debain-13").unwrap_err();
        assert_eq!(said(debain), "there is no image \"debain-13\" | did you mean `debian-13`?");
        assert_eq!(
            said(catalog.system("windows").unwrap_err()),
            "there is no image \"windows\" | `vmrun images` lists them; `[images]` in config.toml adds more"
        );
    }

    #[test]
    fn a_host_adds_rows_and_replaces_them_and_what_is_wrong_is_shown_where_it_is() {
        let text = "[images.debian-13]\nurl = \"http://mirror/{arch}/d.img\"\namd64 = \"x\"\nchecksums = \"http://mirror/{file}.sum\"\n";
        let catalog = Catalog::configured("config.toml", text).unwrap();
        let system = catalog.system("debian-13").unwrap();
        let image = system.image("debian-13", Arch::Amd64).unwrap();
        assert_eq!((image.url.as_str(), system.is_own), ("http://mirror/x/d.img", true));
        assert_eq!(image.checksums.unwrap().as_str(), "http://mirror/d.img.sum");
        let keyring = |text: &str| {
            let catalog = Catalog::configured("config.toml", text).unwrap();
            let of = |name: &str| catalog.keyring(catalog.system(name).unwrap()).map(|path| path.display().to_string());
            [of("debian-13"), of("alma-9")].map(Option::unwrap_or_default).join(" ")
        };
        assert_eq!(keyring("[images]\nkeyring = \"/all\"\n[images.alma-9]\nkeyring = \"/alma\"\n"), "/all /alma");
        assert_eq!(keyring("[images.alma-9]\nkeyring = \"/alma\"\n"), " /alma");
        let said = |text: &str| {
            let drawn = draw(&Catalog::configured("config.toml", text).unwrap_err(), Colour::Plain);
            let lines =
                drawn.lines().filter(|line| line.starts_with("error") || line.contains("-->") || line.contains("hint"));
            lines.map(str::trim).collect::<Vec<_>>().join(" ")
        };
        let example =
            "= hint: [images.mine] with url = \"https://…/{arch}.qcow2\", digest = \"sha512\", amd64 = \"x86_64\"";
        assert_eq!(said("images = 1"), format!("error: `images` is a table --> config.toml:1:10 {example}"));
        assert_eq!(said("[images]\na = 1"), format!("error: the image `a` is no table --> config.toml:2:5 {example}"));
        assert_eq!(
            said("[images.a]\nurll = \"\""),
            "error: there is no key `urll` --> config.toml:2:1 = hint: did you mean `url`?"
        );
        assert_eq!(said("[images.a]\nurl = 1"), format!("error: `url` is a text --> config.toml:2:7 {example}"));
        assert_eq!(
            said("[images.a]\ndigest = \"md5\""),
            format!("error: `digest` is \"sha256\" or \"sha512\" --> config.toml:2:10 {example}")
        );
        let absolute = |at: &str| {
            format!(
                "error: `keyring` is a path from the root on, and \"k.gpg\" is none --> config.toml:2:{at} = hint: keyring = \
                 \"/usr/local/etc/vmrun/publishers.gpg\""
            )
        };
        assert_eq!(said("[images]\nkeyring = \"k.gpg\""), absolute("11"));
        assert_eq!(said("[images.a]\nkeyring = \"k.gpg\""), absolute("11"));
        assert_eq!(
            said("[images]\nkeyring = 1"),
            "error: `keyring` is a text --> config.toml:2:11 = hint: keyring = \"/usr/local/etc/vmrun/publishers.gpg\""
        );
        let row = |more: &str| said(&format!("[images.a]\nurl = \"http://a/b\"\namd64 = \"x\"\n{more}"));
        assert_eq!(
            row("checksums = \"http://a/S\"\nkeyring = \"/k\""),
            "error: the image `a` has no `signature`, which its `keyring` is for --> config.toml:1:9 = hint: signature = \
             \"{checksums}.gpg\", or without `keyring` if its publisher signs nothing"
        );
        assert_eq!(
            row("signature = \"{checksums}.gpg\""),
            "error: the image `a` has no `checksums`, of which its `signature` is --> config.toml:1:9 = hint: checksums = \
             \"https://…/SHA256SUMS\""
        );
        assert_eq!(
            said("[images.alma-8]\nkeyring = \"/k\""),
            "error: there is no image \"alma-8\" --> config.toml:1:9 = hint: did you mean `alma-9`?"
        );
        assert_eq!(
            said("[images.a]\namd64 = [\"x\"]"),
            format!("error: `amd64` is a text, or a list of two --> config.toml:2:9 {example}")
        );
        assert_eq!(
            said("[images.a]\namd64 = \"x\""),
            format!("error: the image `a` has no `url` --> config.toml:1:9 {example}")
        );
        assert_eq!(
            said("[images.a]\nurl = \"http://a/b\""),
            format!("error: the image `a` has no `amd64` and no `arm64` --> config.toml:1:9 {example}")
        );
        assert_eq!(
            said("[images.a]\namd64 = \"x\"\nurl = \"file:///b\""),
            "error: the image a: \"file:///b\" is no address of a file to fetch --> config.toml:1:9 = hint: write \
             https://host/path/of/the/file: only https and http are fetched"
        );
    }
}
