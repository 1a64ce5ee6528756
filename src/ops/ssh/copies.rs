//! Files that are copied between this host and a guest.

use crate::diag::Fault;

/// What is to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copies {
    /// The machine.
    pub machine: String,
    /// From where, and last where to.
    pub(super) ends: Vec<CopyEnd>,
    /// Whether folders are copied with what is in them.
    pub(super) is_recursive: bool,
}

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CopyEnd {
    /// A path of this host.
    Here(String),
    /// A path of the guest.
    There(String),
}

impl Copies {
    /// Reads `SRC… NAME:DST` or `NAME:SRC… DST`.
    pub(crate) fn read(words: &[String], is_recursive: bool) -> Result<Self, Fault> {
        const HINT: &str = "write `vmrun cp notes.txt web:/tmp/`, or `vmrun cp web:/etc/hosts .`";
        let named = |word: &str| {
            let (name, path) = word.split_once(':').filter(|(name, _)| !name.is_empty() && !name.contains('/'))?;
            Some((name.to_string(), path.to_string()))
        };
        let machines: Vec<String> = words.iter().filter_map(|word| named(word)).map(|(name, _)| name).collect();
        let Some(machine) = machines.first().cloned() else {
            return Err(Fault::usage("no machine is named: its files are NAME:PATH").hint(HINT));
        };
        if machines.iter().any(|other| *other != machine) {
            return Err(Fault::usage("these are files of several machines")
                .hint("copy them one after the other, by way of this host"));
        }
        let ends: Vec<CopyEnd> = words
            .iter()
            .map(|word| match named(word) {
                Some((_, path)) => CopyEnd::There(path),
                // What scp would take for a host has a colon and no slash before it.
                None => CopyEnd::Here(word.clone()),
            })
            .collect();
        let is_there = |end: &CopyEnd| matches!(end, CopyEnd::There(_));
        let (sources, to) = ends.split_at(ends.len().saturating_sub(1));
        let is_one_way = to.iter().any(is_there) != sources.iter().any(is_there);
        if sources.is_empty() || !is_one_way || (sources.iter().any(is_there) && !sources.iter().all(is_there)) {
            return Err(Fault::usage("files are copied from here to a machine, or from it to here").hint(HINT));
        }
        Ok(Self { machine, ends, is_recursive })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(line: &str) -> Result<Copies, Fault> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        Copies::read(&words, true)
    }

    #[test]
    fn copies_go_one_way_between_here_and_one_machine() {
        for (line, message) in [
            ("a b", "no machine is named: its files are NAME:PATH"),
            ("a web:b db:c", "these are files of several machines"),
            ("web:a", "files are copied from here to a machine, or from it to here"),
            ("web:a web:b", "files are copied from here to a machine, or from it to here"),
            ("web:a b c", "files are copied from here to a machine, or from it to here"),
        ] {
            assert_eq!(copies(line).unwrap_err().message, message, "{line}");
        }
    }
}
