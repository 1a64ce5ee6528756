//! What two texts have in common, line by line.

/// Which of two texts has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Both.
    Both,
    /// The first alone.
    First,
    /// The second alone.
    Second,
}

/// Returns the lines of two texts in order, those that only the first has before those that only the second has; as many as can be
/// are of both. Takes time and memory by the product of their lengths.
pub(crate) fn between<'a>(first: &[&'a str], second: &[&'a str]) -> Vec<(Side, &'a str)> {
    // How long the longest common rest is from each pair of lines on.
    let mut rests = vec![vec![0_usize; second.len() + 1]];
    for line in first.iter().rev() {
        let below = rests.last().cloned().unwrap_or_default();
        let mut row = vec![0_usize; second.len() + 1];
        let mut right = 0;
        for (j, other) in second.iter().enumerate().rev() {
            let of = |at: usize| below.get(at).copied().unwrap_or_default();
            right = if line == other { of(j + 1) + 1 } else { of(j).max(right) };
            row.iter_mut().skip(j).take(1).for_each(|cell| *cell = right);
        }
        rests.push(row);
    }
    let common = |i: usize, j: usize| {
        let row = first.len().checked_sub(i).and_then(|row| rests.get(row));
        row.and_then(|row| row.get(j)).copied().unwrap_or_default()
    };
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    loop {
        match (first.get(i), second.get(j)) {
            (None, None) => return lines,
            (Some(line), Some(other)) if line == other => {
                lines.push((Side::Both, *line));
                (i, j) = (i + 1, j + 1);
            }
            (Some(line), other) if other.is_none() || common(i + 1, j) >= common(i, j + 1) => {
                lines.push((Side::First, *line));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push((Side::Second, *other));
                j += 1;
            }
            (Some(line), None) => {
                lines.push((Side::First, *line));
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_much_as_can_be_is_of_both() {
        let shown = |first: &str, second: &str| -> String {
            let lines = |text: &'static str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>();
            let (first, second) = (lines(first.to_string().leak()), lines(second.to_string().leak()));
            let sign = |side| match side {
                Side::Both => "",
                Side::First => "-",
                Side::Second => "+",
            };
            between(&first, &second).iter().map(|(side, line)| format!("{}{line} ", sign(*side))).collect()
        };
        assert_eq!(shown("a b c", "a b c"), "a b c ");
        assert_eq!(shown("a b c", "a x c d"), "a -b +x c +d ");
        assert_eq!(shown("", "a b"), "+a +b ");
        assert_eq!(shown("a b", ""), "-a -b ");
        assert_eq!(shown("a b a c", "b a c a"), "-a b a c +a ");
    }

    proptest! {
        #[test]
        fn each_text_is_what_it_has_and_what_both_have(first in "[abc]{0,8}", second in "[abc]{0,8}") {
            let lines = |text: &'static str| (0..text.len()).map(|at| &text[at..=at]).collect::<Vec<_>>();
            let (one, other) = (lines(first.clone().leak()), lines(second.clone().leak()));
            let all = between(&one, &other);
            let without = |not: Side| all.iter().filter(|(side, _)| *side != not).map(|(_, line)| *line).collect::<String>();
            prop_assert_eq!(without(Side::Second), first);
            prop_assert_eq!(without(Side::First), second);
        }
    }
}
