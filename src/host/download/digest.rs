//! Digests of what is read.

use crate::diag::Fault;
use crate::model::{Digest, DigestKind};
use sha2::{Digest as _, Sha256, Sha512};

/// A digest that is being made.
pub(super) enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// Begins one.
    pub(super) fn new(kind: DigestKind) -> Self {
        match kind {
            DigestKind::Sha256 => Self::Sha256(Sha256::new()),
            DigestKind::Sha512 => Self::Sha512(Box::new(Sha512::new())),
        }
    }

    /// Adds bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the digest.
    pub(super) fn finish(self) -> Result<Digest, Fault> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::Sha256(hasher) => Digest::new(DigestKind::Sha256, &hex(&hasher.finalize())),
            Self::Sha512(hasher) => Digest::new(DigestKind::Sha512, &hex(&hasher.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_fips_180_4() {
        let of = |kind| {
            let mut hasher = Hasher::new(kind);
            hasher.add(b"a");
            hasher.add(b"bc");
            hasher.finish().unwrap().hex().to_string()
        };
        assert_eq!(of(DigestKind::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(
            of(DigestKind::Sha512)
                .starts_with("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a")
        );
    }
}
