//! The words and modules in the form of Rhai's definition files (`.d.rhai`), which editors read.

use super::docs::Module;
use super::handle;
use super::words::{self, Row};

/// Returns the definitions of all words, properties and variables.
pub(crate) fn words() -> String {
    let mut text = vec![String::from("module static;\n")];
    for row in words::all() {
        let usage = row.usage();
        let parameters = parameters(&usage);
        let object = match row {
            Row::Word(word) if word.on.is_some() => Some(receiver(&usage)),
            _ => None,
        };
        let (least, most) = row.arity();
        for arity in least..=most {
            let given = (0..arity).map(|at| parameters.get(at).cloned().unwrap_or_else(|| (format!("more{at}"), "?")));
            let object = object.map(|of| ("this".to_string(), of));
            let all: Vec<String> = object.into_iter().chain(given).map(|(name, of)| format!("{name}: {of}")).collect();
            text.push(format!("\n{}fn {}({}) -> ?;\n", comment(&documented(row)), row.name(), all.join(", ")));
        }
    }
    for (unit, shift) in words::UNITS {
        text.push(format!("\n/// A size: 2^{shift} bytes each.\nfn get {unit}(number: int) -> int;\n"));
    }
    for of in ["Vm", "Exit"] {
        for name in handle::properties(of) {
            let does =
                words::machine::keys().find(|key| of == "Vm" && key.name == name).map(|key| key.help.to_string());
            let about = comment(&does.unwrap_or_default());
            text.push(format!("\n{about}fn get {name}(this: {of}) -> ?;\n"));
            if of == "Vm" {
                text.push(format!("\n{about}fn set {name}(this: {of}, value: ?);\n"));
            }
        }
    }
    for (name, of, help) in handle::PARTS {
        text.push(format!("\n{}fn get {name}(this: Vm) -> {of};\n", comment(help)));
    }
    for (name, help) in words::variables() {
        text.push(format!("\n{}let {name}: ?;\n", comment(help)));
    }
    text.concat()
}

/// Returns the definitions of a module.
pub(crate) fn module(of: &Module) -> String {
    let name = of.name.rsplit('/').next().unwrap_or_default().replace('-', "_");
    let mut text = vec![format!("{}module {name};\n", comment(&of.about))];
    for function in &of.functions {
        let parameters: Vec<String> = function.parameters.iter().map(|name| format!("{name}: ?")).collect();
        text.push(format!("\n{}fn {}({}) -> ?;\n", comment(&function.about), function.name, parameters.join(", ")));
    }
    text.concat()
}

/// What a word does, how it is written, and its options.
fn documented(row: Row) -> String {
    let options = row.options().into_iter().map(|(name, help)| format!("- `{name}`: {help}"));
    let head = format!("{}\n\n`{}`", row.help(), row.usage());
    let options: Vec<String> = options.collect();
    if options.is_empty() { head } else { format!("{head}\n\n{}", options.join("\n")) }
}

fn comment(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { "///\n".to_string() } else { format!("/// {line}\n") };
    text.lines().map(line).collect()
}

/// What a method is called on, from how it is written.
fn receiver(usage: &str) -> &'static str {
    match usage.split(['.', '(']).next().unwrap_or_default() {
        "vm" if usage.starts_with("vm.serial.") => "Serial",
        "vm" if usage.starts_with("vm.screen.") => "Screen",
        "vm" => "Vm",
        "bridge" => "Bridge",
        "bhyvectl" => "Node",
        _ => "?",
    }
}

/// The parameters of a word, from how it is written: a name stands for itself, anything else for what it is an example of.
fn parameters(usage: &str) -> Vec<(String, &'static str)> {
    let inside = usage.rsplit_once(')').map_or("", |(head, _)| head);
    let depth_of_last = last_open(inside);
    let mut all: Vec<(String, &'static str)> = Vec::new();
    for argument in split(&inside[depth_of_last..]) {
        let argument = argument.trim();
        let (name, of) = match argument.chars().next() {
            None => continue,
            Some('"' | '`') => ("text", "string"),
            Some('[') => ("list", "array"),
            Some('#') => ("options", "map"),
            Some('|') => ("closure", "Fn"),
            Some(c) if c.is_ascii_digit() => ("number", "int"),
            _ => (argument, "?"),
        };
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let name = if name.is_empty() { "value".to_string() } else { name };
        let same = all.iter().filter(|(known, _)| known.trim_end_matches(|c: char| c.is_ascii_digit()) == name).count();
        all.push((if same == 0 { name } else { format!("{name}{}", same + 1) }, of));
    }
    all
}

/// Where the arguments of the last call begin: behind the bracket that is open at the end.
fn last_open(text: &str) -> usize {
    let mut open = Vec::new();
    let mut in_text = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_text = !in_text,
            '(' | '[' | '{' if !in_text => open.push(at + 1),
            ')' | ']' | '}' if !in_text => drop(open.pop()),
            _ => {}
        }
    }
    open.first().copied().unwrap_or(text.len())
}

/// Splits arguments at the commas between them.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin, mut in_text) = (Vec::new(), 0_usize, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_text = !in_text,
            '(' | '[' | '{' if !in_text => depth += 1,
            ')' | ']' | '}' if !in_text => depth = depth.saturating_sub(1),
            ',' if depth == 0 && !in_text => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_follow_from_how_a_word_is_written() {
        let named = |usage: &str| {
            parameters(usage).iter().map(|(name, of)| format!("{name}: {of}")).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(named("truncate(path, 20.GiB)"), "path: ?, number: int");
        assert_eq!(
            named("run(\"zfs\", [\"create\", \"a)b\"], #{ makes: path })"),
            "text: string, list: array, options: map"
        );
        assert_eq!(named("bhyvectl(\"name\").destroy()"), "");
        assert_eq!(named("on(\"exited\", |e| …)"), "text: string, closure: Fn");
        assert_eq!(
            named("refuse(value, \"key\", \"what, is\", \"x\")"),
            "value: ?, text: string, text2: string, text3: string"
        );
        assert_eq!(named("vm.slot(4, device)"), "number: int, device: ?");
    }

    #[test]
    fn every_word_is_defined_for_each_number_of_arguments() {
        let text = words();
        let shown = |line: &str| text.lines().any(|defined| defined == line);
        for line in [
            "fn truncate(path: ?, number: int) -> ?;",
            "fn run(this: Vm) -> ?;",
            "fn run(text: string) -> ?;",
            "fn add(this: Bridge, tap: ?) -> ?;",
            "fn destroy(this: Node) -> ?;",
            "fn get GiB(number: int) -> int;",
            "fn get serial(this: Vm) -> Serial;",
            "fn expect(this: Serial, text: string, text2: string) -> ?;",
            "fn shows(this: Screen, text: string) -> ?;",
            "fn type(this: Vm, text: string) -> ?;",
            "fn set cpus(this: Vm, value: ?);",
            "let init: ?;",
            "/// - `nocache`: open with O_DIRECT: true or false",
        ] {
            assert!(shown(line), "{line}\n{text}");
        }
        for row in words::all() {
            assert!(text.contains(&format!("fn {}(", row.name())), "{}", row.name());
        }
        // Nothing but comments, the head, definitions and empty lines.
        let is_known = |line: &str| {
            line.is_empty()
                || line == "module static;"
                || line.starts_with("///")
                || line.ends_with(';') && (line.starts_with("fn ") || line.starts_with("let "))
        };
        assert!(text.lines().all(is_known));
    }
}
