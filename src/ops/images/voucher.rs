//! Who vouches for the checksums of a publisher: whoever signed them, or the way by which they came.

use crate::client::gpgv::{self, Signed};
use crate::diag::Fault;
use crate::host::cache::Claim;
use crate::host::download::Fetcher;
use crate::host::{Settings, files};
pub(crate) use crate::image::openpgp::Signer;
use crate::image::openpgp::{clear, none};
use crate::model::Url;
use std::path::Path;

/// How long a file of checksums may be, in bytes.
const LONGEST: u64 = files::TEXT;

/// How long a signature may be, in bytes. It is no more for several, and what gpgv would unpack has its bounds by it.
const LONGEST_SIGNATURE: u64 = 1 << 16;

/// Who vouches for what a publisher's server says.
#[derive(Clone, Debug)]
pub(crate) enum Voucher {
    /// Whoever signed it, with a key of the keyring.
    Signer(Signer),
    /// Nobody, as it has no signature.
    Unsigned,
    /// Nobody, as this host has no keyring for its signature.
    NoKeyring,
}

/// A publisher, and by which keys he is known.
pub(super) struct Publisher<'a> {
    /// How this host is used.
    pub settings: &'a Settings,
    /// Where his checksums are.
    pub checksums: &'a Url,
    /// The file with his keys.
    pub keyring: Option<&'a Path>,
}

impl Publisher<'_> {
    /// Returns his checksums, and who vouches for them. What is signed, and cannot be verified with a keyring, is refused.
    pub(super) fn says(&self, signature: Option<&Url>) -> Result<(String, Voucher), Fault> {
        let fetcher = Fetcher::new(self.settings.platform, None);
        let text = fetcher.text(self.checksums, &self.settings.cache, LONGEST)?;
        let Some(url) = signature else { return Ok((text, Voucher::Unsigned)) };
        let Some(keyring) = self.keyring else { return Ok((text, Voucher::NoKeyring)) };
        let (signer, text) = self.verified(&text, url, keyring).map_err(|mut fault| {
            fault.message = format!("the checksums at {} are refused: {}", self.checksums, fault.message);
            fault
        })?;
        Ok((text, Voucher::Signer(signer)))
    }

    fn verified(&self, text: &str, url: &Url, keyring: &Path) -> Result<(Signer, String), Fault> {
        let platform = self.settings.platform;
        let is_around = url == self.checksums;
        let fetch = || Fetcher::new(platform, None).bytes(url, &self.settings.cache, LONGEST_SIGNATURE);
        let bytes = (!is_around).then(fetch).transpose()?;
        let text = if is_around { clear(text).ok_or_else(none)? } else { text };
        let claim = Claim::of_this_process(&self.settings.cache, "signature")?;
        let signed = Signed { text, signature: bytes.as_deref() };
        let verified = gpgv::verified(&signed, keyring, claim.folder(), platform);
        claim.remove().and(verified)
    }
}
