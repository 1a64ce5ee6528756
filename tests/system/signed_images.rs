//! Checksums that publishers have signed, by real keys of GnuPG and by a real gpgv.

use super::publisher::{Answer, Publisher};
use super::sandbox::{Sandbox, same};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A host, a publisher of one image, and the keys of several people.
struct Scene {
    sandbox: Sandbox,
    publisher: Publisher,
}

/// The agent that gpg has started ends with the test.
impl Drop for Scene {
    fn drop(&mut self) {
        let mut ends = Command::new("gpgconf");
        ends.arg("--homedir").arg(self.sandbox.path("gpg")).args(["--kill", "gpg-agent"]).status().unwrap();
    }
}

/// When this is made: what has expired since is expired for everybody.
const LONG_AGO: &str = "20200101T000000!";

impl Scene {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let scene = Self { sandbox: Sandbox::new(), publisher: Publisher::new() };
        fs::create_dir_all(scene.sandbox.path("gpg")).unwrap();
        fs::set_permissions(scene.sandbox.path("gpg"), fs::Permissions::from_mode(0o700)).unwrap();
        scene
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.sandbox.path("gpg")).args(["--batch", "--quiet", "--pinentry-mode", "loopback"]);
        gpg.args(["--passphrase", ""]).args(args).current_dir(self.sandbox.path(""));
        let done = gpg.output().unwrap_or_else(|why| panic!("this test needs gpg: {why}"));
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    /// Makes somebody's key.
    fn key(&self, name: &str, how: &[&str], expires: &str) {
        let uid = format!("{name} <{name}@example.org>");
        self.gpg(&[how, &["--quick-gen-key", &uid, "ed25519", "sign", expires]].concat());
    }

    /// Revokes it, as the file tells that gpg makes along with a key.
    fn revokes(&self, name: &str) {
        let file = format!("gpg/openpgp-revocs.d/{}.rev", self.fingerprint(name));
        self.sandbox.write("revoked", &self.sandbox.read(&file).replace(":-----BEGIN", "-----BEGIN"));
        self.gpg(&["--import", "revoked"]);
    }

    fn fingerprint(&self, name: &str) -> String {
        let listed = String::from_utf8(self.gpg(&["--with-colons", "--list-keys", name])).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().into()
    }

    /// Names a keyring that has the keys of these.
    fn trusts(&self, names: &[&str]) -> PathBuf {
        let keyring = self.sandbox.path("keys.gpg");
        let keys = self.gpg(&[&["--export"], names].concat());
        fs::write(&keyring, keys).unwrap();
        keyring
    }

    /// Serves these checksums, and a signature of them.
    fn serves(&self, sums: &str, signature: Option<&[u8]>) {
        self.publisher.serve("SUMS", Answer::File(sums.as_bytes().to_vec()));
        self.publisher.serve("SUMS.gpg", signature.map_or(Answer::Missing, |bytes| Answer::File(bytes.to_vec())));
    }

    /// Signs as gpg is told to.
    fn signed(&self, text: &str, how: &[&str]) -> Vec<u8> {
        self.sandbox.write("text", text);
        self.gpg(&[how, &["--output", "-", "--detach-sign", "text"]].concat())
    }

    fn configures(&self, of_row: &str, of_all: &str) {
        let row = format!(
            "[images]\n{of_all}[images.mine]\nurl = \"{0}mine.img\"\nchecksums = \"{0}SUMS\"\nsigned = \"yes\"\namd64 = \"x\"\n{of_row}",
            self.publisher.url("")
        );
        self.sandbox.write("config/config.toml", &row);
    }

    /// What a pin is, or why there is none.
    fn pins(&self) -> (i32, String) {
        self.says(&["images", "pin", "mine"])
    }

    /// What is said of a recipe that has the pin.
    fn checks(&self) -> (i32, String) {
        self.sandbox.write("web.rhai", &format!("import \"std/images\" as images;\n{};\n", pin().trim()));
        self.says(&["images", "pin", "--check", "web.rhai"])
    }

    fn says(&self, args: &[&str]) -> (i32, String) {
        let done = self.sandbox.finish(self.sandbox.command(args).env("VMRUN_PLATFORM", "linux"));
        let partial = fs::read_dir(self.sandbox.path("cache/partial")).map_or(0, Iterator::count);
        assert_eq!(partial, 0, "something is left in the cache");
        let text = self.publisher.shown(&format!("{}{}", done.stdout, done.stderr));
        (done.code, text)
    }

    /// Asserts that a pin is refused, for a reason and with a way out.
    fn refuses(&self, why: &str, way_out: &str) {
        let (code, said) = self.pins();
        assert_eq!(code, 3, "{said}");
        let sums = "http://127.0.0.1:80/SUMS";
        same(&said, &format!("error: the checksums at {sums} are refused: {why}\n |\n = hint: {way_out}\n"));
    }
}

const HEX: &str = "abababababababababababababababababababababababababababababababab";

fn sums() -> String {
    format!("{HEX}  mine.img\n")
}

const IS: &str = "http://127.0.0.1:80/mine.img is what http://127.0.0.1:80/SUMS says it is";

fn pin() -> String {
    format!("images::image(\"mine\", #{{ sha256: \"{HEX}\" }})\n")
}

const APART: &str = "signature = \"{checksums}.gpg\"\n";

#[test]
fn a_pin_is_vouched_for_by_whoever_signed_the_checksums() {
    let scene = Scene::new();
    scene.key("anna", &[], "never");
    scene.key("bert", &[], "never");
    let keyring = format!("keyring = \"{}\"\n", scene.trusts(&["anna"]).display());
    let told = || {
        let fingerprint = scene.fingerprint("anna");
        format!("vmrun: mine: {IS} (signed: by anna <anna@example.org>, with the key {fingerprint})\n")
    };
    let by_anna = || format!("{}{}", pin(), told());
    scene.configures(APART, &keyring);
    for how in [&["-u", "anna"][..], &["-u", "anna", "--armor"], &["-u", "bert", "-u", "anna"]] {
        scene.serves(&sums(), Some(&scene.signed(&sums(), how)));
        assert_eq!(scene.pins(), (0, by_anna()), "{how:?}");
    }
    // What a recipe has is compared with what is signed alone.
    assert_eq!(scene.checks(), (0, format!("web.rhai: mine is what its publisher has\n{}", told())));
    // The row's own keyring counts before that of all.
    scene.configures(&format!("{APART}keyring = \"/nosuch\"\n"), &keyring);
    let (code, said) = scene.pins();
    assert_eq!(code, 3);
    same(
        &said,
        "
error: the checksums at http://127.0.0.1:80/SUMS are refused: the keyring of publishers: cannot read /nosuch: No such file or directory
 |
 = hint: `keyring` below [images] in config.toml names it
",
    );
    // The signature is around the text: what stands outside of it is nobody's word.
    scene.configures("signature = \"{checksums}\"\n", &keyring);
    scene.sandbox.write("text", &sums());
    let clear = String::from_utf8(scene.gpg(&["-u", "anna", "--output", "-", "--clear-sign", "text"])).unwrap();
    let outside = format!("{}  mine.img\n", HEX.replace("ab", "cd"));
    scene.serves(&format!("{outside}{clear}{outside}"), None);
    assert_eq!(scene.pins(), (0, by_anna()));
}

#[test]
fn without_a_keyring_or_a_signature_it_is_told_that_nobody_vouches() {
    let scene = Scene::new();
    scene.serves(&sums(), None);
    scene.configures(APART, "");
    let none = "not verified, nothing vouches for it, as no keyring is named that has its publisher's key: `man vmrun-config` tells of `keyring`";
    assert_eq!(scene.pins(), (0, format!("{}vmrun: mine: {IS} (signed: yes; {none})\n", pin())));
    // Of a pin that is the same, too.
    let same = "web.rhai: mine is what its publisher has\n";
    assert_eq!(scene.checks(), (0, format!("{same}vmrun: mine: {IS} (signed: yes; {none})\n")));
    scene.configures("", "keyring = \"/nosuch\"\n");
    assert_eq!(
        scene.pins(),
        (0, format!("{}vmrun: mine: {IS} (signed: yes; not verified, nothing vouches for it)\n", pin()))
    );
    assert_eq!(
        scene.checks(),
        (0, format!("{same}vmrun: mine: {IS} (signed: yes; not verified, nothing vouches for it)\n"))
    );
}

#[test]
fn a_signature_that_is_wrong_missing_expired_or_foreign_is_refused() {
    let scene = Scene::new();
    let then = ["--faked-system-time", LONG_AGO];
    for (name, how, expires) in [
        ("anna", &[][..], "never"),
        ("bert", &[], "never"),
        ("carl", &then, "1y"),
        ("dora", &[], "never"),
        ("emma", &then, "never"),
    ] {
        scene.key(name, how, expires);
    }
    let keyring = scene.trusts(&["anna", "carl", "dora", "emma"]);
    scene.configures(APART, &format!("keyring = \"{}\"\n", keyring.display()));
    let signs = |how: &[&str]| scene.serves(&sums(), Some(&scene.signed(&sums(), how)));

    // Of another text, and beside a good one, too.
    let other = scene.signed("other\n", &["-u", "anna"]);
    let of_another = "the signature of anna <anna@example.org> is not of what is there now";
    let try_again = "try again, as its publisher may be changing it; if it stays so, do not use the image, and ask him";
    scene.serves(&sums(), Some(&other));
    scene.refuses(of_another, try_again);
    scene.serves(&sums(), Some(&[scene.signed(&sums(), &["-u", "anna"]), other].concat()));
    scene.refuses(of_another, try_again);
    // Missing, cut, none at all, and a text that brings itself along.
    let none = "there is no signature by OpenPGP";
    let look = "its publisher may have moved it: look there, and correct `signature` below [images] in config.toml";
    let good = scene.signed(&sums(), &["-u", "anna"]);
    scene.sandbox.write("text", &sums());
    let whole = scene.gpg(&["-u", "anna", "--output", "-", "--sign", "text"]);
    for signature in [&good[..30], b"<html>404</html>", b"", &whole] {
        scene.serves(&sums(), Some(signature));
        scene.refuses(none, look);
    }
    scene.serves(&sums(), None);
    let (code, said) = scene.pins();
    assert!(code == 3 && said.contains("are refused: cannot fetch http://127.0.0.1:80/SUMS.gpg: "), "{code} {said}");
    // Somebody else's key.
    signs(&["-u", "bert"]);
    let bert = scene.fingerprint("bert");
    let add = "if its publisher says that this key is his, add it there: vmrun-config(5) tells how";
    scene.refuses(&format!("it is signed with the key {bert}, which [tmp]/keys.gpg does not have"), add);
    // A key, and a signature, whose time is over.
    signs(&[&then[..], &["-u", "carl"]].concat());
    scene.refuses(
        "it is signed with the key of carl <carl@example.org>, which has expired",
        "get the key anew from its publisher, who may have prolonged it, and put it into [tmp]/keys.gpg",
    );
    signs(&[&then[..], &["-u", "emma", "--default-sig-expire", "1d"]].concat());
    scene.refuses(
        "the signature of emma <emma@example.org> has expired",
        "it is an old one: another mirror may have what is published now",
    );
    // A key that was lost.
    signs(&["-u", "dora"]);
    assert_eq!(scene.pins().0, 0);
    scene.revokes("dora");
    scene.trusts(&["anna", "dora"]);
    scene.refuses(
        "it is signed with the key of dora <dora@example.org>, which was revoked",
        "ask its publisher with which key he signs now, and do not use the image until then",
    );
    // A digest that can be made to fit, and which gpgv takes by itself.
    scene.gpg(&["--quick-gen-key", "rosa <rosa@example.org>", "rsa2048", "sign", "never"]);
    signs(&["-u", "rosa", "--digest-algo", "SHA1"]);
    scene.trusts(&["anna", "rosa"]);
    scene.refuses(
        &format!("gpgv cannot verify the signature of the key {}", scene.fingerprint("rosa")),
        "it may be older than the signature, or the signature made in a way that is not secure any more",
    );
    // A signature that is not around what it was made for.
    scene.configures("signature = \"{checksums}\"\n", &format!("keyring = \"{}\"\n", keyring.display()));
    let clear = String::from_utf8(scene.gpg(&["-u", "anna", "--output", "-", "--clear-sign", "text"])).unwrap();
    scene.serves(&clear.replace("abab", "cdab"), None);
    scene.refuses(of_another, try_again);
    scene.serves(&sums(), None);
    scene.refuses(none, look);
    // A key as text, which gpgv would take for nobody's.
    scene.serves(&clear, None);
    fs::write(&keyring, scene.gpg(&["--export", "--armor", "anna"])).unwrap();
    let (code, said) = scene.pins();
    assert_eq!(code, 1, "{said}");
    same(
        &said,
        "
error: the checksums at http://127.0.0.1:80/SUMS are refused: [tmp]/keys.gpg is a key as text, and gpgv reads keyrings only
 |
 = hint: `gpg --dearmor < [tmp]/keys.gpg > FILE` makes one: name that FILE
",
    );
}
