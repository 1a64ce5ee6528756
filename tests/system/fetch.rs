//! Files of other hosts, by curl(1): the words and statuses that vmrun acts on are its own.

use super::publisher::{Answer, Publisher};
use super::sandbox::{Done, Sandbox};
use sha2::{Digest as _, Sha512};

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

fn parts(sandbox: &Sandbox) -> [usize; 2] {
    ["cache/sha512", "cache/partial"].map(|name| std::fs::read_dir(sandbox.path(name)).map_or(0, Iterator::count))
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
