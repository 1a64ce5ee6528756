//! Values that must not be seen.

use std::fmt;

/// A password. Showing it in any way gives `***`; only [`Secret::reveal`] gives the text, and only files of mode 0600 get it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }

    /// Stands for one that is not there, in plans.
    pub const fn absent() -> Self {
        Self(None)
    }

    /// Returns whether it is not there.
    pub const fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the text. Every caller answers for where it goes.
    pub fn reveal(&self) -> &str {
        self.0.as_deref().unwrap_or("absent")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!((format!("{secret}"), format!("{secret:?}")), ("***".into(), "***".into()));
    }
}
