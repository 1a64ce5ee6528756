//! The words and modules in the form of Rhai's definition files (`.d.rhai`), which editors read.

use super::docs::Module;
use super::handle::{self, Handle};
use super::words::{self, Row};

/// Returns the definitions of all words, properties and variables.
pub(crate) fn words() -> String {
    let mut text = vec![String::from("module static;\n")];
    for row in words::all() {
        let (least, most) = row.arity();
        let (parameters, returns) = (row.parameters(), row.returns().name());
        for arity in least..=most {
            let this = row.on().map(|on| format!("this: {}", on.name()));
            let given = parameters.iter().take(arity).map(|shown| format!("{}: {}", shown.name, shown.ty));
            let all: Vec<String> = this.into_iter().chain(given).collect();
            text.push(format!("\n{}fn {}({}) -> {returns};\n", comment(&documented(row)), row.name(), all.join(", ")));
        }
    }
    for (unit, shift) in words::UNITS {
        text.push(format!("\n/// A size: 2^{shift} bytes each.\nfn get {unit}(number: int) -> int;\n"));
    }
    text.extend(Handle::ALL.into_iter().flat_map(properties));
    for (name, help) in words::variables() {
        text.push(format!("\n{}let {name}: ?;\n", comment(help)));
    }
    text.concat()
}

/// The definitions of the properties of a handle.
fn properties(of: Handle) -> Vec<String> {
    let part = |name: &str| handle::PARTS.into_iter().find(|part| of == Handle::Vm && part.0 == name);
    let about = |name: &str| {
        let key = words::machine::keys().find(|key| of == Handle::Vm && key.name == name).map(|key| key.help);
        comment(part(name).map(|part| part.2).or(key).unwrap_or_default())
    };
    let get =
        |name: &str| format!("\n{}fn get {name}(this: {}) -> {};\n", about(name), of.name(), of.property(name).name());
    let set = |name: &str| format!("\n{}fn set {name}(this: {}, value: ?);\n", about(name), of.name());
    of.properties(false).into_iter().map(get).chain(of.properties(true).into_iter().map(set)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_defined_for_each_number_of_arguments() {
        let text = words();
        let shown = |line: &str| text.lines().any(|defined| defined == line);
        for line in [
            "fn truncate(path: string, size: ?) -> ();",
            "fn truncate(path: string, size: ?, options: map) -> ();",
            "fn run(this: Vm) -> Exit;",
            "fn run(program: string) -> ?;",
            "fn add(this: Bridge, tap: ?) -> ();",
            "fn destroy(this: Node) -> ();",
            "fn get GiB(number: int) -> int;",
            "fn get serial(this: Vm) -> Serial;",
            "fn expect(this: Serial, text: string, within: string) -> ();",
            "fn shows(this: Screen, text: string) -> ();",
            "fn type(this: Vm, text: ?) -> ();",
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
