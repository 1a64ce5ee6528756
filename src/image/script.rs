//! Checks the script before iPXE would refuse it, which it does without a word.

use super::{LONGEST_SCRIPT, amount, form};
use crate::diag::Fault;

const MAGIC: &str = "#!ipxe";
/// What C's `isspace` accepts: iPXE looks for one of these behind the magic word.
const SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];

/// Returns a fault if iPXE would not take the text for a script.
pub(super) fn check(script: &str) -> Result<(), Fault> {
    let begins = "the first line of a script is #!ipxe, the commands follow on lines of their own";
    if script.trim().is_empty() {
        return Err(Fault::new("the iPXE script is empty").hint(begins));
    }
    if let Some(at) = script.find('\0') {
        let line = script[..at].matches('\n').count() + 1;
        return Err(Fault::new(format!("the iPXE script has a NUL byte in line {line}"))
            .hint("iPXE stops reading there: remove it, or give the script's own text"));
    }
    if script.len() > LONGEST_SCRIPT {
        let (has, most) = (form::bytes(script.len() as u64), amount(LONGEST_SCRIPT as u64));
        return Err(Fault::new(format!("the iPXE script has {has}, and {most} is the most"))
            .hint("give the script's own text; what it loads goes into `files`, or stays on a server"));
    }
    if script.starts_with('\u{feff}') {
        return Err(Fault::new("the iPXE script begins with a byte order mark")
            .hint("save it as UTF-8 without one: iPXE wants #!ipxe as the first bytes"));
    }
    match script.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(SPACE) => Ok(()),
        Some("") => Err(Fault::new("the iPXE script ends with its first line")
            .hint("write commands below #!ipxe, on lines of their own, such as dhcp")),
        _ => Err(Fault::new("the iPXE script does not begin with #!ipxe").hint(begins)),
    }
}

/// Returns what need not be wrong, but most often is: where iPXE is sent to a label that is not there, the script ends.
pub(super) fn warnings(script: &str) -> Vec<Fault> {
    let labels: Vec<&str> = script.lines().filter_map(|line| line.trim().strip_prefix(':')).map(str::trim).collect();
    let mut warned: Vec<Fault> = Vec::new();
    for (number, line) in (1..).zip(script.lines()).filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let mut words = line.split_whitespace().skip_while(|word| *word != "goto").skip(1);
        // What a setting holds is known at the boot alone.
        let Some(label) = words.next().filter(|label| !label.contains("${") && !labels.contains(label)) else {
            continue;
        };
        let fault =
            Fault::new(format!("the iPXE script goes to the label {label} in line {number}, which it does not have"));
        warned.push(fault.hint(format!("write a line `:{label}` above what is to be done then")));
    }
    warned
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGINS: &str = "the first line of a script is #!ipxe, the commands follow on lines of their own";

    fn fault(script: &str) -> Fault {
        check(script).unwrap_err()
    }

    #[test]
    fn a_script_begins_with_the_magic_word_and_white_space() {
        for script in
            ["#!ipxe\nshell\n", "#!ipxe\r\nshell\r\n", "#!ipxe --x\nshell", "#!ipxe\n", super::super::DEFAULT_SCRIPT]
        {
            assert_eq!(check(script), Ok(()), "{script:?}");
        }
        let other = Fault::new("the iPXE script does not begin with #!ipxe").hint(BEGINS);
        for script in ["shell\n", "\n#!ipxe\nshell\n", " #!ipxe\n", "#!gpxe\nshell\n", "#!ipxes\n", "#!ipx"] {
            assert_eq!(fault(script), other, "{script:?}");
        }
    }

    #[test]
    fn the_magic_word_alone_is_no_script() {
        assert_eq!(
            fault("#!ipxe"),
            Fault::new("the iPXE script ends with its first line")
                .hint("write commands below #!ipxe, on lines of their own, such as dhcp")
        );
    }

    #[test]
    fn nothing_is_no_script() {
        for script in ["", " \n\t\r\n"] {
            assert_eq!(fault(script), Fault::new("the iPXE script is empty").hint(BEGINS));
        }
    }

    #[test]
    fn a_nul_byte_is_refused_with_its_line() {
        assert_eq!(
            fault("#!ipxe\nshell\0\n"),
            Fault::new("the iPXE script has a NUL byte in line 2")
                .hint("iPXE stops reading there: remove it, or give the script's own text")
        );
    }

    #[test]
    fn what_is_too_long_is_no_script() {
        let script = |length: usize| format!("#!ipxe\n{}", "#".repeat(length - 7));
        assert_eq!(check(&script(1 << 20)), Ok(()));
        assert_eq!(
            fault(&script((1 << 20) + 1)),
            Fault::new("the iPXE script has 1,048,577 bytes, and 1M is the most")
                .hint("give the script's own text; what it loads goes into `files`, or stays on a server")
        );
    }

    #[test]
    fn a_label_that_is_not_there_is_warned_of() {
        let script = "#!ipxe\n# goto a\n:b\ngoto b\ngoto ${c}\nkernel x || goto failed\n";
        let wanted = Fault::new("the iPXE script goes to the label failed in line 6, which it does not have")
            .hint("write a line `:failed` above what is to be done then");
        assert_eq!(warnings(script), [wanted]);
        assert_eq!(warnings(super::super::DEFAULT_SCRIPT), []);
    }

    #[test]
    fn a_byte_order_mark_is_named() {
        assert_eq!(
            fault("\u{feff}#!ipxe\nshell\n"),
            Fault::new("the iPXE script begins with a byte order mark")
                .hint("save it as UTF-8 without one: iPXE wants #!ipxe as the first bytes")
        );
    }
}
