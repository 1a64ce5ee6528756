//! What a serial port is plugged into.

use super::{DevicePath, Feature};
use crate::diag::Fault;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// What a serial port is plugged into (bhyve(8), TTY device backends).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tty {
    /// The standard streams of the run.
    Stdio,
    /// A tty, for example one end of a nmdm(4).
    Path(DevicePath),
    /// An address on which bhyve listens for one client.
    Tcp(SocketAddr),
}

impl Tty {
    /// Returns what bhyve has to have in order to understand it.
    pub const fn feature(&self) -> Option<Feature> {
        match self {
            Self::Stdio | Self::Path(_) => None,
            Self::Tcp(_) => Some(Feature::TcpSerial),
        }
    }
}

impl Tty {
    /// Returns the other end of a nmdm(4), at which a console is attached.
    pub fn other_end(&self) -> Option<String> {
        let Self::Path(path) = self else { return None };
        let (folder, name) = path.as_str().rsplit_once('/')?;
        let (stem, end) = name.split_at_checked(name.len().checked_sub(1)?)?;
        let other = match end {
            "A" => "B",
            "B" => "A",
            _ => return None,
        };
        stem.starts_with("nmdm").then(|| format!("{folder}/{stem}{other}"))
    }
}

impl FromStr for Tty {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match (text, text.strip_prefix("tcp=")) {
            ("stdio", _) => Ok(Self::Stdio),
            (_, Some(address)) => {
                let fault = || Fault::new(format!("{address:?} is not an address to listen on"));
                let how = "a numeric address and a port from 1 to 65535: \"tcp=127.0.0.1:4321\" or \"tcp=[::1]:4321\"";
                let address: Option<SocketAddr> = address.parse().ok();
                address.filter(|a| a.port() != 0).map(Self::Tcp).ok_or_else(|| fault().hint(how))
            }
            _ if text.starts_with('/') => text.parse().map(Self::Path),
            _ => {
                let fault = Fault::new(format!("{text:?} is not a backend for a serial port"));
                Err(fault.hint("\"stdio\", or the path of a tty such as \"/dev/nmdm0A\""))
            }
        }
    }
}

impl fmt::Display for Tty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => f.write_str("stdio"),
            Self::Path(path) => path.fmt(f),
            Self::Tcp(address) => write!(f, "tcp={address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_serial_port_listens_on_a_numeric_address_only() {
        for text in ["stdio", "/dev/nmdm0A", "tcp=127.0.0.1:4321", "tcp=[::1]:4321"] {
            assert_eq!(text.parse::<Tty>().unwrap().to_string(), text);
        }
        for text in ["tcp=localhost:4321", "tcp=127.0.0.1", "tcp=127.0.0.1:0", "tcp=", "tcp=[::1]:123456"] {
            let message = text.parse::<Tty>().unwrap_err().message;
            assert_eq!(message, format!("{:?} is not an address to listen on", &text[4..]));
        }
        assert!("tcpdump".parse::<Tty>().is_err());
    }

    #[test]
    fn a_nmdm_has_another_end() {
        let other = |text: &str| text.parse::<Tty>().unwrap().other_end();
        assert_eq!(other("/dev/nmdm0A").as_deref(), Some("/dev/nmdm0B"));
        assert_eq!(other("/dev/nmdm-web.1B").as_deref(), Some("/dev/nmdm-web.1A"));
        assert_eq!(
            ["/dev/ttyu0", "/dev/cuaA", "/dev/nmdm0", "stdio", "tcp=127.0.0.1:1"].map(other),
            [const { None }; 5]
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_shown_reads_back(text in "(tcp=|stdio|/)?.{0,20}") {
            if let Ok(tty) = text.parse::<Tty>() {
                prop_assert_eq!(tty.to_string().parse(), Ok(tty));
            }
        }
    }
}
