//! What curl(1) and fetch(1) say when a server does not prove who it is, and what is left to do then.

/// How fetch(1) begins its line of a certificate (lib/libfetch/common.c); what it says last is "Authentication error" alone.
const FETCH: [&str; 2] = ["Certificate verification failed for ", "SSL certificate subject doesn't match host "];

/// Returns the line of what a program complained of that says what is wrong: curl(1) says it first, and then explains certificates
/// in general; fetch(1) says it last, but for certificates.
pub(super) fn reason(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let says_it = |line: &&str| line.starts_with("curl: (") || FETCH.iter().any(|begin| line.starts_with(begin));
    lines.clone().find(says_it).or_else(|| lines.next_back()).unwrap_or_default()
}

/// Returns what is left to do when a server did not prove who it is, if that is the reason.
pub(super) fn way_out(reason: &str) -> Option<&'static str> {
    let whose = "whoever runs the server has to correct its certificate; until then take another mirror";
    let [unknown, other] = FETCH;
    if reason.starts_with("curl: (60)") {
        // OpenSSL and GnuTLS, with which curl is built.
        let nobody = ["issuer", "self-signed", "self signed", "signer not found", "CAfile"];
        let is_unknown = nobody.iter().any(|word| reason.contains(word));
        let trusted = "if you trust who signed it, CURL_CA_BUNDLE names a file with their certificate; else do not use this server";
        return Some(if is_unknown { trusted } else { whose });
    }
    if reason.starts_with("curl: (77)") {
        return Some("correct CURL_CA_BUNDLE, or SSL_CERT_FILE: certificates are read from the file that it names");
    }
    if reason.starts_with(unknown) {
        // Which of the two it is fetch(1) does not say.
        return Some(
            "it has expired, or nobody whom this host knows signed it: if you trust who did, SSL_CA_CERT_FILE names a file with \
             their certificate; else do not use this server",
        );
    }
    reason.starts_with(other).then_some(whose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_what_is_wrong_is_found_among_those_that_explain() {
        let curl = "curl: (60) SSL certificate problem: certificate has expired\nMore details here: \
                    https://curl.se/docs/sslcerts.html\n\ncurl failed to verify\nplease visit the web page mentioned above.\n";
        assert_eq!(reason(curl), "curl: (60) SSL certificate problem: certificate has expired");
        let fetch = "Certificate verification failed for /CN=a.example\n0020:error:0A000086:SSL routines:certificate verify \
                     failed\nfetch: https://a.example/b: Authentication error\n";
        assert_eq!(reason(fetch), "Certificate verification failed for /CN=a.example");
        let others = "something\nfetch: http://a.example/b: Not Found\n\n";
        assert_eq!(reason(others), "fetch: http://a.example/b: Not Found");
        assert_eq!((reason(""), reason("\n \n"), way_out("curl: (22) 404"), way_out("")), ("", "", None, None));
    }
}
