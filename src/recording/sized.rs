//! The files that truncate(1) makes.

/// What is in a file that the stand-in of truncate(1) has made in an enclosure: it has no size that matters, and takes no memory.
pub(crate) const CONTENT: &[u8] = b"\0";

/// Returns the files that a call makes where they are not there yet.
pub(crate) fn files(argv: &[String]) -> Vec<&str> {
    let Some(("truncate", mut rest)) = argv.split_first().map(|(program, rest)| (program.as_str(), rest)) else {
        return Vec::new();
    };
    while let Some((word, after)) = rest.split_first().filter(|(word, _)| word.starts_with('-') && word.len() > 1) {
        if word.starts_with("-c") {
            return Vec::new();
        }
        rest = if ["-s", "-r"].contains(&word.as_str()) { after.get(1..).unwrap_or_default() } else { after };
    }
    rest.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_new_is_made() {
        let made = |line: &str| files(&line.split(' ').map(String::from).collect::<Vec<_>>()).join(" ");
        assert_eq!(made("truncate -s 8G /a /b"), "/a /b");
        assert_eq!(made("truncate -s8G /a"), "/a");
        assert_eq!((made("truncate -c -s 8G /a"), made("zfs list a"), made("truncate")), <_>::default());
    }
}
