//! The text that Prometheus reads (its text format, version 0.0.4).

use crate::diag::shown;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// It goes up only.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is not known which.
    Untyped,
}

impl MetricKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Untyped => "untyped",
        }
    }
}

/// Numbers of one meaning.
pub(crate) struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricKind,
    samples: Vec<(Vec<(&'static str, String)>, String)>,
}

impl Family {
    /// Makes one that has no numbers yet.
    pub(crate) const fn new(name: &'static str, kind: MetricKind, help: &'static str) -> Self {
        Self { name, help, kind, samples: Vec::new() }
    }

    /// Adds a number with its labels.
    pub(crate) fn add(&mut self, labels: &[(&'static str, &str)], value: &impl ToString) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_string())).collect();
        self.samples.push((labels, value.to_string()));
    }

    /// Returns its text; none if it has no numbers.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.samples.is_empty() {
            return text;
        }
        let Self { name, help, kind, .. } = self;
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.word()));
        for (labels, value) in &self.samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            text.push_str(&format!("{name}{labels} {value}\n"));
        }
        text
    }
}

/// Writes a label's value so that neither it nor the line ends early, and no terminal acts on it.
fn escaped(text: &str) -> String {
    shown::text(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A name, labels, a number.
    type Sample = (String, Vec<(String, String)>, f64);

    /// Reads a line of a sample as Prometheus does.
    fn read(line: &str) -> Option<Sample> {
        let (name, mut rest) = line.split_at(line.find(['{', ' '])?);
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while !rest.starts_with('}') {
                let (label, tail) = rest.trim_start_matches(',').split_once("=\"")?;
                let mut value = String::new();
                let mut chars = tail.char_indices();
                let end = loop {
                    match chars.next()? {
                        (_, '\\') => value.push(match chars.next()?.1 {
                            'n' => '\n',
                            c @ ('\\' | '"') => c,
                            _ => return None,
                        }),
                        (at, '"') => break at,
                        (_, c) => value.push(c),
                    }
                };
                labels.push((label.to_string(), value));
                rest = &tail[end + 1..];
            }
            rest = &rest[1..];
        }
        Some((name.into(), labels, rest.trim().parse().ok()?))
    }

    #[test]
    fn a_family_has_its_meaning_and_a_line_for_each_number() {
        let mut family = Family::new("vmrun_machine_up", MetricKind::Gauge, "Whether it runs.");
        assert_eq!(family.text(), "");
        family.add(&[("machine", "a \"b\"\\c")], &1);
        family.add(&[], &0.5);
        let text = "# HELP vmrun_machine_up Whether it runs.\n# TYPE vmrun_machine_up gauge\n\
            vmrun_machine_up{machine=\"a \\\"b\\\"\\\\c\"} 1\nvmrun_machine_up 0.5\n";
        assert_eq!(family.text(), text);
    }

    proptest! {
        #[test]
        fn every_label_is_read_back(values in prop::collection::vec("(.|\n|\\\\|\"){0,12}", 0..4), number: u32) {
            let mut family = Family::new("vmrun_x", MetricKind::Counter, "X.");
            let labels: Vec<(&'static str, &str)> = ["a", "b", "c", "d"].into_iter().zip(values.iter().map(String::as_str)).collect();
            family.add(&labels, &number);
            let text = family.text();
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 4, "{}", text);
            let (name, read, value) = read(lines[2]).unwrap();
            let labels: Vec<(String, String)> = labels.iter().map(|(name, value)| ((*name).into(), shown::text(value).into())).collect();
            prop_assert_eq!((name.as_str(), read, value), ("vmrun_x", labels, f64::from(number)));
        }
    }
}
