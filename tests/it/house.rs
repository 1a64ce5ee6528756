//! The house: who may know whom, and what each room keeps to.

mod children;
mod figures;
mod imports;
mod product;

use product::Code;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The rooms and their floors. Nobody looks upward, nor into another room of the same floor.
const ROOMS: &[(&str, u8)] = &[
    ("diag", 0),
    ("model", 1),
    ("bhyve", 2),
    ("qemu", 2),
    ("image", 2),
    ("network", 2),
    ("netboot", 2),
    ("vmbhyve", 2),
    ("recording", 2),
    ("library", 2),
    ("screen", 2),
    ("host", 3),
    ("client", 4),
    ("supervise", 5),
    ("script", 6),
    ("import", 6),
    ("ops", 7),
    ("cli", 8),
];

fn floor(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The rooms whose files keep to [`MAX_LINES`].
const MEASURED: &[&str] = &["cli", "ops", "supervise", "host", "client"];

/// The most lines of a file.
const MAX_LINES: usize = 500;

/// Tables may be as long as they are.
const TABLES: &[&str] = &[];

/// The most methods of a trait of the host.
const MAX_METHODS: usize = 15;

/// Where those traits are.
const TRAITS: &[&str] = &["host.rs", "host/facts.rs", "host/effects.rs", "host/guests.rs", "host/identity.rs"];

/// What the command line may use beside itself.
const BELOW_CLI: &[&str] = &["ops", "diag", "model"];

/// Returns every file below src, by its path there.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    sources(&root).iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The product, read once.
static PRODUCT: LazyLock<Vec<Code>> = LazyLock::new(|| product::product(&files()));

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Returns the rooms that a line names by `crate::`, groups of them included.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let line = text[..at].lines().count().max(1) + usize::from(text[..at].ends_with('\n'));
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => found.push((line, word(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut starts = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => starts = true,
                        c if starts && c.is_alphabetic() => {
                            found.push((line, word(&group[at..])));
                            starts = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn upward(file: &str, text: &str) -> Vec<String> {
    let own = room(file);
    let looks_up = |other: &str| match (floor(own), floor(other)) {
        (Some(mine), Some(theirs)) => other != own && theirs >= mine,
        _ => false,
    };
    let bad = named(text).into_iter().filter(|(_, other)| looks_up(other));
    bad.map(|(line, other)| format!("src/{file}:{line}: `{own}` looks up to `{other}`")).collect()
}

#[test]
fn no_room_looks_upward() {
    let faults: Vec<String> = files().iter().flat_map(|(file, text)| upward(file, text)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_has_a_floor() {
    let files = files();
    let rooms = files.iter().map(|(file, _)| room(file)).filter(|room| !["lib", "main", "internals"].contains(room));
    let homeless: Vec<&str> = rooms.filter(|room| floor(room).is_none()).collect();
    assert_eq!(homeless, [""; 0]);
}

#[test]
fn only_the_host_knows_what_it_was_built_for() {
    let mut faults = Vec::new();
    for (file, text) in files().iter().filter(|(file, _)| room(file) != "host") {
        for (line, _) in text.lines().enumerate().filter(|(_, line)| line.contains("target_os")) {
            faults.push(format!("src/{file}:{}: `target_os` belongs to src/host", line + 1));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Looks for rooms that the command line may not use.
fn wide_command_line(product: &[Code]) -> Vec<String> {
    let mut faults = Vec::new();
    for code in product.iter().filter(|code| room(&code.file) == "cli") {
        for (line, text) in &code.lines {
            let is_bad = |other: &String| other != "cli" && !BELOW_CLI.contains(&other.as_str());
            for (_, other) in named(text).into_iter().filter(|(_, other)| is_bad(other)) {
                let allowed = BELOW_CLI.join(", ");
                faults.push(format!("src/{}:{line}: `cli` uses only {allowed}, not `{other}`", code.file));
            }
        }
    }
    faults
}

/// Returns whether a word stands in a text by itself.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|one| one == word)
}

/// Looks for files, processes and sockets above the rooms that have them. Addresses and exit codes are values.
fn input_or_output(product: &[Code]) -> Vec<String> {
    const ROOTS: &[&str] = &["std::fs", "std::process", "std::net", "std::os::unix::fs", "std::os::unix::net"];
    const METHODS: &[&str] =
        &["exists", "is_file", "is_dir", "is_symlink", "canonicalize", "read_dir", "metadata", "symlink_metadata"];
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
    let is_value = |rest: &str| {
        let rest = rest.trim_start_matches("::");
        let group = rest.strip_prefix('{').map(|group| group.split('}').next().unwrap_or_default());
        let names: Vec<String> = group.map_or_else(|| vec![word(rest)], |group| group.split(", ").map(word).collect());
        names.iter().all(|name| name == "ExitCode" || name.contains("Addr") && name != "ToSocketAddrs")
    };
    let mut faults = Vec::new();
    for code in product.iter().filter(|code| !["host", "client"].contains(&room(&code.file))) {
        for (line, text) in &code.lines {
            let mut found: Vec<String> = Vec::new();
            for root in ROOTS {
                let uses = text.match_indices(root).map(|(at, _)| &text[at + root.len()..]);
                found.extend(uses.filter(|rest| !is_value(rest)).map(|_| (*root).to_string()));
            }
            if text.contains("std::{") && ["fs", "process", "net"].iter().any(|name| has_word(text, name)) {
                found.push("std".into());
            }
            let methods = METHODS.iter().filter(|method| text.contains(&format!(".{method}()")));
            found.extend(methods.map(|method| format!("Path::{method}")));
            let fault = |what| format!("src/{}:{line}: `{what}` belongs to src/host and src/client", code.file);
            faults.extend(found.into_iter().map(fault));
        }
    }
    faults
}

/// Looks for circles of imports across families.
fn circles(product: &[Code]) -> Vec<String> {
    let circles = imports::circles_across_families(product);
    circles.into_iter().map(|circle| format!("a circle of imports across families: {}", circle.join(", "))).collect()
}

/// Looks for files that are too long.
fn long(files: &[(String, String)]) -> Vec<String> {
    let measured = files.iter().filter(|(file, _)| MEASURED.contains(&room(file)) && !TABLES.contains(&file.as_str()));
    let lengths = measured.map(|(file, text)| (file, text.lines().count())).filter(|(_, lines)| *lines > MAX_LINES);
    lengths.map(|(file, lines)| format!("src/{file}: {lines} lines are more than {MAX_LINES}")).collect()
}

/// Looks for traits of the host with too many methods, and for methods with a body.
fn wide_traits(product: &[Code]) -> Vec<String> {
    let mut faults = Vec::new();
    for code in product.iter().filter(|code| TRAITS.contains(&code.file.as_str())) {
        let mut current: Option<(String, usize)> = None;
        for (line, text) in &code.lines {
            let name = text.split("trait ").nth(1).filter(|_| !text.starts_with(' '));
            if let Some(name) = name {
                let name = name.chars().take_while(|c| c.is_alphanumeric()).collect();
                current = Some((name, 0));
            } else if let Some((name, methods)) = &mut current {
                let indent = text.len() - text.trim_start().len();
                *methods += usize::from(indent == 4 && text.trim_start().starts_with("fn "));
                if indent == 4 && text.contains('{') {
                    faults.push(format!("src/{}:{line}: a method of `{name}` has a body", code.file));
                }
                if text.starts_with('}') {
                    if *methods > MAX_METHODS {
                        let file = &code.file;
                        faults.push(format!("src/{file}: `{name}` has {methods} methods, more than {MAX_METHODS}"));
                    }
                    current = None;
                }
            }
        }
    }
    faults
}

/// The only file that writes to the standard streams.
const PRINTS: &str = "host/terminal.rs";

/// Who passes bytes through as they are, and why.
const PASSES: &[(&str, &str)] = &[
    ("cli/term.rs", "of a console and of a picture, where these two were asked for"),
    ("ops/lsp/stream.rs", "of messages to an editor, which are JSON"),
    ("host/full_screen.rs", "of cells, each of which was looked at"),
];

/// Looks for what is printed past the function that lets nothing through which a terminal would act on.
fn printed_past(product: &[Code]) -> Vec<String> {
    const WRITES: &[&str] = &[
        "print!",
        "println!",
        "eprint!",
        "eprintln!",
        "dbg!",
        "stdout()",
        "stderr()",
        "::Stdout",
        "::Stderr",
        "STDOUT_FILENO",
        "STDERR_FILENO",
        ".print()",
        ".exit()",
        ".print_help()",
        ".print_long_help()",
    ];
    const RAW: &[&str] = &["terminal::pass", "canvas()", "pass("];
    let has = |line: &str, word: &str| {
        let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        line.match_indices(word).any(|(at, _)| word.starts_with(['.', ':']) || begins(at))
    };
    let lines = product.iter().filter(|code| code.file != PRINTS);
    let lines = lines.flat_map(|code| code.lines.iter().map(move |(at, line)| (&code.file, at, line)));
    let found = lines.filter(|(file, _, line)| {
        let past = WRITES.iter().any(|word| has(line, word));
        let is_known = PASSES.iter().any(|(known, _)| known == file);
        past || !is_known && RAW.iter().any(|word| has(line, word))
    });
    found.map(|(file, at, line)| format!("src/{file}:{at}: printed past {PRINTS}: {}", line.trim())).collect()
}

#[test]
fn all_that_is_printed_goes_through_one_function() {
    assert_none(&printed_past(&PRODUCT));
}

#[test]
fn what_is_printed_past_that_function_is_found() {
    let faults = |file: &str, text: &str| printed_past(&one(file, text)).len();
    for line in [
        "println!(x);",
        "eprint!(x);",
        "let _ = writeln!(io::stderr(), x);",
        "let out = std::io::stdout();",
        "fn a(out: std::io::Stdout) {}",
        "let _ = error.print();",
        "error.exit()",
        "terminal::pass(bytes)",
        "dbg!(x)",
    ] {
        assert_eq!(faults("ops/a.rs", line), 1, "{line}");
        assert_eq!(faults(PRINTS, line), 0, "{line}");
    }
    assert_eq!(faults("cli/term.rs", "terminal::pass(bytes)"), 0);
    for line in
        ["term.data(x)", "terminal::print(a, b, x)", "// println!(x)", "bypass(x)", "let a = child.stdout.take();"]
    {
        assert_eq!(faults("ops/a.rs", line), 0, "{line}");
    }
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_command_line_uses_ops_and_values() {
    assert_none(&wide_command_line(&PRODUCT));
}

#[test]
fn files_processes_and_sockets_belong_to_host_and_client() {
    assert_none(&input_or_output(&PRODUCT));
}

#[test]
fn circles_of_imports_stay_in_one_family() {
    assert_none(&circles(&PRODUCT));
}

/// Where releases are compared, or named, outside of the table of what came when.
fn releases(product: &[Code]) -> Vec<String> {
    const OWN: [&str; 2] = ["model/gate.rs", "model/target.rs"];
    const COMPARES: [&str; 6] = [" < ", " <= ", " > ", " >= ", " == ", " != "];
    const SIDES: [&str; 2] = ["release", ".since()"];
    let compares = |line: &str| {
        let is_side = |at: usize, op: &str| {
            SIDES.iter().any(|side| line[..at].ends_with(side)) || line[at + op.len()..].starts_with("release")
        };
        COMPARES.iter().any(|op| line.match_indices(op).any(|(at, _)| is_side(at, op)))
    };
    let names = |line: &str| {
        line.match_indices("Release::V").any(|(at, _)| line[at + 10..].starts_with(|c: char| c.is_ascii_digit()))
    };
    let files = product.iter().filter(|code| !OWN.contains(&code.file.as_str()));
    let faults = files.flat_map(|code| code.lines.iter().map(move |(at, line)| (code, at, line)));
    let faults = faults.filter(|(_, _, line)| compares(line) || names(line));
    faults.map(|(code, at, line)| format!("src/{}:{at}: {}", code.file, line.trim())).collect()
}

#[test]
fn one_table_compares_releases() {
    assert_none(&releases(&PRODUCT));
}

#[test]
fn a_release_that_is_compared_elsewhere_is_found() {
    let faults = |text: &str| releases(&one("bhyve/a.rs", text)).len();
    assert_eq!(faults("fn a() {\n    if target.release >= b {}\n    if c < release {}\n    Release::V15_0\n}\n"), 3);
    assert_eq!(faults("fn a() {\n    target.has(Feature::Monitor);\n    Release::ALL\n}\n"), 0);
    assert_eq!(releases(&one("model/gate.rs", "fn a() {\n    release >= b\n}\n")), [""; 0]);
}

#[test]
fn files_have_at_most_500_lines() {
    assert_none(&long(&files()));
}

#[test]
fn traits_of_the_host_are_narrow() {
    let product = &*PRODUCT;
    let has = |file: &&str| product.iter().any(|code| code.file == **file && code.joined().contains("trait "));
    let gone: Vec<_> = TRAITS.iter().filter(|file| !has(file)).collect();
    assert!(gone.is_empty(), "no trait is in {gone:?}: where are they now?");
    assert_none(&wide_traits(product));
}

#[test]
fn the_oldest_rust_is_the_same_wherever_it_is_said() {
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    let said = [
        ("fuzz/Cargo.toml", format!("\nrust-version = \"{oldest}\"\n")),
        ("tools/setup.sh", format!("{{minimum:-{oldest}}}")),
        ("tools/freebsd-check.sh", format!("{{RUST_MINIMUM:-{oldest}}}")),
    ];
    for (name, text) in said {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        assert!(fs::read_to_string(path).unwrap().contains(&text), "{name} lacks {text}");
    }
}

#[test]
fn a_look_upward_is_found_wherever_it_is_written() {
    let upward = |text| upward("model/size.rs", text);
    assert_eq!(upward("use crate::diag::Fault;\nuse crate::model::Size;\n"), [""; 0]);
    assert_eq!(upward("\nuse crate::host::Host;\n"), ["src/model/size.rs:2: `model` looks up to `host`"]);
    assert_eq!(
        upward("use crate::{\n    diag::Fault, supervise::Run};"),
        ["src/model/size.rs:1: `model` looks up to `supervise`"]
    );
    assert_eq!(super::house::upward("bhyve.rs", "crate::qemu::x()"), ["src/bhyve.rs:1: `bhyve` looks up to `qemu`"]);
}

/// A product of one file.
fn one(file: &str, text: &str) -> Vec<Code> {
    product::product(&[(file.into(), text.into())])
}

#[test]
fn a_command_line_that_reaches_further_is_found() {
    let faults = |text| wide_command_line(&one("cli/run.rs", text));
    assert_eq!(
        faults("use crate::ops::run;\nuse crate::{cli::Term, diag::Fault};\n/// See [`crate::host`].\n"),
        [""; 0]
    );
    assert_eq!(faults("#[cfg(test)]\nmod tests {\n    use crate::host::Host;\n}\n"), [""; 0]);
    let found = |line, what| [format!("src/cli/run.rs:{line}: `cli` uses only ops, diag, model, not `{what}`")];
    assert_eq!(faults("use crate::ops::run;\nuse crate::host::Host;\n"), found(2, "host"));
    assert_eq!(faults("fn a() {\n    crate::script::parse()\n}\n"), found(2, "script"));
    assert_eq!(wide_command_line(&one("ops/run.rs", "use crate::host::Host;")), [""; 0]);
}

#[test]
fn input_and_output_is_found_wherever_it_is_written() {
    let faults = |text| input_or_output(&one("ops/run.rs", text));
    assert_eq!(faults("use std::net::{IpAddr, SocketAddr};\nuse std::process::ExitCode;\n// std::fs\n"), [""; 0]);
    assert_eq!(faults("fn a(at: std::net::SocketAddr) -> &str { \"std::fs::read\" }"), [""; 0]);
    let found = |what| [format!("src/ops/run.rs:1: `{what}` belongs to src/host and src/client")];
    assert_eq!(faults("let at = a(std::net::Ipv4Addr::LOCALHOST.into(), B::C);"), [""; 0]);
    assert_eq!(faults("use std::fs;"), found("std::fs"));
    assert_eq!(faults("use std::{fs, io};"), found("std"));
    assert_eq!(faults("let text = std::fs::read_to_string(path)?;"), found("std::fs"));
    assert_eq!(faults("use std::process::{Command, ExitCode};"), found("std::process"));
    assert_eq!(faults("use std::net::{IpAddr, TcpStream};"), found("std::net"));
    assert_eq!(faults("use std::os::unix::net::UnixStream;"), found("std::os::unix::net"));
    assert_eq!(faults("if path.exists() {}"), found("Path::exists"));
    assert_eq!(input_or_output(&one("host/files.rs", "use std::fs;")), [""; 0]);
    assert_eq!(input_or_output(&one("client/ssh.rs", "use std::process::Command;")), [""; 0]);
}

#[test]
fn a_file_that_is_too_long_is_found() {
    let faults = |file: &str, lines| long(&[(file.into(), "\n".repeat(lines))]);
    assert_eq!(faults("ops/run.rs", 500), [""; 0]);
    assert_eq!(faults("ops/run.rs", 501), ["src/ops/run.rs: 501 lines are more than 500"]);
    assert_eq!(faults("cli.rs", 501), ["src/cli.rs: 501 lines are more than 500"]);
}

#[test]
fn a_trait_that_is_too_wide_is_found() {
    let faults =
        |methods: &str| wide_traits(&one("host/facts.rs", &format!("pub(crate) trait Facts {{\n{methods}}}\n")));
    let method = "    /// Returns it.\n    fn one(&self);\n    fn other(\n        &self,\n    ) -> u8;\n";
    assert_eq!(faults(&method.repeat(7)), [""; 0]);
    assert_eq!(faults(&method.repeat(8)), ["src/host/facts.rs: `Facts` has 16 methods, more than 15"]);
    let body = "a method of `Facts` has a body";
    assert_eq!(faults("    fn one(&self) {}\n"), [format!("src/host/facts.rs:2: {body}")]);
    assert_eq!(
        faults("    fn one(\n        &self,\n    ) -> u8 {\n        1\n    }\n"),
        [format!("src/host/facts.rs:4: {body}")]
    );
}
