//! The release of FreeBSD to be, from the environment variable `FAKE_FREEBSD_RELEASE`: `MAJOR` or `MAJOR.MINOR`.

use crate::exit::{Exit, Step};

/// A release. They are ordered as they came out: `release < Release::new(14, 1)`, `release.major < 15`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    pub(crate) major: u8,
    /// The newest of its major where only that was told.
    pub(crate) minor: u8,
}

/// Releases that brought something to bhyve; where that is known from is said where it is asked for.
pub(crate) const V14_3: Release = Release::new(14, 3);
pub(crate) const V15_0: Release = Release::new(15, 0);
pub(crate) const V15_1: Release = Release::new(15, 1);
pub(crate) const V16: Release = Release::new(16, 0);

/// What is played when nobody asks for a release.
const DEFAULT: Release = Release::newest(15);

/// The releases of which something is known.
const KNOWN: std::ops::RangeInclusive<u8> = 12..=16;

impl Release {
    pub(crate) const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// The newest release of a major.
    pub(crate) const fn newest(major: u8) -> Self {
        Self::new(major, u8::MAX)
    }

    /// The release that the environment asks for.
    pub(crate) fn of_environment() -> Step<Self> {
        let Some(text) = std::env::var_os("FAKE_FREEBSD_RELEASE") else {
            return Ok(DEFAULT);
        };
        let text = text.to_string_lossy();
        Self::parse(&text).ok_or_else(|| Exit::fake(format!("FAKE_FREEBSD_RELEASE is no release: {text}")))
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = match text.split_once('.') {
            Some((major, minor)) => (major.parse().ok()?, minor.parse().ok()?),
            None => (text.parse().ok()?, u8::MAX),
        };
        KNOWN.contains(&major).then_some(Self::new(major, minor))
    }
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn a_release_without_a_minor_is_the_newest_of_its_major() {
        assert_eq!(Release::parse("12.1"), Some(Release::new(12, 1)));
        let newest = Release::parse("14").unwrap();
        assert!(Release::parse("14.3").unwrap() < newest && newest < Release::parse("15.0").unwrap());
        assert_eq!(newest, Release::newest(14));
    }

    #[test]
    fn what_is_no_release_is_none() {
        for wrong in ["", "x", "14.", ".1", "14.x", "11", "17", "14.3.1"] {
            assert_eq!(Release::parse(wrong), None, "{wrong}");
        }
    }
}
