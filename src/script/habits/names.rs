//! Words and names of other languages, with what a recipe has in their place.

/// Words of other languages, with what a recipe has in their place.
pub(super) const WORDS: [(&str, &str); 29] = [
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("elif", "else if"),
    ("elsif", "else if"),
    ("elseif", "else if"),
    ("def", "fn"),
    ("func", "fn"),
    ("function", "fn"),
    ("var", "let"),
    ("then", "{ … }"),
    ("null", "()"),
    ("nil", "()"),
    ("match", "switch"),
    ("case", "switch value { 1 => …, _ => … }"),
    ("foreach", "for"),
    ("unless", "if !"),
    ("mut", "let"),
    ("local", "let"),
    ("int", "let"),
    ("string", "let"),
    ("bool", "let"),
    ("echo", "print(…)"),
    ("raise", "throw"),
    ("except", "catch"),
    ("from", "import \"std/guest\" as guest;"),
    ("include", "import \"std/guest\" as guest;"),
    ("require", "import \"std/guest\" as guest;"),
    ("use", "import \"std/guest\" as guest;"),
];

/// Names of other languages, with what a recipe has in their place.
const NAMES: [(&str, &str); 20] = [
    ("True", "true"),
    ("TRUE", "true"),
    ("yes", "true"),
    ("Yes", "true"),
    ("YES", "true"),
    ("on", "true"),
    ("On", "true"),
    ("ON", "true"),
    ("False", "false"),
    ("FALSE", "false"),
    ("no", "false"),
    ("No", "false"),
    ("NO", "false"),
    ("off", "false"),
    ("Off", "false"),
    ("OFF", "false"),
    ("None", "()"),
    ("nil", "()"),
    ("NULL", "()"),
    ("undefined", "()"),
];

/// Returns what a recipe has in place of a name that it does not know.
pub(in crate::script) fn name(name: &str) -> Option<String> {
    let (_, ours) = NAMES.iter().find(|(theirs, _)| *theirs == name)?;
    Some(format!("write `{ours}`"))
}
