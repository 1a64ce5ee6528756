//! NUMA domains of a guest.

use super::{CpuSet, Size};
use crate::diag::Fault;

/// One domain (bhyve(8), `-n`), since FreeBSD 15.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    /// Its memory; where one of them has none, bhyve divides the machine's evenly.
    pub size: Option<Size>,
    /// Its virtual CPUs.
    pub cpus: Option<CpuSet>,
    /// Where the host takes its memory from, as cpuset(1) `-n` has it.
    pub policy: Option<String>,
}

/// How many domains a machine may have.
pub(crate) const DOMAINS_MAX: u16 = 8;

/// The policies of cpuset(1) `-n`, in any case.
const POLICIES: [&str; 7] = ["round-robin", "rr", "first-touch", "ft", "prefer", "interleave", "il"];

/// Reads a policy: one of [`POLICIES`], a list of the host's domains, or both with a colon between; `all` stands for every domain
/// (cpuset(1), `-n`; libutil's domainset_parselist, which bhyve ends with status 64 over).
pub(crate) fn policy(text: &str) -> Result<String, Fault> {
    let (name, list) = match text.split_once(':') {
        Some((name, list)) => (name, Some(list)),
        None if text.starts_with(|c: char| c.is_ascii_digit()) || text.eq_ignore_ascii_case("all") => {
            ("rr", Some(text))
        }
        None => (text, None),
    };
    let is_number = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| is_number(text));
    // One that runs backwards has no domain in it.
    let is_range = |item: &str| {
        let (from, to) = item.split_once('-').unwrap_or((item, item));
        number(from).zip(number(to)).is_some_and(|(from, to)| from <= to)
    };
    let is_list = |list: &str| list.eq_ignore_ascii_case("all") || list.split(',').all(is_range);
    let is_name = POLICIES.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is_name && list.is_none_or(is_list) {
        return Ok(text.into());
    }
    let fault = Fault::new(format!("{text:?} is no policy of a NUMA domain"));
    Err(fault
        .hint("a policy of cpuset(1) with domains of the host: \"prefer:0\", \"round-robin:0-1\", \"first-touch\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_a_name_of_cpuset_and_domains_of_the_host() {
        for text in ["prefer:0", "rr", "Round-Robin:0-3,5", "ft:all", "0-1", "all", "interleave:1"] {
            assert_eq!(policy(text).as_deref(), Ok(text));
        }
        for text in ["", "best", "best:0", "prefer:x", "prefer:", "prefer=0", "0-", ":0", "preferred:0", "rr:7-1"] {
            let fault = policy(text).unwrap_err();
            assert_eq!(fault.message, format!("{text:?} is no policy of a NUMA domain"));
        }
    }
}
