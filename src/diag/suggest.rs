//! The nearest known word.

/// Returns the candidate that a misspelt word most likely meant, if one is near enough.
///
/// Near enough is a third of the longer word's letters, swapped neighbours counting once. Case and the choice between `-` and
/// `_` cost nothing.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = fold(word);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (word.chars().count().max(candidate.len()) / 3).max(1))
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// Returns the hint ``did you mean `x`?``.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(question)
}

/// Asks whether a word was meant.
pub(super) fn question(meant: &str) -> String {
    format!("did you mean `{meant}`?")
}

/// Returns words as a list for people: `a, b and c`.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => (*only).to_string(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_strange_one_finds_none() {
        let known = ["truncate", "tap", "bridge", "virtio_blk"];
        assert_eq!(nearest("trunkate", known), Some("truncate"));
        assert_eq!(nearest("virtio-blk", known), Some("virtio_blk"));
        assert_eq!(nearest("tpa", known), Some("tap"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest("tap", ["tap"]), None);
    }

    #[test]
    fn lists_read_as_people_write_them() {
        assert_eq!(list([]), "");
        assert_eq!(list(["a"]), "a");
        assert_eq!(list(["a", "b", "c"]), "a, b and c");
    }
}
