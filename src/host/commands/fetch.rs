//! The commands that fetch a file: curl(1) on Linux, fetch(1) on FreeBSD, which has no other.

use crate::host::{CommandStep, Platform};
use crate::model::{Argv, Digest, DigestKind, Fetch, Url};
use std::path::Path;

/// How often a server may send to another address, as for fetch(1) (libfetch, MAX_REDIRECT is 20 there).
const REDIRECTS: u32 = 10;

/// How many seconds a server may say nothing.
const SILENCE: u32 = 60;

/// How slow a server may be over that time, in bytes a second.
pub(crate) const SLOWEST: u64 = 1024;

/// One file that comes from a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// The file that it is written to; what is there is the beginning.
    pub to: &'a Path,
    /// How many bytes it may have, or has.
    pub size: Option<u64>,
    /// Whether a server that proves who it is may only send to others which do.
    pub is_trusted: bool,
}

/// Returns the program that fetches on a platform, and the package that brings it.
pub(crate) const fn program(platform: Platform) -> (&'static str, &'static str) {
    match platform {
        Platform::FreeBsd => ("fetch", "it is a part of FreeBSD: bsdinstall(8) or freebsd-update(8) brings it back"),
        Platform::Linux => ("curl", "apt install curl, dnf install curl, apk add curl"),
    }
}

/// Returns the command that goes on with a file where it ends.
pub(crate) fn transfer(platform: Platform, transfer: Transfer<'_>) -> Argv {
    let Transfer { url, to, size, is_trusted } = transfer;
    match platform {
        // fetch(1) follows redirects of HTTP by HTTP alone (http.c of libfetch); that it stays with HTTPS cannot be asked for.
        Platform::FreeBsd => {
            let argv = Argv::new("fetch").args(["-q", "-r", "-T"]).arg(SILENCE);
            let argv = size.into_iter().fold(argv, |argv, size| argv.arg("-S").arg(size));
            argv.arg("-o").arg(to.display()).arg(url)
        }
        Platform::Linux => {
            let others = if is_trusted && url.is_https() { "=https" } else { "=http,https" };
            let argv = Argv::new("curl").args(["-q", "-fgsSL", "--netrc-optional", "--proto", "=http,https"]);
            let argv = argv.args(["--proto-redir", others, "--max-redirs"]).arg(REDIRECTS);
            let argv = argv.args(["--connect-timeout", "30", "-y"]).arg(SILENCE).arg("-Y").arg(SLOWEST);
            let argv = size.into_iter().fold(argv, |argv, size| argv.arg("--max-filesize").arg(size));
            argv.args(["-C", "-", "-o"]).arg(to.display()).arg(url)
        }
    }
}

/// Returns the command that compares a file with a digest.
fn compared(platform: Platform, digest: &Digest, file: &Path) -> CommandStep {
    match platform {
        // md5(1) of FreeBSD.
        Platform::FreeBsd => Argv::new(digest.kind().name()).arg("-c").arg(digest.hex()).arg(file.display()).into(),
        Platform::Linux => {
            let program = match digest.kind() {
                DigestKind::Sha256 => "sha256sum",
                DigestKind::Sha512 => "sha512sum",
            };
            let stdin = Some(format!("{}  {}\n", digest.hex(), file.display()));
            CommandStep { argv: Argv::new(program).arg("-c"), stdin }
        }
    }
}

/// Returns the commands that fetch a file into the cache, in order.
pub(crate) fn steps(platform: Platform, fetch: &Fetch) -> Vec<CommandStep> {
    let (partial, data) = (fetch.partial(), fetch.data());
    let size = fetch.size.map(crate::model::Size::get);
    let folders = Argv::new("install").args(["-d", "-m", "700"]);
    vec![
        fetch.folders().iter().fold(folders, |argv, folder| argv.arg(folder.display())).into(),
        transfer(platform, Transfer { url: &fetch.url, to: &data, size, is_trusted: false }).into(),
        compared(platform, &fetch.digest, &data),
        Argv::new("mv").arg(data.display()).arg(fetch.path().display()).into(),
        Argv::new("rmdir").arg(partial.display()).into(),
    ]
}
