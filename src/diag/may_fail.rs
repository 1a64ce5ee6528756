//! Results that are dropped: the only way to, which says why nothing is lost.

/// A result that nobody acts on.
pub(crate) trait MayFail {
    /// Drops the result, a failure too. The reason is for who reads the code; nothing prints it.
    fn may_fail(self, why: &'static str);
}

impl<T, E> MayFail for Result<T, E> {
    fn may_fail(self, _: &'static str) {}
}
