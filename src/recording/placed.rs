//! What a script calls by paths that begin where it is: a recipe calls it by whole paths, or goes there first.

use super::call::Call;
use super::download;
use crate::model::Argv;

/// The programs that read and make files, and have no words of a recipe. A download is one of them.
const PROGRAMS: &[&str] =
    &["genisoimage", "makefs", "mkisofs", "qemu-img", "xorriso", "xorrisofs", "curl", "fetch", "wget"];

/// Those that work where they are called, unless they are sent elsewhere.
const WORK_HERE: &[&str] = &["bsdtar", "cpio", "tar", "unzip", "zip"];

/// Returns a call as it can be repeated elsewhere. `is_file` is whether a whole path is known as that of a file.
pub(super) fn placed(call: &Call, whole: &dyn Fn(&str, &str) -> String, is_file: &dyn Fn(&str) -> bool) -> Call {
    let works_here = WORK_HERE.contains(&call.program());
    if !(works_here || PROGRAMS.contains(&call.program())) || call.reads {
        return call.clone();
    }
    let download = download::file(&call.argv);
    let is_relative = |word: &str| !word.is_empty() && !word.starts_with(['/', '-']) && !word.contains("://");
    let mut argv = call.argv.clone();
    for word in argv.iter_mut().skip(1).filter(|word| is_relative(word)) {
        let path = whole(&call.cwd, word);
        if download.as_deref() == Some(word) || is_file(&path) {
            *word = path;
        }
    }
    let is_left = match download {
        // By which name it is kept the address says.
        Some(file) => is_relative(&file) && argv == call.argv,
        None if works_here => !is_sent(&argv) || argv.iter().skip(1).any(|word| is_relative(word)),
        None => argv.last().is_some_and(|last| is_relative(last)),
    };
    let own = Call { argv, ..call.clone() };
    if !is_left {
        return own;
    }
    let line = format!("{} && {}", Argv::new("cd").arg(&call.cwd), own.command());
    Call { argv: vec!["sh".into(), "-c".into(), line], ..own }
}

/// Whether tar(1), or unzip, is told of a whole folder in which it is to work.
fn is_sent(argv: &[String]) -> bool {
    argv.windows(2).any(|pair| ["-C", "-d"].contains(&pair[0].as_str()) && pair[1].starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_whole_paths_or_goes_to_its_folder_first() {
        let whole = |folder: &str, path: &str| format!("{folder}/{path}");
        let is_file = |path: &str| ["/v m/seed.iso", "/v m/user-data", "/v m/seed"].contains(&path);
        let cases = [
            ("fetch -o base.raw https://a/b.raw", "fetch -o '/v m/base.raw' https://a/b.raw"),
            ("fetch https://a/b.raw", "sh -c 'cd '\\''/v m'\\'' && fetch https://a/b.raw'"),
            ("fetch -o /a/b.raw https://a/b.raw", "fetch -o /a/b.raw https://a/b.raw"),
            ("makefs -t cd9660 seed.iso seed", "makefs -t cd9660 '/v m/seed.iso' '/v m/seed'"),
            ("mkisofs -o seed.iso -V cidata user-data", "mkisofs -o '/v m/seed.iso' -V cidata '/v m/user-data'"),
            ("tar -xf a.txz", "sh -c 'cd '\\''/v m'\\'' && tar -xf a.txz'"),
            ("tar -C /vm -xf /a.txz", "tar -C /vm -xf /a.txz"),
            ("tar -C root -xf /a.txz", "sh -c 'cd '\\''/v m'\\'' && tar -C root -xf /a.txz'"),
            ("tar -C /vm -xf a.txz", "sh -c 'cd '\\''/v m'\\'' && tar -C /vm -xf a.txz'"),
            ("unzip /a.zip", "sh -c 'cd '\\''/v m'\\'' && unzip /a.zip'"),
            ("unzip /a.zip -d /vm", "unzip /a.zip -d /vm"),
            ("sysctl a.b=1", "sysctl a.b=1"),
        ];
        for (line, expected) in cases {
            let argv = line.split(' ').map(String::from).collect();
            let call = Call { argv, cwd: "/v m".into(), ..Call::default() };
            assert_eq!(placed(&call, &whole, &is_file).command().to_string(), expected, "{line}");
        }
    }
}
