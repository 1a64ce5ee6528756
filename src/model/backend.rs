//! What a network card is plugged into.

use super::InterfaceName;
use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// What a network card is plugged into (bhyve(8), network device backends).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A tap or vmnet interface, usually a member of a bridge.
    Tap(InterfaceName),
    /// A network inside the process, without root: libslirp, QEMU's user network.
    Slirp,
    /// A netgraph(4) node, which `path` and `peerhook` name.
    Netgraph,
    /// A netmap(4) port, `netmap:ix0`, or one of a vale(4) switch, `vale0:lab`.
    Netmap(String),
    /// An interface whose name does not say its kind: bhyve needs `type` too.
    Named(InterfaceName),
}

/// The kinds of backend, by the beginning of their names, as bhyve tells them apart where `type` is not there.
pub(crate) const KINDS: &[&str] = &["tap", "vmnet", "netgraph", "netmap", "vale", "slirp"];

impl Backend {
    /// Returns the kind that bhyve takes it for by the beginning of its name, or nothing.
    pub fn kind(&self) -> Option<&'static str> {
        let text = self.to_string();
        KINDS.iter().copied().find(|kind| text.starts_with(kind))
    }
}

impl FromStr for Backend {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let port = |text: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b":._-/{}@^*".contains(&b);
            text.bytes().all(plain) && text.split_once(':').is_some_and(|(_, port)| !port.is_empty())
        };
        let fault = || {
            let fault = Fault::new(format!("{text:?} is not a network backend"));
            fault.hint("give a tap, `tap(\"tap1\")`, or \"slirp\" for a network that needs no root")
        };
        match text {
            "slirp" => Ok(Self::Slirp),
            "netgraph" => Ok(Self::Netgraph),
            _ if text.starts_with("tap") || text.starts_with("vmnet") => text.parse().map(Self::Tap),
            _ if text.starts_with("netmap:") || text.starts_with("vale") => {
                let hint = "write \"netmap:ix0\" or \"vale0:lab\"";
                port(text).then(|| Self::Netmap(text.into())).ok_or_else(|| fault().hint(hint))
            }
            _ if KINDS.iter().any(|kind| text.starts_with(kind)) => Err(fault()),
            _ => text.parse().map(Self::Named).map_err(|_| fault()),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tap(name) | Self::Named(name) => name.fmt(f),
            Self::Slirp => f.write_str("slirp"),
            Self::Netgraph => f.write_str("netgraph"),
            Self::Netmap(port) => f.write_str(port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_backend_of_bhyve_reads() {
        for text in ["tap0", "vmnet3", "slirp", "netgraph", "netmap:ix0", "vale0:lab", "web0"] {
            assert_eq!(text.parse::<Backend>().unwrap().to_string(), text);
        }
        for text in ["", "mac=1", "netmap", "vale", "vale0:", "slirpy", "netgraph2", "netmap:a,b"] {
            let message = text.parse::<Backend>().unwrap_err().message;
            assert_eq!(message, format!("{text:?} is not a network backend"));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_shown_reads_back(text in "(tap|vale|netmap:|slirp)?.{0,12}") {
            if let Ok(backend) = text.parse::<Backend>() {
                prop_assert_eq!(backend.to_string().parse(), Ok(backend));
            }
        }
    }
}
