//! The programs that make, change and remove files. Their stand-ins have it done, in the enclosure, and write it down.

/// Their names.
pub(crate) const FILE_PROGRAMS: &[&str] =
    &["chmod", "chown", "cp", "dd", "install", "ln", "mkdir", "mv", "rm", "rmdir", "touch"];

/// Programs that unpack files: what a script downloads is empty where it is recorded, and nothing is unpacked.
pub(crate) const UNPACKERS: &[&str] = &["bunzip2", "bzip2", "gunzip", "gzip", "unxz", "unzstd", "xz", "zstd"];

/// Programs that have stand-ins though this host has them: what they make is to be made where the recipe runs.
pub(crate) const MAKERS: &[&str] = &[
    "bsdtar",
    "cpio",
    "genisoimage",
    "iscsictl",
    "mkisofs",
    "ssh-keygen",
    "tar",
    "unzip",
    "xorriso",
    "xorrisofs",
    "zip",
];

/// Whether a program is one of the first two.
pub(crate) fn is_one(program: &str) -> bool {
    FILE_PROGRAMS.contains(&program) || UNPACKERS.contains(&program)
}

/// What a call of such a program is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCall<'a> {
    /// Its options, with their arguments; of chmod(1) and chown(8) the mode or the owner too.
    pub(crate) options: Vec<&'a str>,
    /// The files that it reads, as it names them.
    pub(crate) sources: Vec<&'a str>,
    /// The files that it makes, changes or removes.
    pub(crate) targets: Vec<&'a str>,
}

impl<'a> FileCall<'a> {
    /// Reads a call; nothing of one that is none, or names no file.
    pub(crate) fn of(argv: &'a [String]) -> Option<Self> {
        let (program, words) = argv.split_first()?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if !is_one(program) {
            return None;
        }
        if program == "dd" {
            return Self::dd(&words);
        }
        if UNPACKERS.contains(&program.as_str()) {
            return Self::unpacker(program, &words);
        }
        // The letters of options that take an argument (mkdir(1), touch(1), install(1), as FreeBSD and GNU have them).
        let with_argument = match program.as_str() {
            "mkdir" => "m",
            "touch" => "Adrt",
            "install" => "BDfghlmNoST",
            _ => "",
        };
        let mut call = Self::default();
        let mut rest = words.as_slice();
        while let [word, after @ ..] = rest {
            // A mode may begin with a dash, as in `chmod -x FILE`.
            let is_option = word.len() > 1
                && word.starts_with('-')
                && (program != "chmod" || word.chars().skip(1).all(|letter| "RfhvHLP".contains(letter)));
            if *word == "--" {
                rest = after;
                break;
            }
            if !is_option {
                break;
            }
            let takes = word.chars().next_back().is_some_and(|letter| with_argument.contains(letter));
            let count = if takes && !word.starts_with("--") && !after.is_empty() { 2 } else { 1 };
            let (words, others) = rest.split_at(count);
            call.options.extend(words);
            rest = others;
        }
        if ["chmod", "chown"].contains(&program.as_str()) {
            let (mode, others) = rest.split_first()?;
            call.options.push(mode);
            rest = others;
        }
        let makes_folders = program == "install" && call.options.iter().any(|word| word.starts_with("-d"));
        if ["cp", "mv", "ln", "install"].contains(&program.as_str()) && !makes_folders {
            let (last, sources) = rest.split_last()?;
            call.sources = sources.to_vec();
            rest = std::slice::from_ref(last);
        }
        call.targets = rest.to_vec();
        (!call.targets.is_empty()).then_some(call)
    }

    /// What unpacks one file in its place; nothing of what is printed or packed.
    fn unpacker(program: &str, args: &[&'a str]) -> Option<Self> {
        let has = |letter: char, long: &str| {
            args.iter()
                .any(|word| *word == long || word.starts_with('-') && !word.starts_with("--") && word.contains(letter))
        };
        let unpacks = program.starts_with("un") || program.contains("unz") || has('d', "--decompress");
        let (options, files): (Vec<&str>, Vec<&str>) = args.iter().copied().partition(|word| word.starts_with('-'));
        let [packed] = files.as_slice() else { return None };
        if !unpacks || has('c', "--stdout") || has('o', "--output") {
            return None;
        }
        let ends = [".xz", ".gz", ".bz2", ".zst", ".lzma"];
        let target = ends.iter().find_map(|end| packed.strip_suffix(end))?;
        Some(Self { options, sources: vec![packed], targets: vec![target] })
    }

    /// dd(1), where it writes into a file.
    fn dd(args: &[&'a str]) -> Option<Self> {
        let value = |key: &str| args.iter().find_map(|word| word.strip_prefix(key));
        let target = value("of=").filter(|path| !["/dev/null", "/dev/stdout", "/dev/stderr"].contains(path))?;
        let options = args.iter().copied().filter(|word| !word.starts_with("of=") && !word.starts_with("if="));
        let sources = value("if=").into_iter().collect();
        Some(Self { options: options.collect(), sources, targets: vec![target] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(line: &str) -> String {
        let argv: Vec<String> = line.split(' ').map(String::from).collect();
        FileCall::of(&argv).map_or_else(
            || "-".into(),
            |call| format!("{}|{}|{}", call.options.join(" "), call.sources.join(" "), call.targets.join(" ")),
        )
    }

    #[test]
    fn options_and_what_is_read_and_written_are_told_apart() {
        let cases = [
            ("mkdir -p -m 700 /a /b", "-p -m 700||/a /b"),
            ("cp -p /a /b /c/", "-p|/a /b|/c/"),
            ("mv -- -a b", "|-a|b"),
            ("ln -sf ../a /b", "-sf|../a|/b"),
            ("chmod -R 600 /a", "-R 600||/a"),
            ("chmod -x /a", "-x||/a"),
            ("chown root:wheel /a /b", "root:wheel||/a /b"),
            ("install -m 600 -o root /a /b", "-m 600 -o root|/a|/b"),
            ("install -d /a", "-d||/a"),
            ("touch /a", "||/a"),
            ("dd if=/dev/zero of=/a bs=1m count=8", "bs=1m count=8|/dev/zero|/a"),
            ("dd if=/a bs=1m", "-"),
            ("xz -dv /a.img.xz", "-dv|/a.img.xz|/a.img"),
            ("gunzip /a.gz", "|/a.gz|/a"),
            ("xz -dc /a.xz", "-"),
            ("xz /a", "-"),
            ("unzstd", "-"),
            ("rm -f", "-"),
            ("truncate -s 1G /a", "-"),
        ];
        for (line, expected) in cases {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_call_is_too_much(argv in proptest::collection::vec("-?-?[a-zR]{0,3}|[if]f=.?|a.xz|xz|gunzip|cp|dd|chmod|install", 0..6)) {
            let _ = FileCall::of(&argv);
        }
    }
}
