//! Texts in columns of a terminal: how many they take, and what of them has room.

/// Returns how many columns of a terminal a text takes: some characters take two, and some none (Unicode Standard Annex #11).
pub(crate) fn width(text: &str) -> usize {
    ratatui::text::Span::raw(text).width()
}

/// Returns as much of the beginning of a text as so many columns have room for; where that is not all, it ends with `…`.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.into();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let longer = format!("{kept}{c}");
        if width(&longer) >= most {
            break;
        }
        kept = longer;
    }
    if most == 0 { kept } else { kept + "…" }
}

/// Returns a text in lines of at most so many columns, the first of which has so many taken; the others begin with as many blanks. What stands
/// between backticks, and a word that has no room in any line, stays whole, so that it can be copied.
pub(crate) fn filled(text: &str, taken: usize, most: usize) -> String {
    let mut is_quoted = false;
    let is_between = |c: char| {
        is_quoted ^= c == '`';
        c == ' ' && !is_quoted
    };
    let (mut lines, mut column) = (String::new(), taken);
    for (at, word) in text.split(is_between).enumerate() {
        let is_full = column > taken && column + 1 + width(word) > most;
        if is_full {
            lines += &format!("\n{:taken$}", "");
            column = taken;
        } else if at > 0 {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += width(word);
    }
    lines
}

/// Returns as much of the end of a text as so many columns have room for; where that is not all, it begins with `…`.
pub(crate) fn cut_front(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.into();
    }
    let end = text.char_indices().map(|(at, _)| &text[at..]).find(|rest| width(rest) < most);
    if most == 0 { String::new() } else { format!("…{}", end.unwrap_or_default()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_filled_into_lines_and_what_is_quoted_stays_whole() {
        let text = "a bridge is missing: `vmrun network up RECIPE` makes it, slirp needs none";
        assert_eq!(filled(text, 4, usize::MAX), text);
        let lines =
            "a bridge is\n    missing:\n    `vmrun network up RECIPE`\n    makes it,\n    slirp needs\n    none";
        assert_eq!(filled(text, 4, 16), lines);
        assert_eq!(filled("日本 日本  x `", 2, 7), "日本\n  日本 \n  x `");
        assert_eq!((filled("", 4, 0), filled("ab cd", 0, 0)), (String::new(), "ab\ncd".into()));
    }
}
