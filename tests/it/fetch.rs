//! Files of other hosts: fetched once, into a cache by content, from a publisher on the loopback.

use super::publisher::{Answer, Publisher};
use super::sandbox::{Done, Sandbox, same};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// What is served: enough for several reads, and not the same anywhere.
fn image() -> Vec<u8> {
    (0_u32..50_000).flat_map(u32::to_le_bytes).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A FreeBSD with fetch(1), and a publisher.
struct Scene {
    sandbox: Sandbox,
    publisher: Publisher,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.has("fetch");
        Self { sandbox, publisher: Publisher::new() }
    }

    /// Runs a recipe that fetches a file which is served in this way.
    fn fetches(&self, answer: Answer, is: &str) -> Done {
        let url = self.publisher.serve("a.img", answer);
        self.sandbox.write("r.rhai", &format!("print(fetch(\"{url}\", #{{ {is} }}));\n"));
        self.run(&["r.rhai"])
    }

    fn run(&self, args: &[&str]) -> Done {
        let done = self.sandbox.run(args);
        let shown = |text: &str| self.publisher.shown(text);
        Done { code: done.code, stdout: shown(&done.stdout), stderr: shown(&done.stderr) }
    }

    /// What is in the cache, with how long each is; where a file came from is not told, if the file is there.
    fn cache(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.sandbox.path("cache")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    let is_own = path.parent().unwrap().ends_with("partial");
                    found.extend(is_own.then(|| format!("{}/", shown(&path, &self.sandbox))));
                    folders.push(path);
                } else if path.extension() != Some("origin".as_ref()) || !path.with_extension("").exists() {
                    found.push(format!("{} {}", shown(&path, &self.sandbox), fs::metadata(&path).unwrap().len()));
                }
            }
        }
        found.sort();
        found
    }
}

/// A path in the cache, with the beginning of its digest.
fn shown(path: &std::path::Path, sandbox: &Sandbox) -> String {
    let path = path.strip_prefix(sandbox.path("cache")).unwrap().display().to_string();
    path.split('/').map(|part| part.get(..11).unwrap_or(part)).collect::<Vec<_>>().join("/")
}

/// The first line of what was said: what is wrong, and the last: the way out.
fn fault(done: &Done) -> String {
    let lines: Vec<&str> = done.stderr.lines().collect();
    let hint = lines.iter().rev().find_map(|line| line.split_once("= hint: ")).map_or("", |(_, hint)| hint);
    format!("{} | {hint}", lines.iter().find(|line| line.starts_with("error: ")).unwrap_or(&""))
}

#[test]
fn a_file_is_fetched_once_and_its_name_is_its_digest() {
    let scene = Scene::new();
    let (bytes, hex) = (image(), sha256(&image()));
    let is = format!("sha256: \"{hex}\", size: 200000");
    let done = scene.fetches(Answer::File(bytes.clone()), &is);
    same(&done.stderr, "vmrun: fetched http://127.0.0.1:80/a.img, 195.3 KiB");
    same(&done.stdout, &format!("[tmp]/cache/sha256/{hex}"));
    let short = &hex[..11];
    assert_eq!((done.code, scene.cache()), (0, vec![format!("sha256/{short} 200000")]));
    assert_eq!(fs::read(scene.sandbox.path(&format!("cache/sha256/{hex}"))).unwrap(), bytes);
    assert_eq!(scene.publisher.asked(), ["/a.img"]);
    // Nobody is asked again, though it is somewhere else now.
    let done = scene.fetches(Answer::Missing, &is.to_uppercase().replace("SHA256:", "sha256:").replace("SIZE", "size"));
    assert_eq!((done.code, done.stderr.as_str(), scene.publisher.asked()), (0, "", Vec::new()));
    // And nothing is planned.
    same(&scene.run(&["plan", "r.rhai"]).stdout, "umask 026");
    // Who may look into it is whoever fetched it.
    let mode = |name: &str| fs::metadata(scene.sandbox.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("cache"), mode("cache/sha256"), mode("cache/partial")], [0o700; 3]);
}

#[test]
fn a_plan_has_the_commands_that_do_the_same() {
    let scene = Scene::new();
    let hex = "ab".repeat(32);
    let recipe = format!("fetch(\"https://example.org/a.img?x=1&y\", #{{ sha256: \"{hex}\", size: 5.MiB }});\n");
    scene.sandbox.write("r.rhai", &recipe);
    let partial = format!("[tmp]/cache/partial/sha256-{hex}");
    let begin = format!("umask 026\ninstall -d -m 700 [tmp]/cache [tmp]/cache/sha256 [tmp]/cache/partial {partial}\n");
    let end = format!("mv {partial}/data [tmp]/cache/sha256/{hex}\nrmdir {partial}\n");
    let freebsd = format!(
        "{begin}fetch -q -r -T 60 -S 5242880 -o {partial}/data 'https://example.org/a.img?x=1&y'\nsha256 -c {hex} {partial}/data\n{end}"
    );
    same(&scene.run(&["plan", "r.rhai"]).stdout, &freebsd);
    let linux = format!(
        "{begin}curl -q -fgsSL --netrc-optional --proto =http,https --proto-redir =http,https --max-redirs 10 --connect-timeout 30 \
         -y 60 -Y 1024 --max-filesize 5242880 -C - -o {partial}/data 'https://example.org/a.img?x=1&y'\n\
         sha256sum -c <<'EOF'\n{hex}  {partial}/data\nEOF\n{end}"
    );
    same(&scene.run(&["plan", "r.rhai", "--on", "linux"]).stdout, &linux);
}

#[test]
fn what_is_cut_off_is_gone_on_with() {
    let scene = Scene::new();
    let (bytes, hex) = (image(), sha256(&image()));
    let is = format!("sha256: \"{hex}\"");
    let done = scene.fetches(Answer::CutAfter(70_000, bytes.clone()), &is);
    let url = "http://127.0.0.1:80/a.img";
    let lines = [
        format!("vmrun: fetching {url} from 68.3 KiB on"),
        format!("vmrun: fetching {url} from 136.7 KiB on"),
        format!("vmrun: fetched {url}, 195.3 KiB"),
    ];
    same(&done.stderr, &lines.join("\n"));
    assert_eq!(scene.publisher.asked(), ["/a.img", "/a.img from 70000", "/a.img from 140000"]);
    // One that gives too little each time is left, and the next run goes on.
    let scene = Scene::new();
    let done = scene.fetches(Answer::CutAfter(20_000, bytes.clone()), &is);
    let data = format!("[tmp]/cache/partial/sha256-{hex}/data");
    assert_eq!(
        fault(&done),
        format!(
            "error: cannot fetch {url}: fetch: {data} appears to be truncated: 100000/200000 bytes; 100000 bytes of it are kept | the next run goes on from there"
        )
    );
    let partial = format!("partial/sha256-{}", &hex[..4]);
    assert_eq!((done.code, scene.cache()), (3, vec![format!("{partial}/"), format!("{partial}/data 100000")]));
    scene.publisher.asked();
    assert_eq!(scene.fetches(Answer::File(bytes.clone()), &is).code, 0);
    assert_eq!(scene.publisher.asked(), ["/a.img from 100000"]);
    // A server that begins anew is no hindrance.
    let scene = Scene::new();
    scene.fetches(Answer::CutAfter(20_000, bytes.clone()), &is);
    assert_eq!((scene.fetches(Answer::NoRanges(bytes), &is).code, scene.cache().len()), (0, 1));
}

#[test]
fn a_download_that_is_killed_is_gone_on_with_by_the_next_run() {
    let scene = Scene::new();
    let (bytes, hex) = (image(), sha256(&image()));
    let url = scene.publisher.serve("a.img", Answer::Stuck(90_000, bytes.clone()));
    scene.sandbox.write("r.rhai", &format!("print(fetch(\"{url}\", #{{ sha256: \"{hex}\" }}));\n"));
    let data = format!("cache/partial/sha256-{hex}/data");
    let has = |sandbox: &Sandbox| fs::metadata(sandbox.path(&data)).is_ok_and(|meta| meta.len() >= 81_920);
    // Who is asked to stop ends the program, and says nothing more.
    let mut run = scene.sandbox.start(&["r.rhai"]);
    run.until("half of the file", has);
    run.signal("TERM");
    let done = run.wait();
    assert_eq!((done.code, scene.cache().len()), (130, 2), "{}", done.stderr);
    // Who is killed leaves the program alone, which holds the lock as long as it goes on.
    let mut run = scene.sandbox.start(&["r.rhai"]);
    run.until("a second program", |sandbox| {
        sandbox.read("fake/log").lines().filter(|line| line.starts_with("fetch ")).count() == 2
    });
    run.kill();
    scene.publisher.serve("a.img", Answer::File(bytes));
    let next = scene.sandbox.start(&["r.rhai"]);
    scene.publisher.hang_up();
    let done = next.wait();
    assert_eq!((done.code, scene.cache()), (0, vec![format!("sha256/{} 200000", &hex[..11])]), "{}", done.stderr);
}

#[test]
fn what_came_as_a_whole_before_the_end_is_only_given_its_name() {
    let (bytes, hex) = (image(), sha256(&image()));
    for (is, asked) in [("", vec!["/a.img from 200000"]), (", size: 200000", Vec::new())] {
        let scene = Scene::new();
        let folder = scene.sandbox.path(&format!("cache/partial/sha256-{hex}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("data"), &bytes).unwrap();
        let done = scene.fetches(Answer::File(bytes.clone()), &format!("sha256: \"{hex}\"{is}"));
        assert_eq!(
            (done.code, scene.publisher.asked()),
            (0, asked.into_iter().map(String::from).collect()),
            "{}",
            done.stderr
        );
        assert_eq!(scene.cache(), [format!("sha256/{} 200000", &hex[..11])]);
    }
    // What has grown wrong is begun anew, as it is when there is too much of it.
    for length in [200_000, 300_000] {
        let scene = Scene::new();
        let folder = scene.sandbox.path(&format!("cache/partial/sha256-{hex}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("data"), vec![7; length]).unwrap();
        let done = scene.fetches(Answer::File(bytes.clone()), &format!("sha256: \"{hex}\""));
        assert_eq!((done.code, scene.cache().len()), (0, 1), "{}", done.stderr);
    }
}

#[test]
fn what_is_not_the_file_is_refused_and_nothing_of_it_is_left() {
    let bytes = image();
    let (hex, other) = (sha256(&bytes), "ab".repeat(32));
    let (right, wrong) = (format!("sha256: \"{hex}\""), format!("sha256: \"{other}\""));
    let url = "http://127.0.0.1:80/a.img";
    let meant =
        "if its publisher has a new one, take the digest that he publishes (`vmrun images pin`); else do not use it";
    let not_it = |length: usize, is: &str, wanted: &str| {
        format!(
            "error: {url} is not the file that is meant: its {length} bytes have the sha256 {is}, not {wanted}; nothing is kept | {meant}"
        )
    };
    let longer = "if that is right, correct `size`; else it is not the file that is meant";
    let cut = &bytes[..1000];
    for (answer, is, said) in [
        (Answer::File(bytes.clone()), wrong.clone(), not_it(200_000, &hex, &other)),
        (Answer::Unmeasured(cut.to_vec()), right.clone(), not_it(1000, &sha256(cut), &hex)),
        (
            Answer::Missing,
            right.clone(),
            format!(
                "error: cannot fetch {url}: fetch: {url}: Not Found | correct the address, or try again when its server answers"
            ),
        ),
        (
            Answer::Redirect("file:///etc/passwd".into()),
            right.clone(),
            format!(
                "error: cannot fetch {url}: fetch: {url}: Protocol not supported | correct the address, or try again when its server answers"
            ),
        ),
        (
            Answer::File(bytes.clone()),
            format!("{right}, size: 5"),
            format!(
                "error: cannot fetch {url}: fetch: {url}: size mismatch: expected 5, actual 200000 | correct the address, or try again when its server answers"
            ),
        ),
        (
            Answer::Endless,
            format!("{right}, size: 1000"),
            format!("error: {url} has more than 1000 bytes, and was not fetched further | {longer}"),
        ),
    ] {
        let scene = Scene::new();
        let done = scene.fetches(answer, &is);
        assert_eq!((fault(&done), done.code), (said, 3));
        assert_eq!((done.stdout.as_str(), scene.cache()), ("", Vec::new()));
    }
    // A redirect within the web is one.
    let scene = Scene::new();
    let there = scene.publisher.serve("b.img", Answer::File(bytes));
    assert_eq!(scene.fetches(Answer::Redirect(there), &right).code, 0);
}

/// fetch(1) has two lines for it (lib/libfetch/common.c), and "Authentication error" as the last.
#[test]
fn a_server_that_does_not_prove_who_it_is_is_told_in_the_words_of_fetch() {
    let url = "https://a.example/b";
    for (line, way_out) in [
        (
            "Certificate verification failed for /CN=a.example",
            "it has expired, or nobody whom this host knows signed it: if you trust who did, SSL_CA_CERT_FILE names a file with \
             their certificate; else do not use this server",
        ),
        (
            "SSL certificate subject doesn't match host a.example",
            "whoever runs the server has to correct its certificate; until then take another mirror",
        ),
    ] {
        // What the fake has is HTTP alone.
        let scene = Scene { sandbox: Sandbox::new(), publisher: Publisher::new() };
        let openssl =
            "0020:error:0A000086:SSL routines:tls_process_server_certificate:certificate verify failed:x.c:1889:";
        let words = format!("cat >&2 <<'EOF'\n{line}\n{openssl}\nfetch: {url}: Authentication error\nEOF\nexit 1");
        scene.sandbox.script("fetch", &words);
        scene.sandbox.write("r.rhai", &format!("fetch(\"{url}\", #{{ sha256: \"{}\" }});\n", "ab".repeat(32)));
        let done = scene.run(&["r.rhai"]);
        assert_eq!((fault(&done), done.code), (format!("error: cannot fetch {url}: {line} | {way_out}"), 3));
        assert_eq!(scene.cache(), [""; 0]);
    }
}

#[test]
fn a_full_disk_is_told_of_and_nothing_is_left() {
    let bytes = image();
    for blocks in [1, 16, 77, 150] {
        let scene = Scene::new();
        let url = scene.publisher.serve("a.img", Answer::File(bytes.clone()));
        let recipe = format!("print(fetch(\"{url}\", #{{ sha256: \"{}\" }}));\n", sha256(&bytes));
        scene.sandbox.write("r.rhai", &recipe);
        let done = scene.sandbox.finish(&mut scene.sandbox.shell(&format!("ulimit -f {blocks}; vmrun r.rhai")));
        let said = scene.publisher.shown(&fault(&done));
        let begins = "error: there is no room for http://127.0.0.1:80/a.img: ";
        let ends = " | `vmrun cache prune` makes room, or VMRUN_CACHE_DIR names another folder";
        assert!(said.starts_with(begins) && said.ends_with(ends), "{blocks}: {}", done.stderr);
        assert_eq!(scene.cache(), [""; 0]);
    }
}

#[test]
fn addresses_and_digests_are_looked_at_before_anything_happens() {
    let scene = Scene::new();
    let hex = "ab".repeat(32);
    let says = |call: &str| {
        scene.sandbox.write("r.rhai", &format!("{call}\n"));
        let done = scene.run(&["r.rhai"]);
        let place =
            done.stderr.lines().find_map(|line| line.trim().strip_prefix("--> ")).unwrap_or_default().to_string();
        assert_eq!(done.code, 1, "{}", done.stderr);
        format!("{place} {}", fault(&done))
    };
    assert_eq!(
        says("fetch(\"ftp://a/b\", #{});"),
        "r.rhai:1:7 error: \"ftp://a/b\" is no address of a file to fetch | write https://host/path/of/the/file: only https and \
         http are fetched"
    );
    assert_eq!(
        says("fetch(\"https://a/b\", #{});"),
        "r.rhai:1:22 error: nothing says what the file has to be | add `sha512` or `sha256`, as its publisher has it: `vmrun images \
         pin` asks for those of `vmrun images`"
    );
    assert_eq!(
        says(&format!("fetch(\"https://a/b\", #{{ sha512: \"{hex}\" }});")),
        format!(
            "r.rhai:1:33 error: \"{hex}\" is no sha512 | a sha512 has 128 hexadecimal digits; this has those of a sha256: write `sha256`"
        )
    );
    assert_eq!(
        says(&format!("fetch(\"https://a/b\", #{{ sha256: \"{hex}\", sha512: \"{hex}{hex}\" }});")),
        "r.rhai:1:33 error: the file has two digests | one says what it is: leave out `sha256`"
    );
    assert!(
        says(&format!("fetch(\"https://a/b\", #{{ sha256: \"{hex}\", size: 0 }});"))
            .ends_with("error: a file without bytes is not fetched | correct `size`, or leave it out")
    );
    assert_eq!(
        says("fetch(\"https://a/b\", #{ sha1: \"\" });"),
        "r.rhai:1:25 error: there is no key `sha1` | did you mean `sha512`?"
    );
    // A password is shown nowhere.
    scene.sandbox.write("r.rhai", "fetch(\"https://ann:hunter2@a.example/b\", #{});\n");
    for args in [&["r.rhai"][..], &["plan", "r.rhai"], &["check", "r.rhai"]] {
        let done = scene.run(args);
        assert!(done.stderr.contains("1 | fetch(\"https://***********@a.example/b\", #{});"), "{}", done.stderr);
        assert!(!format!("{done:?}").contains("hunter2"));
    }
    // A file that is there with another length than the recipe says.
    scene.sandbox.write("r.rhai", &format!("fetch(\"https://a/b\", #{{ sha256: \"{hex}\", size: 7 }});\n"));
    fs::create_dir_all(scene.sandbox.path("cache/sha256")).unwrap();
    fs::write(scene.sandbox.path(&format!("cache/sha256/{hex}")), "12345").unwrap();
    let done = scene.run(&["r.rhai"]);
    assert_eq!(
        (fault(&done), done.code),
        ("error: the file with this sha256 has 5 bytes, not 7 | correct `size`, or leave it out".into(), 1)
    );
}

#[test]
fn a_library_fetches_what_the_recipe_names_or_allows() {
    let scene = Scene::new();
    let bytes = image();
    let url = scene.publisher.serve("a.img", Answer::File(bytes.clone()));
    fs::create_dir(scene.sandbox.path("team")).unwrap();
    scene.sandbox.write("vmrun.toml", "[lib.team]\npath = \"team\"\n");
    let library = format!(
        "fn image(name) {{ fetch(\"{}\" + name, #{{ sha256: \"{}\" }}) }}\n",
        scene.publisher.url(""),
        sha256(&bytes)
    );
    scene.sandbox.write("team/lib.rhai", &library);
    let says = |more: &str| {
        scene.sandbox.write("r.rhai", &format!("import \"team\" as team;\n{more}\nteam::image(\"a.img\");\n"));
        let done = scene.run(&["r.rhai"]);
        if done.code == 0 { String::new() } else { fault(&done) }
    };
    let shown = "http://127.0.0.1:80/a.img";
    assert_eq!(
        says(""),
        format!(
            "error: the library `team` may not fetch {shown} | if it shall, the recipe says so before: allow(#{{ fetch: [\"{shown}\"] }});"
        )
    );
    assert_eq!(scene.cache(), [""; 0]);
    assert_eq!(says(&format!("allow(#{{ fetch: [\"{}*\"] }});", scene.publisher.url(""))), "");
    assert_eq!(says(&format!("let mine = \"{url}\";")), "");
}

#[test]
fn the_cache_is_listed_and_what_nobody_uses_is_removed() {
    let scene = Scene::new();
    let bytes = image();
    let hex = sha256(&bytes);
    same(&scene.run(&["cache", "list"]).stdout, "nothing was fetched");
    assert_eq!(scene.fetches(Answer::File(bytes), &format!("sha256: \"{hex}\"")).code, 0);
    let other = "cd".repeat(32);
    let folder = scene.sandbox.path(&format!("cache/partial/sha256-{other}"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("data"), "123").unwrap();
    fs::write(scene.sandbox.path("cache/sha256/notes"), "mine").unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let times = fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago);
    fs::File::open(scene.sandbox.path(&format!("cache/sha256/{hex}"))).unwrap().set_times(times).unwrap();
    let listed = scene.run(&["cache", "list"]).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["SIZE", "USED", "FETCHED", "STATE", "DIGEST", "FROM"]);
    let origin = fs::read_to_string(scene.sandbox.path(&format!("cache/sha256/{hex}.origin"))).unwrap();
    let origin: serde_json::Value = serde_json::from_str(&origin).unwrap();
    let ago = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
        - origin["fetched"].as_u64().unwrap();
    assert!(ago < 120, "{origin}");
    let (begin, end) = ("195.3 KiB  2023-11-14 22:13:20 UTC  ", "UTC  -             ");
    let rest = lines[1].strip_prefix(begin).and_then(|rest| rest.split_once(end)).map(|(_, rest)| rest);
    assert_eq!(rest.unwrap_or(lines[1]), format!("sha256:{hex}  http://127.0.0.1:80/a.img"));
    assert!(
        lines[2].starts_with("  3 bytes  ") && lines[2].ends_with(&format!("half fetched  sha256:{other}  -")),
        "{listed}"
    );
    let json = scene.run(&["cache", "list", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json[0]["bytes"].as_u64(), json[0]["used"].as_u64(), json[1]["partial"].as_bool()),
        (Some(200_000), Some(1_700_000_000), Some(true))
    );
    assert_eq!((&json[0]["fetched"], json[0]["url"].as_str()), (&origin["fetched"], Some("http://127.0.0.1:80/a.img")));
    assert_eq!((&json[1]["fetched"], &json[1]["url"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    // Who uses it notes that.
    let rm = format!("rm [tmp]/cache/sha256/{hex} [tmp]/cache/sha256/{hex}.origin");
    same(&scene.run(&["cache", "prune", "--dry-run"]).stdout, &rm);
    assert_eq!(scene.run(&["r.rhai"]).code, 0);
    same(&scene.run(&["cache", "prune", "--dry-run"]).stdout, "");
    let all = format!("{rm}\nrm -r [tmp]/cache/partial/sha256-{other}");
    same(&scene.run(&["cache", "prune", "--older-than", "0s", "--dry-run"]).stdout, &all);
    assert_eq!(scene.cache().len(), 4);
    same(&scene.run(&["cache", "prune", "--older-than", "0s"]).stdout, &all);
    assert_eq!(scene.cache(), ["sha256/notes 4"]);
    same(&scene.run(&["cache", "list"]).stdout, "nothing was fetched");
}

/// A query may be a key, which is neither kept nor shown; a file that an earlier version has fetched has no origin.
#[test]
fn the_cache_tells_no_query_of_an_address_and_nothing_of_files_without_an_origin() {
    let scene = Scene::new();
    let (bytes, key) = (image(), "key=hunter2");
    let hex = sha256(&bytes);
    let url = scene.publisher.serve(&format!("a.img?{key}"), Answer::File(bytes));
    scene.sandbox.write("r.rhai", &format!("print(fetch(\"{url}\", #{{ sha256: \"{hex}\" }}));\n"));
    assert_eq!(scene.run(&["r.rhai"]).code, 0);
    let file = scene.sandbox.path(&format!("cache/sha256/{hex}.origin"));
    assert!(!fs::read_to_string(&file).unwrap().contains("hunter2"));
    for args in [&["cache", "list"][..], &["cache", "list", "--json"]] {
        let said = scene.run(args);
        assert!(said.stdout.contains("http://127.0.0.1:80/a.img") && !said.stdout.contains("hunter2"), "{said:?}");
    }
    fs::remove_file(file).unwrap();
    let listed = scene.run(&["cache", "list"]).stdout;
    let line = listed.lines().nth(1).unwrap();
    assert!(line.ends_with(&format!(" UTC  -        -      sha256:{hex}  -")), "{listed}");
    same(&scene.run(&["cache", "prune", "--older-than", "0s"]).stdout, &format!("rm [tmp]/cache/sha256/{hex}"));
    assert_eq!(scene.cache(), [""; 0]);
}

/// What an image is nobody knows before it is here: a rehearsal takes nothing for granted, and the run looks.
#[test]
fn an_image_is_fetched_and_converted_by_one_run() {
    let recipe = |url: &str, size: &str| {
        let (hex, rom) = (sha256(&image()), "bootrom(\"[tmp]/vm/rom.fd\")");
        format!(
            "let image = fetch(\"{url}\", #{{ sha256: \"{hex}\" }});\nlet root = convert(image, disk(\"[tmp]/vm/web.img\", {size}));\n\
             bhyve(#{{ name: \"web\", memory: 64.MiB, bootrom: {rom}, slots: #{{ \"0\": hostbridge(), \"4\": virtio_blk(root), \
             \"31\": lpc() }} }}).run();\n"
        )
    };
    let scene = Scene::new();
    fs::write(scene.sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    let url = scene.publisher.serve("a.img", Answer::File(image()));
    scene.sandbox.write("web.rhai", &recipe(&url, "1.MiB"));
    let cached = format!("[tmp]/cache/sha256/{}", sha256(&image()));
    let plan = scene.run(&["plan", "web.rhai", "--init"]);
    let converted = format!("qemu-img convert -n --target-is-zero -f qcow2 -O raw {cached} [tmp]/vm/web.img.new\n");
    assert!(plan.stdout.contains(&converted), "{}", plan.stdout);
    let said = plan.stderr.lines().filter(|line| line.starts_with("warning: ") || line.contains("= hint: "));
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            format!("warning: {cached} is not here, and is taken for a qcow2").as_str(),
            "  = hint: its content tells what it is when it is converted"
        ]
    );
    scene.sandbox.write("fake/exits", "1\n");
    let done = scene.run(&["web.rhai", "--init"]);
    same(&done.stderr, &format!("vmrun: fetched {}, 195.3 KiB", scene.publisher.shown(&url)));
    let disk = fs::read(scene.sandbox.path("vm/web.img")).unwrap();
    assert!(done.code == 0 && disk.len() == 1 << 20 && disk.starts_with(&image()), "{}", disk.len());
    // What is found out once it is here leaves no disk.
    let scene = Scene::new();
    fs::write(scene.sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    let url = scene.publisher.serve("a.img", Answer::File(image()));
    scene.sandbox.write("web.rhai", &recipe(&url, "64.KiB"));
    let done = scene.run(&["web.rhai", "--init"]);
    let wrong = format!(
        "error: {cached} makes a disk of 195.3 KiB, and [tmp]/vm/web.img has 64 KiB | give the disk a size of at least \"200000\""
    );
    assert_eq!((fault(&done), done.code, scene.sandbox.names("vm")), (wrong, 1, vec!["rom.fd".to_string()]));
}

#[test]
fn no_guest_writes_to_what_is_in_the_cache() {
    let scene = Scene::new();
    let bytes = image();
    let url = scene.publisher.serve("a.img", Answer::File(bytes.clone()));
    let hex = sha256(&bytes);
    fs::write(scene.sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    let says = |more: &str, args: &[&str]| {
        let recipe = format!(
            "let image = fetch(\"{url}\", #{{ sha256: \"{hex}\" }});\nbhyve(#{{ name: \"lab\", bootrom: \"[tmp]/vm/rom.fd\", \
             slots: #{{ \"0\": hostbridge(), \"4\": virtio_blk(image{more}), \"31\": lpc() }} }}).run();\n"
        );
        scene.sandbox.write("r.rhai", &recipe);
        fault(&scene.run(args))
    };
    let wrong = format!(
        "error: [tmp]/cache/sha256/{hex} is in the cache, and a guest that writes to it makes it another file | make a disk of it, \
         as by `qemu-img convert`, or have it only read: `ro: true`"
    );
    assert_eq!(says("", &["r.rhai"]), wrong);
    assert_eq!(scene.cache(), [""; 0]);
    assert_eq!(says("", &["plan", "r.rhai"]), wrong);
    assert_eq!(says(", #{ ro: true }", &["plan", "r.rhai"]), " | ");
}

/// A table of images with one system, whose publisher is ours.
fn with_table(scene: &Scene, signed: &str) {
    let row = format!(
        "[images.mine]\ntitle = \"Mine\"\nurl = \"{0}{{arch}}/mine.img\"\nchecksums = \"{0}{{arch}}/SHA256SUMS\"\ndigest = \"sha256\"\nkind = \"raw\"\nuser = \"me\"\n{signed}amd64 = \"x86\"\n",
        scene.publisher.url("")
    );
    scene.sandbox.write("config/config.toml", &row);
}

#[test]
fn a_pin_is_what_the_publisher_says_and_is_old_when_he_says_something_else() {
    let scene = Scene::new();
    let bytes = image();
    let hex = sha256(&bytes);
    with_table(&scene, "signed = \"not signed\"\n");
    scene.publisher.serve("x86/SHA256SUMS", Answer::File(format!("{hex}  mine.img\n").into_bytes()));
    scene.publisher.serve("x86/mine.img", Answer::File(bytes));
    let pinned = scene.run(&["images", "pin", "mine"]);
    same(&pinned.stdout, &format!("images::image(\"mine\", #{{ sha256: \"{hex}\" }})"));
    same(
        &pinned.stderr,
        "vmrun: mine: http://127.0.0.1:80/x86/mine.img is what http://127.0.0.1:80/x86/SHA256SUMS says it is (signed: not signed; \
         not verified, nothing vouches for it)",
    );
    assert_eq!((pinned.code, scene.cache()), (0, Vec::new()));
    let recipe = format!(
        "import \"std/images\" as images;\nlet file = {};\nprint(file); print(images::kind(\"mine\") + images::user(\"mine\"));\n",
        pinned.stdout.trim()
    );
    scene.sandbox.write("web.rhai", &recipe);
    let done = scene.run(&["web.rhai"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (0, format!("[tmp]/cache/sha256/{hex}\nrawme\n").as_str()),
        "{}",
        done.stderr
    );
    let check = || scene.run(&["images", "pin", "--check", "web.rhai"]);
    same(&check().stdout, "web.rhai: mine is what its publisher has");
    let other = "ab".repeat(32);
    scene.publisher.serve("x86/SHA256SUMS", Answer::File(format!("SHA256 (mine.img) = {other}\n").into_bytes()));
    let old = check();
    same(
        &old.stderr,
        &format!(
            "error: web.rhai: the pin of mine is old: it is {hex}, and its publisher has another one\n |\n = hint: \
             `vmrun images pin --check --edit web.rhai` writes images::image(\"mine\", #{{ sha256: \"{other}\" }})"
        ),
    );
    assert_eq!(old.code, 1);
    // It is written in its place, and nothing else is; where it is no text of the recipe, nothing is at all.
    let done = scene.run(&["images", "pin", "--check", "--edit", "web.rhai"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, format!("web.rhai: the pin of mine is {other} now\n").as_str()));
    assert_eq!(scene.sandbox.read("web.rhai"), recipe.replace(&hex, &other));
    same(&check().stdout, "web.rhai: mine is what its publisher has");
    let (begin, end) = hex.split_at(9);
    let computed = recipe.replace(&format!("\"{hex}\""), "hex");
    scene.sandbox.write("computed.rhai", &format!("let hex = \"{begin}\" + \"{end}\";\n{computed}"));
    same(
        &scene.run(&["images", "pin", "--check", "--edit", "computed.rhai"]).stderr,
        "
error: the pin of mine is no text of computed.rhai
 |
 = hint: write it where it is computed, or into the library that has it
",
    );
    scene.sandbox.write("other.rhai", "print(1);\n");
    same(
        &scene.run(&["images", "pin", "--check", "other.rhai"]).stdout,
        "other.rhai: no image of the table is fetched",
    );
}

#[test]
fn what_a_publisher_does_not_say_is_told() {
    let scene = Scene::new();
    with_table(&scene, "");
    let says = |answer: Answer, args: &[&str]| {
        scene.publisher.serve("x86/SHA256SUMS", answer);
        let done = scene.run(&[&["images", "pin"][..], args].concat());
        assert_eq!((done.stdout.as_str(), scene.cache()), ("", Vec::new()));
        format!("{} {}", done.code, fault(&done))
    };
    let sums = "http://127.0.0.1:80/x86/SHA256SUMS";
    let moved = "its publisher may have moved it: look there, and correct [images.\"mine\"] in config.toml";
    assert_eq!(
        says(Answer::File(b"nothing\n".to_vec()), &["mine"]),
        format!("3 error: {sums} has no sha256 of mine.img | {moved}")
    );
    assert_eq!(
        says(Answer::File(b"\xff\xfe".to_vec()), &["mine"]),
        format!("3 error: {sums} is no UTF-8 text | correct the address, or try again when its server answers")
    );
    assert_eq!(
        says(Answer::Missing, &["mine"]),
        format!(
            "3 error: cannot fetch {sums}: fetch: {sums}: Not Found | correct the address, or try again when its server answers"
        )
    );
    assert_eq!(
        says(Answer::Endless, &["mine"]),
        format!(
            "3 error: {sums} has more than 1048576 bytes, and was not fetched further | if that is right, correct `size`; else it is not the file that is meant"
        )
    );
    assert_eq!(
        says(Answer::Missing, &["mine", "--arch", "arm64"]),
        "1 error: there is no image of mine for arm64 | its publisher has one for amd64"
    );
    assert_eq!(
        says(Answer::Missing, &["debain-13"]),
        "1 error: there is no image \"debain-13\" | did you mean `debian-13`?"
    );
}

#[test]
fn without_gpgv_what_is_signed_is_no_pin_and_nothing_is_left() {
    let scene = Scene::new();
    with_table(
        &scene,
        &format!("signature = \"{{checksums}}.asc\"\nkeyring = \"{}\"\n", scene.sandbox.path("keys").display()),
    );
    scene.sandbox.write("keys", "a keyring");
    scene.publisher.serve("x86/SHA256SUMS", Answer::File(format!("{}  mine.img\n", "ab".repeat(32)).into_bytes()));
    scene.publisher.serve("x86/SHA256SUMS.asc", Answer::File(b"a signature".to_vec()));
    let pin = || {
        let mut command = scene.sandbox.command(&["images", "pin", "mine"]);
        let done = scene.sandbox.finish(command.env("PATH", scene.sandbox.path("bin")));
        assert_eq!((done.stdout.as_str(), scene.cache()), ("", Vec::new()));
        (done.code, scene.publisher.shown(&done.stderr))
    };
    let (code, said) = pin();
    same(
        &said,
        "
error: the checksums at http://127.0.0.1:80/x86/SHA256SUMS are refused: gpgv is not installed, and signatures by OpenPGP are verified by it
 |
 = hint: pkg install gnupg brings it
",
    );
    assert_eq!(code, 3);
    // One that is no signature at all, of any length, is not read further than it is one.
    scene.publisher.serve("x86/SHA256SUMS.asc", Answer::Endless);
    let (code, said) = pin();
    same(
        &said,
        "
error: the checksums at http://127.0.0.1:80/x86/SHA256SUMS are refused: http://127.0.0.1:80/x86/SHA256SUMS.asc has more than 65536 bytes, and was not fetched further
 |
 = hint: if that is right, correct `size`; else it is not the file that is meant
",
    );
    assert_eq!(code, 3);
}

#[test]
fn the_table_of_images_is_listed() {
    let scene = Scene::new();
    with_table(&scene, "");
    let listed = scene.run(&["images"]).stdout;
    let row = |name: &str| {
        let line = listed.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_default();
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(row("NAME"), "NAME | FOR | KIND | USER | CHECKSUMS SIGNED | VERIFIED | ADDRESS TRIED | NOTE");
    assert_eq!(row("mine"), "mine | amd64 | raw | me | - | no | of config.toml | -");
    assert_eq!(row("debian-13"), "debian-13 | amd64 arm64 | qcow2 | debian | not signed | no | not fetched | -");
    assert!(
        row("arch").starts_with("arch | amd64 | qcow2 | arch | FILE.sig beside the image, by OpenPGP | no | "),
        "{listed}"
    );
    assert!(row("rocky-9").contains(" | FILE.CHECKSUM.asc beside it, by OpenPGP | with a keyring | "), "{listed}");
    let json: serde_json::Value = serde_json::from_str(&scene.run(&["images", "--json"]).stdout).unwrap();
    let verified = |json: &serde_json::Value, name: &str| {
        json.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()["verified"].as_bool()
    };
    assert_eq!((verified(&json, "arch"), verified(&json, "rocky-9")), (Some(false), Some(false)));
    let arch = json.as_array().unwrap().iter().find(|row| row["name"] == "arch").unwrap();
    assert_eq!((arch["arm64"].is_null(), arch["fetched"].as_str()), (true, Some("not fetched")));
    // With the keys of all publishers, where their checksums are signed.
    with_table(&scene, "");
    let table = scene.sandbox.read("config/config.toml");
    scene.sandbox.write("config/config.toml", &format!("[images]\nkeyring = \"/keys.gpg\"\n{table}"));
    let json: serde_json::Value = serde_json::from_str(&scene.run(&["images", "--json"]).stdout).unwrap();
    assert_eq!((verified(&json, "arch"), verified(&json, "rocky-9")), (Some(false), Some(true)));
}
