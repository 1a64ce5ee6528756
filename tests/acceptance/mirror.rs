//! A mirror of Debian on the loopback of a network: what is asked for is fetched once, by apt's own means from the mirror that apt has, and
//! kept. What is signed stays so, and who installs from it checks that as ever.

use super::namespace::Network;
use super::tools::search_path;
use nix::sched::{CloneFlags, setns};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// Where apt's program is that fetches a file as apt does, through its proxies.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// Where it stands in a mirror what `debian-installer-12-netboot-amd64` brings.
pub(crate) const NETBOOT: &str = "dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64";

/// What the server has, and what was asked for.
struct Shared {
    /// The mirror that apt has.
    from: String,
    /// Where it is kept.
    kept: PathBuf,
    /// Other files, by path.
    files: PathBuf,
    /// One lock for each file, so that none is fetched twice.
    fetching: Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>>,
    asked: Mutex<Vec<String>>,
    missing: Mutex<Vec<String>>,
}

/// The server.
pub(crate) struct Mirror {
    shared: Arc<Shared>,
}

impl Mirror {
    /// Starts it at port 80 of every address of a network: `/debian` is the mirror, all else a file of the folder.
    pub(crate) fn new(network: &Network, kept: PathBuf, files: PathBuf) -> Self {
        let inside = File::open(Path::new("/run/netns").join(&network.name)).unwrap();
        // A socket is of the network in which it was made.
        let bind = move || {
            setns(inside, CloneFlags::CLONE_NEWNET).unwrap();
            TcpListener::bind("0.0.0.0:80").unwrap()
        };
        let listener = thread::spawn(bind).join().unwrap();
        let (fetching, asked, missing) = (Mutex::default(), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { from: apts_mirror(), kept, files, fetching, asked, missing });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { shared }
    }

    /// A package that was asked for, and that the mirror does not have.
    pub(crate) fn missing(&self) -> Option<String> {
        self.shared.missing.lock().unwrap().iter().find(|path| path.contains("/pool/")).cloned()
    }

    /// How many files were asked for whose path contains this.
    pub(crate) fn asked(&self, what: &str) -> usize {
        self.shared.asked.lock().unwrap().iter().filter(|path| path.contains(what)).count()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while let Some(line) = lines.next().transpose()? {
            let mut words = line.split(' ');
            let (method, path) =
                (words.next().unwrap_or_default().to_string(), words.next().unwrap_or("/").to_string());
            let rest: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let from = rest.iter().find_map(|line| line.strip_prefix("Range: bytes=")?.split('-').next()?.parse().ok());
            self.asked.lock().unwrap().push(path.clone());
            let Some(body) = self.file(&path).and_then(|path| fs::read(path).ok()) else {
                self.missing.lock().unwrap().push(path);
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            };
            let from: usize = from.unwrap_or(0).min(body.len());
            let (all, part) = (body.len(), &body[from..]);
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            let range =
                if from > 0 { format!("Content-Range: bytes {from}-{}/{all}\r\n", all - 1) } else { String::new() };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}\r\n", part.len())?;
            if method != "HEAD" {
                stream.write_all(part)?;
            }
        }
        Ok(())
    }

    /// Where a file is, which is fetched if it is the mirror's.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path.split('?').next()?.trim_start_matches('/'));
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        match path.strip_prefix("debian") {
            Ok(below) if is_plain => self.fetched(below),
            Err(_) if is_plain => Some(self.files.join(path)),
            Ok(_) | Err(_) => None,
        }
    }

    fn fetched(&self, below: &Path) -> Option<PathBuf> {
        if let Ok(file) = below.strip_prefix(NETBOOT) {
            return Some(Path::new("/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64").join(file));
        }
        let lock = self.fetching.lock().unwrap().entry(below.into()).or_default().clone();
        let _held = lock.lock().unwrap();
        let (file, part) = (self.kept.join(below), self.kept.join(below).with_extension("part"));
        // What is in a pool, or is called by its digest, never changes; lists do.
        let is_lasting = below.starts_with("pool") || below.iter().any(|part| part == "by-hash");
        if !(is_lasting && file.is_file()) {
            fs::create_dir_all(file.parent()?).ok()?;
            let url = format!("{}/{}", self.from, below.display());
            let mut command = Command::new(HELPER);
            command.args(["download-file", &url]).arg(&part).env("PATH", search_path());
            let is_fetched = command.output().is_ok_and(|output| output.status.success());
            is_fetched.then(|| fs::rename(&part, &file).ok()).flatten()?;
        }
        Some(file)
    }
}

/// The mirror of Debian's that apt has: the address of its first source of packages, as apt itself tells it.
fn apts_mirror() -> String {
    let mut command = Command::new("apt-get");
    command.args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        "Codename: bookworm",
    ]);
    let output = command.env("PATH", search_path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().map(|line| line.trim_end_matches('/').to_string());
    first.expect(
        "apt has a source of packages of bookworm: its sources are asked by apt-get indextargets, after apt-get update",
    )
}
