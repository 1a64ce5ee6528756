//! Files of other hosts, by curl(1): the words and statuses that vmrun acts on are its own.

use super::publisher::{Answer, Publisher};
use super::sandbox::{Done, Sandbox};
use super::tools::{need, tool};
use sha2::{Digest as _, Sha512};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn image() -> Vec<u8> {
    (0_u32..50_000).flat_map(u32::to_le_bytes).collect()
}

fn sha512(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fetches(sandbox: &Sandbox, publisher: &Publisher, answer: Answer, is: &str) -> Done {
    let url = publisher.serve("a.img", answer);
    sandbox.write("r.rhai", &format!("fetch(\"{url}\", #{{ {is} }});\n"));
    let done = sandbox.finish(sandbox.command(&["r.rhai"]).env("VMRUN_PLATFORM", "linux"));
    Done { stderr: publisher.shown(&done.stderr), ..done }
}

/// How many files are whole, and how many are on their way. Each that is whole has its origin beside it, and nothing else has one.
fn parts(sandbox: &Sandbox) -> [usize; 2] {
    let count = |name: &str| std::fs::read_dir(sandbox.path(name)).map_or(0, Iterator::count);
    let names: Vec<_> = std::fs::read_dir(sandbox.path("cache/sha512")).into_iter().flatten().flatten().collect();
    let origins = names.iter().filter(|entry| entry.path().extension().is_some_and(|end| end == "origin"));
    let (origins, all) = (origins.count(), names.len());
    assert_eq!(all, 2 * origins);
    [all - origins, count("cache/partial")]
}

#[test]
fn curl_brings_a_file_and_goes_on_with_it() {
    let bytes = image();
    let is = format!("sha512: \"{}\"", sha512(&bytes));
    for answer in
        [Answer::File(bytes.clone()), Answer::CutAfter(70_000, bytes.clone()), Answer::Unmeasured(bytes.clone())]
    {
        let (sandbox, publisher) = (Sandbox::new(), Publisher::new());
        let done = fetches(&sandbox, &publisher, answer, &is);
        assert_eq!((done.code, parts(&sandbox)), (0, [1, 0]), "{}", done.stderr);
    }
    let (sandbox, publisher) = (Sandbox::new(), Publisher::new());
    let done = fetches(&sandbox, &publisher, Answer::CutAfter(20_000, bytes.clone()), &is);
    assert_eq!((done.code, parts(&sandbox)), (3, [0, 1]), "{}", done.stderr);
    assert!(done.stderr.contains("; 100000 bytes of it are kept\n"), "{}", done.stderr);
    publisher.asked();
    // One that cannot go on begins anew.
    let done = fetches(&sandbox, &publisher, Answer::NoRanges(bytes.clone()), &is);
    assert_eq!((done.code, parts(&sandbox)), (0, [1, 0]), "{}", done.stderr);
    assert_eq!(publisher.asked(), ["/a.img from 100000", "/a.img"]);
    // What came as a whole is only compared.
    let (sandbox, publisher) = (Sandbox::new(), Publisher::new());
    let folder = sandbox.path(&format!("cache/partial/sha512-{}", sha512(&bytes)));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("data"), &bytes).unwrap();
    let done = fetches(&sandbox, &publisher, Answer::File(bytes), &is);
    assert_eq!((done.code, parts(&sandbox), publisher.asked().len()), (0, [1, 0], 1), "{}", done.stderr);
}

#[test]
fn what_curl_refuses_is_told_in_one_message() {
    let bytes = image();
    let is = format!("sha512: \"{}\"", sha512(&bytes));
    let url = "http://127.0.0.1:80/a.img";
    for (answer, more, said) in [
        (Answer::Missing, "", format!("cannot fetch {url}: curl: (22) The requested URL returned error: 404")),
        (
            Answer::Redirect("file:///etc/passwd".into()),
            "",
            format!("cannot fetch {url}: curl: (1) Protocol \"file\" "),
        ),
        (
            Answer::Redirect("/a.img".into()),
            "",
            format!("cannot fetch {url}: curl: (47) Maximum (10) redirects followed"),
        ),
        (
            Answer::File(bytes.clone()),
            ", size: 1000",
            format!("{url} has more than 1000 bytes, and was not fetched further"),
        ),
        (Answer::Endless, ", size: 1000", format!("{url} has more than 1000 bytes, and was not fetched further")),
        (Answer::Unmeasured(vec![1]), "", format!("{url} is not the file that is meant: its 1 bytes have the sha512 ")),
    ] {
        let (sandbox, publisher) = (Sandbox::new(), Publisher::new());
        let done = fetches(&sandbox, &publisher, answer, &format!("{is}{more}"));
        assert_eq!((done.code, parts(&sandbox)), (3, [0, 0]), "{}", done.stderr);
        assert!(done.stderr.starts_with(&format!("error: {said}")), "{said}\n{}", done.stderr);
    }
}

/// One who signs certificates, and whom nobody knows.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        need(&["openssl"]);
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        let (key, own) = (authority.file("ca.key"), authority.file("ca.pem"));
        let args = ["req", "-x509", "-subj", "/CN=nobody", "-keyout", &key, "-out", &own];
        tool("openssl", &[&args[..], KEY].concat());
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Has a server with a certificate in a file of its own, for a name, valid for so many days. It serves `a.img`.
    fn server(&self, file: &str, name: &str, days: &str, bytes: &[u8]) -> Server {
        let [key, asked, own] = ["key", "csr", "pem"].map(|kind| self.file(&format!("{file}.{kind}")));
        let subject = format!("subjectAltName={name}");
        let args = ["req", "-subj", "/CN=server", "-addext", &subject, "-keyout", &key, "-out", &asked];
        tool("openssl", &[&args[..], KEY].concat());
        let (signer, with) = (self.file("ca.pem"), self.file("ca.key"));
        let args = ["x509", "-req", "-in", &asked, "-copy_extensions", "copy", "-days", days, "-out", &own];
        tool("openssl", &[&args[..], &["-CA", &signer, "-CAkey", &with, "-CAcreateserial"]].concat());
        std::fs::write(self.path("a.img"), bytes).unwrap();
        Server::new(self.folder.path(), &own, &key)
    }
}

/// A new key, which nobody is asked for.
const KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// openssl-s_server(1), which serves the files of a folder.
struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn new(folder: &Path, certificate: &str, key: &str) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, "-WWW"]);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.as_mut().unwrap()));
        let port =
            lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("ACCEPT 127.0.0.1:")?.to_string()));
        Self { child, port: port.unwrap() }
    }

    fn fetches(&self, sandbox: &Sandbox, bytes: &[u8], trusted: Option<&str>) -> Done {
        let url = format!("https://127.0.0.1:{}/a.img", self.port);
        sandbox.write("r.rhai", &format!("fetch(\"{url}\", #{{ sha512: \"{}\" }});\n", sha512(bytes)));
        let mut command = sandbox.command(&["r.rhai"]);
        command.env("VMRUN_PLATFORM", "linux").envs(trusted.map(|file| ("CURL_CA_BUNDLE", file)));
        let done = sandbox.finish(&mut command);
        Done { stderr: done.stderr.replace(&format!(":{}/", self.port), ":443/"), ..done }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_does_not_prove_who_it_is_is_told_in_one_message_and_nothing_is_left() {
    let (authority, bytes) = (Authority::new(), image());
    let trusted = authority.file("ca.pem");
    let said = |sandbox: &Sandbox, server: &Server, trusted: Option<&str>, why: &str, way_out: &str| {
        let done = server.fetches(sandbox, &bytes, trusted);
        let lines: Vec<&str> = done.stderr.lines().collect();
        assert_eq!(
            lines.first(),
            Some(&format!("error: cannot fetch https://127.0.0.1:443/a.img: curl: {why}").as_str())
        );
        assert_eq!(lines.last(), Some(&format!("  = hint: {way_out}").as_str()));
        assert_eq!((lines.len(), done.code, parts(sandbox)), (7, 3, [0, 0]), "{}", done.stderr);
    };
    let sandbox = Sandbox::new();
    let good = authority.server("good", "IP:127.0.0.1", "2", &bytes);
    said(
        &sandbox,
        &good,
        None,
        "(60) SSL certificate problem: unable to get local issuer certificate",
        "if you trust who signed it, CURL_CA_BUNDLE names a file with their certificate; else do not use this server",
    );
    let whose = "whoever runs the server has to correct its certificate; until then take another mirror";
    let other = authority.server("other", "DNS:mirror.example.org", "2", &bytes);
    let why = "(60) SSL: no alternative certificate subject name matches target host name '127.0.0.1'";
    said(&sandbox, &other, Some(&trusted), why, whose);
    let expired = authority.server("expired", "IP:127.0.0.1", "-1", &bytes);
    said(&sandbox, &expired, Some(&trusted), "(60) SSL certificate problem: certificate has expired", whose);
    said(
        &sandbox,
        &good,
        Some("/nowhere/ca.pem"),
        "(77) error setting certificate file: /nowhere/ca.pem",
        "correct CURL_CA_BUNDLE, or SSL_CERT_FILE: certificates are read from the file that it names",
    );
    // Whom this host is told to trust is trusted.
    let done = good.fetches(&sandbox, &bytes, Some(&trusted));
    assert_eq!((done.code, parts(&sandbox)), (0, [1, 0]), "{}", done.stderr);
}
