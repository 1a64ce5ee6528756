//! Which files a shell script asks for, from what the shell tells of its commands (`sh -x`).

use super::operands::{OPTIONS, Operand};
use super::{Call, words};

/// A test for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileTest {
    /// Its path from the root on.
    pub(crate) path: String,
    /// Whether it is a folder that is asked for.
    pub(crate) is_folder: bool,
    /// Whether it is a socket.
    pub(crate) is_socket: bool,
}

/// How often a script asks for the same file, and for nothing else, that waits for it.
const WAITING: usize = 20;

/// Returns the file for which a script waits, by what its shell told up to where it was ended.
pub(crate) fn waited_for(lines: &[String], cwd: &str) -> Option<FileTest> {
    // A recording may be ended anywhere in a turn of the loop.
    let last = file_tests(lines.iter().rev().take(2 * WAITING).rev(), cwd);
    let [test] = last.as_slice() else { return None };
    let count = |line: &&String| {
        let name = test.path.rsplit('/').next().unwrap_or_default();
        line.starts_with('+') && line.contains(name)
    };
    (lines.iter().filter(count).count() >= WAITING).then(|| test.clone())
}

/// Returns the tests in what a shell told line by line, each file once. `cwd` is the folder in which the script began. A file that the script
/// then reads by `.` is a part of the script, and no test.
pub(crate) fn file_tests<'a>(lines: impl IntoIterator<Item = &'a String>, cwd: &str) -> Vec<FileTest> {
    let mut folder = cwd.to_string();
    let mut found: Vec<FileTest> = Vec::new();
    let mut parts = Vec::new();
    for line in lines {
        let Some(all) = words::told(line) else { continue };
        let whole = |path: &str| if path.starts_with('/') { path.into() } else { format!("{folder}/{path}") };
        match all.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["cd", path] => folder = whole(path),
            ["." | "source", path, ..] => parts.push(whole(path)),
            command => {
                for (option, path) in asked_by(command) {
                    let test = FileTest { path: whole(path), is_folder: option == "-d", is_socket: option == "-S" };
                    if !found.iter().any(|other| other.path == test.path) {
                        found.push(test);
                    }
                }
            }
        }
    }
    found.retain(|test| !parts.contains(&test.path));
    found
}

/// Returns for which files a command asks, each with the option of test(1). Who has a file listed, or wants to know about it, asks whether it is
/// there too; what has no dot in its name may be a folder, and is listed for what is in it.
fn asked_by<'a>(command: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    // A pattern for which nothing is there is no file's name.
    let is_path = |path: &&str| !path.is_empty() && !path.contains('*');
    match command {
        ["[" | "[[" | "test", rest @ ..] => {
            let pairs = rest.windows(2).filter_map(|pair| match pair {
                [option, path] if OPTIONS.contains(option) => Some((*option, *path)),
                _ => None,
            });
            pairs.filter(|(_, path)| is_path(path) && !["]", "]]", "=", "==", "!="].contains(path)).collect()
        }
        ["ls" | "stat", rest @ ..] => {
            let is_file = |path: &&str| {
                let name = path.rsplit('/').next().unwrap_or_default();
                is_path(path)
                    && !path.starts_with('-')
                    && !path.contains('%')
                    && name.trim_start_matches('.').contains('.')
            };
            rest.iter().copied().filter(is_file).map(|path| ("-e", path)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the tests in what a shell told line by line, each once, with the words that it told.
pub(crate) fn told_tests(lines: &[String]) -> Vec<Operand> {
    let mut all: Vec<Operand> = Vec::new();
    for words in lines.iter().filter_map(|line| words::told(line)) {
        let command: Vec<&str> = words.iter().map(String::as_str).collect();
        for (option, word) in asked_by(&command) {
            let operand = Operand { option: option.into(), word: word.into() };
            if !all.contains(&operand) {
                all.push(operand);
            }
        }
    }
    all
}

/// Returns the files that a script may ask for of which no shell tells: those that it names by their whole path, and those of its calls.
pub(crate) fn named_files(text: &str, calls: &[Call]) -> Vec<FileTest> {
    let is_end = |c: char| c.is_whitespace() || "'\"`(){}<>,;=|&$".contains(c);
    let mut found: Vec<FileTest> = Vec::new();
    let args = calls.iter().flat_map(|call| call.args().iter().flat_map(|arg| arg.split([',', '='])));
    for path in text.split(is_end).chain(args) {
        let is_path = path.len() > 1 && path.starts_with('/') && !path.contains("//") && !path.ends_with('/');
        let is_program = ["/bin/", "/sbin/", "/usr/", "/dev/null"].iter().any(|folder| path.starts_with(folder));
        if is_path && !is_program && !found.iter().any(|other| other.path == path) {
            found.push(FileTest { path: path.into(), is_folder: false, is_socket: false });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_as_each_shell_tells_them() {
        let lines = [
            "+ [ -f /vm/a.img ]",
            "++ test -e /dev/vmm/a",
            "+ '[' '!' -d '/vm/a b' ']'",
            "+ cd /etc",
            "+ [[ -s rc.conf ]]",
            "+ [ -n x -a -r /vm/a.img ]",
            "+ [ -f = ]",
            "+ echo [ -f /no ]",
            "[ -f /neither ]",
            "+ [ -r /usr/local/lib/vm/net.sh ]",
            "+ . /usr/local/lib/vm/net.sh",
            "+ ls -l /vm/b.img /vm",
            "+ stat -c %s.%n c.img",
            "+ ls /vm/*.iso",
        ];
        let tests = file_tests(&lines.map(String::from), "/root");
        let loop_of = ["+ [ ! -S /run/a.sock ]".to_string(), "+ sleep 1".to_string()];
        let turns: Vec<String> = loop_of.iter().cycle().take(60).cloned().collect();
        let waited = waited_for(&turns, "/root").unwrap();
        assert!(waited.path == "/run/a.sock" && waited.is_socket);
        assert_eq!(waited_for(&turns[..8], "/root"), None);
        let shown: Vec<String> =
            tests.iter().map(|test| format!("{}{}", test.path, if test.is_folder { "/" } else { "" })).collect();
        assert_eq!(shown, ["/vm/a.img", "/dev/vmm/a", "/vm/a b/", "/etc/rc.conf", "/vm/b.img", "/etc/c.img"]);
    }
}
