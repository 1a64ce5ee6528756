//! What the comments of a library say of the keys that its functions take: a table of names and sentences, indented by four blanks.

use std::collections::BTreeMap;

/// How far a name of the table is indented, in blanks.
const INDENT: usize = 4;

/// Returns what a comment says of each key. A name may share its row with others, and a sentence goes on in lines that are indented
/// further.
pub(super) fn key_docs(docs: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut row: Vec<String> = Vec::new();
    for line in docs.lines() {
        let rest = line.trim_start_matches(' ');
        let (indent, words) = (line.len() - rest.len(), rest.trim_end());
        if indent == INDENT && !words.is_empty() {
            let (keys, help) = words.split_once("  ").unwrap_or((words, ""));
            row = keys.split(", ").map(String::from).filter(|key| is_key(key)).collect();
            row.iter().for_each(|key| drop(found.insert(key.clone(), help.trim_start().into())));
        } else if indent > INDENT && !words.is_empty() {
            for key in &row {
                let help = found.entry(key.clone()).or_default();
                if !help.is_empty() {
                    help.push(' ');
                }
                help.push_str(words);
            }
        } else {
            row.clear();
        }
    }
    found.retain(|_, help| !help.is_empty());
    found
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_a_comment_says_what_keys_are_for() {
        let docs = "A machine. What is needed:\n    name        the machine's name\n    disks       list, the first one\n                boots\nand:\n    bridge, tap\n                one card\n\n```rhai\n    let a = 1;\n```\n";
        let found: Vec<(String, String)> = key_docs(docs).into_iter().collect();
        let is = |key: &str, help: &str| (key.to_string(), help.to_string());
        assert_eq!(
            found,
            [
                is("bridge", "one card"),
                is("disks", "list, the first one boots"),
                is("name", "the machine's name"),
                is("tap", "one card"),
            ]
        );
    }
}
