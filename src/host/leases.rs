//! What DHCP servers of this host have lent: the files of dnsmasq(8), of ISC's dhcpd (dhcpd.leases(5)) and of Kea (its memfile).
//!
//! A guest says itself by which hardware address it asks, so that a lease is a hint where it is and never who it is.

use crate::host::Platform;
use crate::model::Mac;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// How much of a file is read, in bytes: two hundred thousand leases.
const MOST: u64 = 32 << 20;

/// An address that is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The hardware address that it is lent to.
    pub mac: Mac,
    /// The address.
    pub address: IpAddr,
    /// The second of 1970 at which that ends; nothing where it never does.
    pub until: Option<u64>,
}

/// Returns where the servers' packages keep their files. FreeBSD's are those of its ports (not run).
pub(crate) fn usual(platform: Platform) -> Vec<PathBuf> {
    let paths: &[&str] = match platform {
        Platform::FreeBsd => &[
            "/var/db/dnsmasq.leases",
            "/var/db/dhcpd/dhcpd.leases",
            "/var/db/dhcpd.leases",
            "/var/db/kea/kea-leases4.csv",
            "/var/db/kea/dhcp4.leases",
        ],
        Platform::Linux => &[
            "/var/lib/misc/dnsmasq.leases",
            "/var/lib/dnsmasq/dnsmasq.leases",
            "/var/lib/dhcp/dhcpd.leases",
            "/var/lib/dhcpd/dhcpd.leases",
            "/var/lib/kea/kea-leases4.csv",
            "/var/lib/kea/dhcp4.leases",
        ],
    };
    paths.iter().map(PathBuf::from).collect()
}

/// Reads the leases of files; what is not there, or is no file, has none.
pub(crate) fn read(paths: &[PathBuf]) -> Vec<Lease> {
    paths.iter().flat_map(|path| text(path).map_or_else(Vec::new, |text| parse(&text))).collect()
}

fn text(path: &Path) -> Option<String> {
    // A pipe would never end.
    let file = if super::files::is_file(path) { File::open(path).ok()? } else { return None };
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the address that was lent last to one of these cards and still is.
pub(crate) fn of(leases: &[Lease], macs: &[Mac], now: u64) -> Option<IpAddr> {
    let holds = |lease: &&Lease| macs.contains(&lease.mac) && lease.until.is_none_or(|until| until > now);
    // One that never ends was given by hand, and the one that ends last was given last.
    let order = |lease: &&Lease| lease.until.unwrap_or(u64::MAX);
    leases.iter().filter(holds).max_by_key(order).map(|lease| lease.address)
}

/// Reads the text of a file, whichever server has written it.
pub(crate) fn parse(text: &str) -> Vec<Lease> {
    if text.trim_start_matches('\u{feff}').starts_with("address,") {
        return kea(text);
    }
    let is_dhcpd = text.lines().any(|line| line.starts_with("lease ") && line.trim_end().ends_with('{'));
    if is_dhcpd { dhcpd(text) } else { text.lines().filter_map(dnsmasq).collect() }
}

/// `EXPIRY MAC ADDRESS NAME CLIENT-ID`, where 0 means that it never ends (dnsmasq's src/lease.c). Lines of IPv6 have a number in the
/// place of the hardware address.
fn dnsmasq(line: &str) -> Option<Lease> {
    let mut words = line.split_ascii_whitespace();
    let until: u64 = words.next()?.parse().ok()?;
    let mac = words.next()?;
    // A card that is no Ethernet's has its kind in front: `06-…`.
    let mac = mac.parse().ok()?;
    let address = words.next()?.parse().ok()?;
    Some(Lease { mac, address, until: Some(until).filter(|until| *until != 0) })
}

/// The statements of dhcpd.leases(5). The last one of an address is the one that holds.
fn dhcpd(text: &str) -> Vec<Lease> {
    let mut all: Vec<(IpAddr, Option<Lease>)> = Vec::new();
    let mut open: Option<Statement> = None;
    for line in text.lines().map(str::trim) {
        // A comment may stand behind a statement, as behind a time that is told in seconds.
        let line = line.split_once("; #").map_or(line, |(statement, _)| statement);
        let words: Vec<&str> = line.trim_end_matches(';').split_ascii_whitespace().collect();
        match (words.as_slice(), open.as_mut()) {
            (["lease", address, "{"], _) => open = address.parse().ok().map(Statement::of),
            (["}"], Some(statement)) => {
                let (address, lease) = (statement.address, statement.lease());
                all.retain(|(other, _)| *other != address);
                all.push((address, lease));
                open = None;
            }
            (["hardware", "ethernet", mac], Some(statement)) => statement.mac = mac.parse().ok(),
            (["binding", "state", state], Some(statement)) => statement.is_active = *state == "active",
            (["ends", "never"], Some(statement)) => statement.until = None,
            (["ends", "epoch", seconds, ..], Some(statement)) => statement.until = seconds.parse().ok(),
            (["ends", _, date, time], Some(statement)) => {
                statement.until = Some(seconds(date, time).unwrap_or_default());
            }
            _ => {}
        }
        // One server lends at most a few thousands; a text that is none ends here.
        if all.len() > MANY {
            break;
        }
    }
    all.into_iter().filter_map(|(_, lease)| lease).collect()
}

/// How many addresses of one dhcpd are read: every new one is looked for among those before.
const MANY: usize = 20_000;

struct Statement {
    address: IpAddr,
    mac: Option<Mac>,
    is_active: bool,
    until: Option<u64>,
}

impl Statement {
    const fn of(address: IpAddr) -> Self {
        Self { address, mac: None, is_active: true, until: None }
    }

    fn lease(&self) -> Option<Lease> {
        let lease = |mac| Lease { mac, address: self.address, until: self.until };
        self.mac.filter(|_| self.is_active).map(lease)
    }
}

/// The second of 1970 of `2026/11/29 17:05:00`, which is UTC.
fn seconds(date: &str, time: &str) -> Option<u64> {
    let numbers =
        |text: &str, by: char| text.split(by).map(|word| word.parse::<i64>().ok()).collect::<Option<Vec<_>>>();
    let [year, month, day] = <[i64; 3]>::try_from(numbers(date, '/')?).ok()?;
    let [hour, minute, second] = <[i64; 3]>::try_from(numbers(time, ':')?).ok()?;
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    // Days from the civil calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013): years begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).ok()
}

/// The table of Kea's memfile, whose first line names its columns; the last line of an address is the one that holds.
fn kea(text: &str) -> Vec<Lease> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let names = fields(lines.next().unwrap_or_default());
    let at = |name: &str| names.iter().position(|known| known == name);
    let (Some(address), Some(mac), Some(expire)) = (at("address"), at("hwaddr"), at("expire")) else {
        return Vec::new();
    };
    let (state, lifetime) = (at("state"), at("valid_lifetime"));
    let mut all = std::collections::BTreeMap::new();
    for row in lines.map(fields) {
        let field = |at: usize| row.get(at).map(String::as_str);
        let Some(address) = field(address).and_then(|text| text.parse::<IpAddr>().ok()) else { continue };
        // 0 is a lease that is in use; one that lasts no time was given back.
        let is_held = state.and_then(field).is_none_or(|state| state == "0") && lifetime.and_then(field) != Some("0");
        let until = field(expire).and_then(|text| text.parse().ok());
        let mac = field(mac).and_then(|text| text.parse().ok());
        let lease = mac.zip(until).map(|(mac, until)| Lease { mac, address, until: Some(until) });
        all.insert(address, lease.filter(|_| is_held));
    }
    all.into_values().flatten().collect()
}

/// The fields of a line of CSV (RFC 4180); a quote within quotes is written twice.
fn fields(line: &str) -> Vec<String> {
    let (mut all, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => all.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    all.push(field);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        let until = |lease: &Lease| lease.until.map_or_else(|| "never".into(), |until| until.to_string());
        parse(text).iter().map(|lease| format!("{} {} {}", lease.mac, lease.address, until(lease))).collect()
    }

    #[test]
    fn leases_of_dnsmasq_are_lines() {
        let text = "1764439500 58:9c:fc:00:00:01 10.0.0.5 web 01:58:9c:fc:00:00:01\n\
                    0 58:9c:fc:00:00:02 10.0.0.6 * *\n\
                    duid 00:01:00:01:2f:aa:bb:cc:58:9c:fc:00:00:01\n\
                    1764439500 16777217 fd00::5 web 00:01\n\
                    garbled\n1764439500 06-00:11 10.0.0.7\n";
        assert_eq!(shown(text), ["58:9c:fc:00:00:01 10.0.0.5 1764439500", "58:9c:fc:00:00:02 10.0.0.6 never"]);
    }

    #[test]
    fn leases_of_dhcpd_are_statements_of_which_the_last_holds() {
        let text = "# The format of this file is documented in the dhcpd.leases(5) manual page.\nserver-duid \"\\000\";\n\
                    lease 10.0.0.5 {\n  starts 0 2026/11/29 16:05:00;\n  ends 0 2026/11/29 17:05:00;\n  binding state active;\n\
                    \x20 next binding state free;\n  hardware ethernet 58:9c:fc:00:00:01;\n  uid \"\\001}\";\n  client-hostname \"web\";\n}\n\
                    lease 10.0.0.6 {\n  ends never;\n  binding state active;\n  hardware ethernet 58:9c:fc:00:00:02;\n}\n\
                    lease 10.0.0.7 {\n  ends epoch 1764439500; # Sat\n  hardware ethernet 58:9c:fc:00:00:03;\n}\n\
                    lease 10.0.0.5 {\n  ends 0 2026/11/29 18:05:00;\n  binding state free;\n  hardware ethernet 58:9c:fc:00:00:01;\n}\n";
        assert_eq!(shown(text), ["58:9c:fc:00:00:02 10.0.0.6 never", "58:9c:fc:00:00:03 10.0.0.7 1764439500"]);
        assert_eq!(seconds("2026/11/29", "17:05:00"), Some(1_795_971_900));
        assert_eq!(seconds("1970/01/01", "00:00:00"), Some(0));
        assert_eq!([seconds("2026/13/01", "0:0:0"), seconds("2026/1", "0:0:0"), seconds("-9/1/1", "0:0:0")], [None; 3]);
    }

    #[test]
    fn leases_of_kea_are_a_table_whose_fields_may_be_quoted() {
        let text = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n\
                    10.0.0.5,58:9c:fc:00:00:01,01:58,3600,1764439500,1,0,0,web,0,,0\r\n\
                    \"10.0.0.6\",\"58:9c:fc:00:00:02\",,3600,1764439500,1,0,0,\"a,\"\"b\",0,\"{ \"\"x\"\": [1,2] }\",0\n\
                    10.0.0.7,58:9c:fc:00:00:03,,3600,1764439500,1,0,0,,1,,0\n\
                    10.0.0.5,58:9c:fc:00:00:01,01:58,0,1764439400,1,0,0,web,0,,0\n";
        assert_eq!(shown(text), ["58:9c:fc:00:00:02 10.0.0.6 1764439500"]);
        assert_eq!(fields("a,\"b,\"\"c\",,\"d"), ["a", "b,\"c", "", "d"]);
    }

    #[test]
    fn the_lease_that_holds_and_ends_last_is_the_one_of_a_card() {
        let text = "100 58:9c:fc:00:00:01 10.0.0.5 a *\n300 58:9c:fc:00:00:01 10.0.0.6 a *\n200 58:9c:fc:00:00:01 10.0.0.7 a *\n";
        let (all, macs) = (parse(text), ["58:9c:fc:00:00:01".parse().unwrap()]);
        assert_eq!(
            [50, 250, 300].map(|now| of(&all, &macs, now).map(|ip| ip.to_string())),
            [Some("10.0.0.6".into()), Some("10.0.0.6".into()), None]
        );
        assert_eq!(of(&all, &[], 0), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(lease |address,hwaddr,expire|ends 0 |}|\\{|[0-9a-f:,./\"\n -]|\\PC){0,80}", now: u64) {
            let all = parse(&text);
            let _ = of(&all, &all.iter().map(|lease| lease.mac).collect::<Vec<_>>(), now);
        }
    }
}
