//! Libraries that are signed, by real keys of SSH and by a real git.

use super::repositories::{git, lib, refuses, release};
use super::sandbox::{Sandbox, same};
use std::fs;
use std::process::Command;

const LIB: &str = "fn of(number) { `tap${number}` }\n";

/// Makes a key, and returns its public part.
fn key(sandbox: &Sandbox, name: &str) -> String {
    let file = sandbox.path(&format!("keys/{name}"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&file).status();
    assert!(made.unwrap_or_else(|why| panic!("this test needs ssh-keygen: {why}")).success());
    fs::read_to_string(file.with_extension("pub")).unwrap().trim().to_string()
}

/// Tags the newest commit of `git/net`, signed by a key.
fn sign(sandbox: &Sandbox, name: &str, tag: &str) {
    let key = sandbox.path(&format!("keys/{name}")).display().to_string();
    let with = format!("user.signingKey={key}");
    git(sandbox, "git/net", &["-c", "gpg.format=ssh", "-c", &with, "tag", "--force", "--sign", "--message", "x", tag]);
}

/// A repository whose tag v1.0.0 anna has signed, and a manifest that names her as signer.
fn signed() -> Sandbox {
    let sandbox = Sandbox::new();
    release(&sandbox, "net", &[("lib.rhai", LIB)], "light");
    let anna = key(&sandbox, "anna");
    sign(&sandbox, "anna", "v1.0.0");
    sandbox.write("allowed_signers", &format!("anna@example.org {anna}\n"));
    sandbox.write("vmrun.toml", "signers = \"allowed_signers\"\n");
    sandbox
}

/// What is said, with the sum of a key as `SUM`.
fn without_sums(text: &str) -> String {
    let words = text.split_inclusive(' ').map(|word| match word.strip_prefix("SHA256:") {
        Some(rest) if rest.contains(',') => "SUM, ",
        Some(_) => "SUM ",
        None => word,
    });
    words.collect()
}

#[test]
fn a_library_is_taken_whose_tag_one_of_the_signers_has_signed() {
    let sandbox = signed();
    let done = lib(&sandbox, &["add", "net", "git/net"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let lock = sandbox.read("vmrun.lock");
    assert!(lock.contains("signed-by = \"anna@example.org\"\nsigned-with = \"ED25519 key SHA256:"), "{lock}");
    assert_eq!(lib(&sandbox, &["verify"]).stdout, "net  as pinned\n");
    assert_eq!(lib(&sandbox, &["sync"]).code, 0);
    let listed: serde_json::Value = serde_json::from_str(&lib(&sandbox, &["list", "--json"]).stdout).unwrap();
    assert_eq!(listed[0]["signed_by"], "anna@example.org");
    // What is pinned stays good when the key is not any more, and is fetched again; nothing new is pinned.
    let at = lock.lines().find(|line| line.starts_with("verified = ")).unwrap();
    sandbox.write("vmrun.lock", &lock.replace(at, "verified = \"20200601000000Z\""));
    let anna = sandbox.read("allowed_signers").replace("anna@example.org ", "");
    sandbox.write("allowed_signers", &format!("anna@example.org valid-before=\"20210101\" {anna}"));
    fs::remove_dir_all(sandbox.path(".vmrun")).unwrap();
    assert_eq!(lib(&sandbox, &["sync"]).stderr, "");
    assert_eq!(lib(&sandbox, &["update"]).code, 1);
}

#[test]
fn what_nobody_or_somebody_else_has_signed_is_refused_and_nothing_is_written() {
    let sandbox = signed();
    key(&sandbox, "eve");
    let said = |args: &[&str]| {
        let done = lib(&sandbox, args);
        assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{args:?}");
        without_sums(&done.stderr)
    };
    let add = ["add", "net", "git/net", "--rev"];
    let unsigned = |what: &str| {
        format!(
            "error: the library `net` is refused: the {what} is not signed by an SSH key\n |\n = hint: vmrun.toml names signers: ask who \
             keeps the library to sign it\n"
        )
    };
    same(&said(&[&add[..], &["light"]].concat()), &unsigned("tag light"));
    git(&sandbox, "git/net", &["tag", "--annotate", "--message", "x", "v2.0.0"]);
    same(&said(&["add", "net", "git/net"]), &unsigned("tag v2.0.0"));
    assert!(said(&[&add[..], &["main"]].concat()).contains("the commit "));
    // Signed, and by what no key of ssh is.
    let text = "x\n\nuntrusted comment: signature from minisign secret key\nRUQx\ntrusted comment: v2.1.0\nAAAA\n";
    git(&sandbox, "git/net", &["tag", "--annotate", "--message", text, "v2.1.0"]);
    same(
        &said(&["add", "net", "git/net"]),
        "
error: the library `net` is refused: the tag v2.1.0 is signed by signify or minisign, and not by an SSH key
 |
 = hint: git signs with one after `git config gpg.format ssh` and `git config user.signingkey FILE`: ask who keeps the library
",
    );
    git(&sandbox, "git/net", &["tag", "--delete", "v2.1.0"]);
    // A key that the file does not have, and a signed tag under another name.
    sign(&sandbox, "eve", "v3.0.0");
    let stranger = "
error: the library `net` is refused: it is signed by the ED25519 key SUM, which [tmp]/allowed_signers does not have, or not for now
 |
 = hint: ask who keeps the library; if the key is right, add it there
";
    same(&said(&["add", "net", "git/net"]), stranger);
    git(&sandbox, "git/net", &["update-ref", "refs/tags/v4.0.0", "refs/tags/v1.0.0"]);
    same(
        &said(&["add", "net", "git/net"]),
        "
error: the library `net` is refused: the tag v4.0.0 was signed as another one
 |
 = hint: somebody gave a signed tag another name: ask who keeps the library
",
    );
    git(&sandbox, "git/net", &["tag", "--delete", "v2.0.0", "v3.0.0", "v4.0.0"]);
    // One that was good once, and is not when it is pinned.
    let anna = sandbox.read("allowed_signers").replace("anna@example.org ", "");
    sandbox.write("allowed_signers", &format!("anna@example.org valid-before=\"20200101\" {anna}"));
    same(&said(&["add", "net", "git/net"]), stranger);
    sandbox.write("allowed_signers", &format!("anna@example.org {anna}"));
    assert_eq!(sandbox.read("vmrun.toml"), "signers = \"allowed_signers\"\n");
    assert!(!sandbox.path("vmrun.lock").exists() && !sandbox.path(".vmrun").exists());
    fs::remove_file(sandbox.path("allowed_signers")).unwrap();
    same(
        &said(&["add", "net", "git/net"]),
        "
error: the library `net` is refused: the file of signers [tmp]/allowed_signers is not there
 |
 = hint: `signers` in vmrun.toml is from that file on: a line is NAME ssh-ed25519 AAAA…
",
    );
}

#[test]
fn a_tag_that_was_moved_is_refused_though_it_is_signed_again() {
    let sandbox = signed();
    assert_eq!(lib(&sandbox, &["add", "net", "git/net"]).code, 0);
    release(&sandbox, "net", &[("lib.rhai", "fn of(number) { `tap9${number}` }\n")], "light");
    sign(&sandbox, "anna", "v1.0.0");
    let done = lib(&sandbox, &["update"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.starts_with("error: the tag v1.0.0 of the library `net` was moved: "), "{}", done.stderr);
    assert_eq!(lib(&sandbox, &["update", "--moved", "net"]).code, 0);
}

#[test]
fn what_was_pinned_before_signers_were_named_is_asked_for_its_signature() {
    let sandbox = signed();
    let manifest = sandbox.read("vmrun.toml");
    sandbox.write("vmrun.toml", "");
    assert_eq!(lib(&sandbox, &["add", "net", "git/net"]).code, 0);
    let named = sandbox.read("vmrun.toml");
    sandbox.write("vmrun.toml", &format!("{manifest}{named}"));
    refuses(
        &lib(&sandbox, &["verify"]),
        1,
        "
error: net was pinned without a signature, and vmrun.toml names signers
 |
 = hint: `vmrun lib sync` asks for it
",
    );
    let done = lib(&sandbox, &["sync"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(lib(&sandbox, &["verify"]).stdout, "net  as pinned\n");
}

#[test]
fn what_a_signer_has_signed_who_is_named_no_more_is_not_fetched_again() {
    let sandbox = signed();
    assert_eq!(lib(&sandbox, &["add", "net", "git/net"]).code, 0);
    let eve = key(&sandbox, "eve");
    sandbox.write("allowed_signers", &format!("eve@example.org {eve}\n"));
    let stranger = "
error: the library `net` is refused: it is signed by the ED25519 key SUM, which [tmp]/allowed_signers does not have, or not for now
 |
 = hint: ask who keeps the library; if the key is right, add it there
";
    let done = lib(&sandbox, &["verify"]);
    same(
        &without_sums(&done.stderr),
        "
error: net was signed by the ED25519 key SUM, which the file of signers does not have any more
 |
 = hint: `vmrun lib update net` pins what one of them has signed; if the key is right, add it there
",
    );
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    // Whether it is here or not.
    for words in ["sync", "sync", "update"] {
        let done = lib(&sandbox, &[words]);
        if sandbox.path(".vmrun").exists() {
            fs::remove_dir_all(sandbox.path(".vmrun")).unwrap();
        }
        same(&without_sums(&done.stderr), stranger);
        assert_eq!((done.code, done.stdout.as_str(), sandbox.path(".vmrun/net").exists()), (1, "", false), "{words}");
    }
}

#[test]
fn a_commit_is_taken_by_its_own_signature() {
    let sandbox = signed();
    let with = format!("user.signingKey={}", sandbox.path("keys/anna").display());
    let sign = ["-c", "gpg.format=ssh", "-c", &with, "commit", "--quiet", "--allow-empty", "-S", "-m", "x"];
    git(&sandbox, "git/net", &sign);
    git(&sandbox, "git/net", &["branch", "signed"]);
    let done = lib(&sandbox, &["add", "net", "git/net", "--rev", "signed"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(sandbox.read("vmrun.lock").contains("signed-by = \"anna@example.org\"\n"));
}
