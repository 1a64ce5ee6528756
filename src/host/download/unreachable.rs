//! What curl(1) and fetch(1) say when nothing answers: this host has no network, its server is down, or there is none of that name.

/// What curl(1) says first by its exit status: it could not resolve the name (6), not connect (7), or not in time (28).
const CURL: [&str; 3] = ["curl: (6) ", "curl: (7) ", "curl: (28) "];

/// What fetch(1) says behind the address, by libfetch's common.c and errno(2). None of it was seen on a FreeBSD (not run).
const FETCH: [&str; 7] = [
    "No address record",
    "Host does not resolve",
    "Transient resolver failure",
    "Network is unreachable",
    "No route to host",
    "Connection refused",
    "Operation timed out",
];

/// Returns whether nothing answered.
pub(super) fn is(said: &str) -> bool {
    CURL.iter().any(|begin| said.starts_with(begin))
        || said.starts_with("fetch: ") && FETCH.iter().any(|end| said.trim_end().ends_with(end))
}

/// Returns what is left to do then.
pub(super) fn way_out(said: &str) -> Option<&'static str> {
    is(said).then_some("try again when this host reaches its server; if others are reached, correct the address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_answer_is_told_from_one_that_refuses() {
        for said in [
            "curl: (6) Could not resolve host: example.org",
            "curl: (7) Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
            "fetch: https://example.org/a: No address record",
            "fetch: http://10.0.0.1/a: Connection refused\n",
        ] {
            assert!(is(said), "{said}");
        }
        for said in [
            "",
            "curl: (22) The requested URL returned error: 404",
            "fetch: http://10.0.0.1/a: Not Found",
            "Connection refused",
        ] {
            assert_eq!((is(said), way_out(said)), (false, None), "{said}");
        }
    }
}
