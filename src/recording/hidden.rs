//! Passwords in what was recorded.

/// What stands before a password, as fbuf's option or as the last part of a key of bhyve_config(5).
const KEY: &str = "password=";

/// Returns a text in which `***` stands for every password.
///
/// As an option it ends at the next comma, which separates bhyve's options. As the value of a dotted key it ends with the
/// text. More may be hidden than had to be, never less.
pub fn hide(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(KEY) {
        shown.push_str(before);
        shown.push_str(KEY);
        shown.push_str("***");
        let end = if before.ends_with('.') { None } else { after.find(',') };
        rest = end.and_then(|end| after.get(end..)).unwrap_or_default();
    }
    shown + rest
}

/// Returns a text of several lines in which `***` stands for every password, each of which ends with its line.
pub(crate) fn hide_lines(text: &str) -> String {
    let hidden = |line: &str| match line.strip_suffix('\n') {
        Some(line) => hide(line) + "\n",
        None => hide(line),
    };
    text.split_inclusive('\n').map(hidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_password_is_hidden_to_its_end() {
        let cases = [
            ("29,fbuf,tcp=1.2.3.4:5901,password=a b,w=800", "29,fbuf,tcp=1.2.3.4:5901,password=***,w=800"),
            ("29,fbuf,password=x", "29,fbuf,password=***"),
            ("29,fbuf,password=,w=1,password=y", "29,fbuf,password=***,w=1,password=***"),
            ("pci.0.29.0.password=a,b", "pci.0.29.0.password=***"),
            ("+ bhyve -s 29,fbuf,password=x -s 30,xhci", "+ bhyve -s 29,fbuf,password=***,xhci"),
            ("no secret", "no secret"),
        ];
        for (text, shown) in cases {
            assert_eq!(hide(text), shown);
        }
        assert_eq!(
            hide_lines("a.password=b\nc=1\n-s 1,password=x,y\nz"),
            "a.password=***\nc=1\n-s 1,password=***,y\nz"
        );
    }

    proptest! {
        #[test]
        fn no_password_gets_through(before in ".*", password in "[A-Z]{8}", after in "(,[a-z]*)?") {
            let shown = hide(&format!("{}{KEY}{password}{after}", before.to_lowercase()));
            prop_assert!(!shown.contains(&password), "{}", shown);
        }

        #[test]
        fn what_is_hidden_stays_as_it_is(text in "(password=|[a-z,.*])*") {
            prop_assert_eq!(hide(&hide(&text)), hide(&text));
        }
    }
}
