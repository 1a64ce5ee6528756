//! The files of which nobody tells that a script asks for them: what it makes, for which it may ask by `ls`, `find` or a program of its own, and what
//! it tests for where nothing is called. They are there in one recording more. Where the script does something else then, each of them is tried by
//! itself.

use super::asked_files::{has_same_acts, put};
use super::sessions::Sessions;
use super::whole_path;
use crate::diag::{Blame, Fault};
use crate::import::recorded::{truncated, with_whole_paths};

use crate::model::Target;
use crate::recording::asked::FileTest;
use crate::recording::file_programs::{FileCall, UNPACKERS};
use crate::recording::settled::is_of_a_run;
use crate::recording::{Call, FileState, Recording, download};

/// How many files are tried.
const FILES_MAX: usize = 16;

impl Sessions<'_> {
    /// Returns the files on which it hangs what the script does, of those that it makes and of those for which it may ask, but for those that are
    /// known to be asked for. `usual` is a recording with whole paths.
    pub(super) fn unasked(
        &mut self,
        command: &[String],
        usual: &Recording,
        (known, possible): (&[FileTest], Vec<FileTest>),
        target: Target,
    ) -> Result<Vec<FileTest>, Fault> {
        let done = usual.calls.iter().filter(|call| call.status == 0);
        let mut made: Vec<FileTest> = Vec::new();
        for test in done.flat_map(made_by).chain(possible) {
            let is_news = known.iter().chain(&made).all(|other| other.path != test.path);
            if is_news && !self.is_there(&test.path) && !is_of_a_run(&test.path) {
                made.push(test);
            }
        }
        made.truncate(FILES_MAX);
        if made.is_empty() || self.has_same_with(command, usual, &made, target)? {
            return Ok(Vec::new());
        }
        let mut mattering = Vec::new();
        for test in made {
            if !self.has_same_with(command, usual, std::slice::from_ref(&test), target)? {
                mattering.push(test);
            }
        }
        Ok(mattering)
    }

    /// Whether a script does the same where files are there.
    fn has_same_with(
        &mut self,
        command: &[String],
        usual: &Recording,
        tests: &[FileTest],
        target: Target,
    ) -> Result<bool, Fault> {
        let mut setting = self.setting.clone();
        for test in tests {
            put(&mut setting, &FileState { is_there: true, ..FileState::of(test) });
        }
        match self.again(command, &setting) {
            Ok(Some(other)) => Ok(has_same_acts(usual, &with_whole_paths(&other, target, &whole_path))),
            // There were too many recordings, which is told.
            Ok(None) => Ok(true),
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(_) => Ok(false),
        }
    }
}

/// Returns the files and folders that a call makes, by their whole paths.
pub(super) fn made_by(call: &Call) -> Vec<FileTest> {
    let is_folder = call.program() == "mkdir";
    let is_file_program = ["cp", "dd", "install", "mkdir", "mv", "touch"].contains(&call.program());
    let paths: Vec<String> = if let Some((_, paths)) = truncated(call.args()).filter(|_| call.program() == "truncate") {
        paths.to_vec()
    } else if is_file_program || UNPACKERS.contains(&call.program()) {
        FileCall::of(&call.argv).map_or_else(Vec::new, |said| said.targets.into_iter().map(String::from).collect())
    } else {
        download::file(&call.argv).into_iter().collect()
    };
    // What is copied into a folder has another name there.
    let paths =
        paths.into_iter().filter(|path| is_folder || !path.ends_with('/')).filter(|path| !path.starts_with("/dev/"));
    let whole = |path: String| whole_path(&call.cwd, path.trim_end_matches('/'));
    paths.map(|path| FileTest { path: whole(path), is_folder, is_socket: false }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_makes_has_whole_paths() {
        let cases = [
            ("truncate -s 1G a.img /b.img", "/vm/a.img /b.img"),
            ("cp /x /y.img", "/y.img"),
            ("cp /x /y/", ""),
            ("dd if=/dev/zero of=c.img bs=1m", "/vm/c.img"),
            ("dd if=/x of=/dev/zvol/z/a", ""),
            ("fetch -o /iso/d.iso https://x/", "/iso/d.iso"),
            ("unxz e.img.xz", "/vm/e.img"),
            ("rm /f", ""),
            ("mkdir -p /g/ /h", "/g /h"),
        ];
        for (line, expected) in cases {
            let argv = line.split(' ').map(String::from).collect();
            let call = Call { argv, cwd: "/vm".into(), ..Call::default() };
            let made: Vec<String> = made_by(&call).into_iter().map(|test| test.path).collect();
            assert_eq!(made.join(" "), expected, "{line}");
        }
    }
}
