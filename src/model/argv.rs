//! A command as a value.

use std::fmt;

/// A program and its arguments, built without a shell, shown as one could paste it into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv {
    /// The program, looked up in PATH.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Argv {
    /// Makes a command without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), args: Vec::new() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl fmt::Display) -> Self {
        self.args.push(arg.to_string());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<T: fmt::Display>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.to_string()));
        self
    }

    /// Returns the program and its arguments in one list.
    pub fn words(&self) -> Vec<&str> {
        std::iter::once(&self.program).chain(&self.args).map(String::as_str).collect()
    }
}

impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quote(arg)))
    }
}

/// Returns a word as sh(1) has to be told it.
pub fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_=/.,:+@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_could_be_pasted() {
        let argv = Argv::new("bhyve").arg("-s").arg("4,nvme,/vm/a b.img").arg("").arg("it's").arg("$x");
        assert_eq!(argv.to_string(), r"bhyve -s '4,nvme,/vm/a b.img' '' 'it'\''s' '$x'");
    }
}
