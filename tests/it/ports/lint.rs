//! What portlint(1) and the Porter's Handbook (chapters "Configuring the Makefile" and "Order of Variables") ask of the files of a port, as far as
//! their texts tell: nothing of the ports tree is here.

use std::collections::BTreeMap;

/// The files of a port, by their names.
pub(super) type Port = BTreeMap<&'static str, String>;

/// The blocks of a Makefile, and their variables, in the order that the Handbook gives them. A name that ends in `*` stands for all that begin
/// as it does.
const BLOCKS: &[&[&str]] = &[
    &[
        "PORTNAME",
        "PORTVERSION",
        "DISTVERSIONPREFIX",
        "DISTVERSION",
        "DISTVERSIONSUFFIX",
        "PORTREVISION",
        "PORTEPOCH",
        "CATEGORIES",
        "MASTER_SITES",
        "PKGNAMEPREFIX",
        "PKGNAMESUFFIX",
        "DISTNAME",
        "EXTRACT_SUFX",
        "DISTFILES",
        "DIST_SUBDIR",
        "EXTRACT_ONLY",
    ],
    &["PATCH_SITES", "PATCHFILES", "PATCH_DIST_STRIP"],
    &["MAINTAINER", "COMMENT", "WWW"],
    &[
        "LICENSE",
        "LICENSE_COMB",
        "LICENSE_GROUPS*",
        "LICENSE_NAME*",
        "LICENSE_TEXT*",
        "LICENSE_FILE*",
        "LICENSE_PERMS*",
    ],
    &[
        "DEPRECATED",
        "EXPIRATION_DATE",
        "FORBIDDEN",
        "BROKEN*",
        "IGNORE*",
        "ONLY_FOR_ARCHS",
        "ONLY_FOR_ARCHS_REASON*",
        "NOT_FOR_ARCHS",
        "NOT_FOR_ARCHS_REASON*",
    ],
    &[
        "FETCH_DEPENDS",
        "EXTRACT_DEPENDS",
        "PATCH_DEPENDS",
        "BUILD_DEPENDS",
        "LIB_DEPENDS",
        "RUN_DEPENDS",
        "TEST_DEPENDS",
    ],
    &["FLAVORS"],
    &["USES", "USE_*", "CARGO_*"],
    &["OPTIONS_DEFINE", "OPTIONS_DEFAULT", "OPTIONS_*"],
];

/// The stages of a build, in the order of their targets.
const STAGES: &[&str] = &["fetch", "extract", "patch", "configure", "build", "install", "test"];

/// Programs for which the ports tree has variables: `${RM}` and not `rm`.
const PROGRAMS: &str = "awk basename brandelf cat chmod chown cp cpio dirname echo egrep env expr false file find gmake grep gunzip gzcat gzip \
    install ldconfig ln md5 mkdir mv objcopy paste patch pax perl printf python rm rmdir sed sh sort strip sysctl touch tr unzip which xargs";

/// Variables that no port may set: they are the user's, or those of the ports tree.
const NOT_OURS: &[&str] =
    &["PKGNAME", "NO_CHECKSUM", "MACHINE_ARCH", "ECHO_MSG", "MASTERDIR", "NO_STAGE", "SITE_PERL", "WRKDIR"];

/// All that is wrong with a port, in the order of its files.
pub(super) fn faults(port: &Port) -> Vec<String> {
    let mut found = Vec::new();
    for needed in ["Makefile", "distinfo", "pkg-descr", "pkg-plist"] {
        if !port.contains_key(needed) {
            found.push(format!("there is no {needed}"));
        }
    }
    let text = |name: &str| port.get(name).map_or("", String::as_str);
    let makefile = Makefile::read(text("Makefile"));
    for (name, text) in port {
        form(name, text, &mut found);
    }
    makefile.order(&mut found);
    makefile.targets(&mut found);
    makefile.values(&mut found);
    makefile.words(&mut found);
    commands(text("Makefile"), &mut found);
    description(text("pkg-descr"), &mut found);
    plist(text("pkg-plist"), &makefile, &mut found);
    found
}

/// What each file of a port keeps to.
fn form(name: &str, text: &str, found: &mut Vec<String>) {
    let mut wrong = |at: usize, what: &str| found.push(format!("{name}:{}: {what}", at + 1));
    for (at, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            wrong(at, "space before the end of the line");
        }
        if line.starts_with("        ") {
            wrong(at, "spaces where a tab belongs");
        }
        if !line.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            wrong(at, "is not plain ASCII");
        }
    }
    if let Some(at) = text.find("\n\n\n") {
        wrong(text[..at].lines().count(), "two empty lines");
    }
    if !text.ends_with('\n') || text.ends_with("\n\n") {
        found.push(format!("{name}: does not end with one newline"));
    }
}

/// A Makefile, by its variables and targets.
struct Makefile<'a> {
    text: &'a str,
    /// Each with the number of its paragraph, its name, and its value.
    variables: Vec<(usize, &'a str, &'a str)>,
    targets: Vec<&'a str>,
}

impl<'a> Makefile<'a> {
    fn read(text: &'a str) -> Self {
        let (mut variables, mut targets) = (Vec::new(), Vec::new());
        for (number, paragraph) in text.split("\n\n").enumerate() {
            for line in paragraph.lines().filter(|line| !line.starts_with(['#', '\t', '.'])) {
                if let Some((name, value)) = line.split_once('=') {
                    variables.push((number, name, value));
                } else if let Some((name, _)) = line.split_once(':') {
                    targets.push(name);
                }
            }
        }
        Self { text, variables, targets }
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let (.., value) = self.variables.iter().find(|(_, other, _)| *other == name)?;
        Some(value.trim())
    }

    /// Where a variable stands: its block, and where in it.
    fn place(name: &str) -> Option<(usize, usize)> {
        let name = name.trim_end_matches(['?', '+']);
        let is_it = |other: &&str| other.strip_suffix('*').map_or(*other == name, |start| name.starts_with(start));
        let exact = |other: &&str| *other == name;
        BLOCKS.iter().enumerate().find_map(|(block, names)| {
            let at = names.iter().position(exact).or_else(|| names.iter().position(is_it))?;
            Some((block, at))
        })
    }

    fn order(&self, found: &mut Vec<String>) {
        let mut before: Option<(usize, (usize, usize), &str)> = None;
        for (paragraph, name, value) in &self.variables {
            if !value.starts_with('\t') {
                found.push(format!("Makefile: no tab behind {name}="));
            }
            if name.ends_with('!') || NOT_OURS.contains(name) {
                found.push(format!("Makefile: a port does not set {name}="));
                continue;
            }
            let Some(place) = Self::place(name) else {
                found.push(format!("Makefile: {name} has no place"));
                continue;
            };
            if let Some((last, last_place, last_name)) = before {
                if place < last_place {
                    found.push(format!("Makefile: {name} belongs before {last_name}"));
                } else if (place.0 == last_place.0) != (*paragraph == last) {
                    let what =
                        if *paragraph == last { "an empty line is missing" } else { "an empty line is too much" };
                    found.push(format!("Makefile: {what} before {name}"));
                }
            }
            before = Some((*paragraph, place, name));
        }
        if !self.text.ends_with("\n\n.include <bsd.port.mk>\n") {
            found.push("Makefile: does not end with bsd.port.mk".into());
        }
    }

    fn targets(&self, found: &mut Vec<String>) {
        let mut before = None;
        for name in &self.targets {
            let mut words = name.splitn(3, '-');
            let when = words.next().unwrap_or_default();
            let stage = words.next().and_then(|stage| STAGES.iter().position(|other| *other == stage));
            let (Some(when), Some(stage)) = (["pre", "do", "post"].iter().position(|other| *other == when), stage)
            else {
                found.push(format!("Makefile: {name} is not a port's to make"));
                continue;
            };
            // Of an option what is on stands before what is off.
            let option = words.next().map(|rest| rest.replace("-on", "-0").replace("-off", "-1"));
            let place = Some((stage, when, option));
            if place <= before {
                found.push(format!("Makefile: {name} belongs before what is there"));
            }
            before = place;
        }
    }

    fn values(&self, found: &mut Vec<String>) {
        let mut wrong = |what: &str| found.push(format!("Makefile: {what}"));
        for name in
            ["PORTNAME", "CATEGORIES", "MASTER_SITES", "MAINTAINER", "COMMENT", "WWW", "LICENSE", "LICENSE_FILE"]
        {
            if self.value(name).is_none_or(str::is_empty) {
                wrong(&format!("there is no {name}"));
            }
        }
        let of = |name: &str| self.value(name).unwrap_or_default();
        if !of("PORTNAME").bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte)) {
            wrong("PORTNAME has a character that no package may have");
        }
        match (self.value("PORTVERSION"), self.value("DISTVERSION")) {
            (None, Some(version)) | (Some(version), None) => {
                if !version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
                    wrong("the version has a character that no version may have");
                }
            }
            _ => wrong("there is not one of PORTVERSION and DISTVERSION"),
        }
        if ["PORTREVISION", "PORTEPOCH"].iter().any(|name| self.value(name).is_some()) {
            wrong("a new port has neither PORTREVISION nor PORTEPOCH");
        }
    }

    /// What is said of the port in words.
    fn words(&self, found: &mut Vec<String>) {
        let mut wrong = |what: &str| found.push(format!("Makefile: {what}"));
        let of = |name: &str| self.value(name).unwrap_or_default();
        let maintainer = of("MAINTAINER");
        if maintainer.split('@').count() != 2 || maintainer.contains([' ', ',', '<', '(']) {
            wrong("MAINTAINER is not one address");
        }
        if maintainer.eq_ignore_ascii_case("ports@freebsd.org") {
            wrong("MAINTAINER of a new port is a person");
        }
        let comment = of("COMMENT");
        let first = comment.split(' ').next().unwrap_or_default();
        if !first.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit()) || comment.ends_with('.') {
            wrong("COMMENT begins with a capital, and ends without a full stop");
        }
        if comment.len() > 70 {
            wrong("COMMENT is longer than 70 characters");
        }
        if ["a", "an", "the", of("PORTNAME")].iter().any(|word| first.eq_ignore_ascii_case(word)) {
            wrong("COMMENT begins with an article, or with the name of the port");
        }
        if of("LICENSE").contains(' ') && self.value("LICENSE_COMB").is_none() {
            wrong("there are licences, and no LICENSE_COMB");
        }
        if !of("WWW").is_empty() && !of("WWW").starts_with("https://") {
            wrong("WWW is not https://");
        }
        if self.value("ONLY_FOR_ARCHS").is_some() && self.value("ONLY_FOR_ARCHS_REASON").is_none() {
            wrong("ONLY_FOR_ARCHS has no reason");
        }
        for name in ["CATEGORIES", "ONLY_FOR_ARCHS", "OPTIONS_DEFINE"] {
            let words: Vec<&str> = of(name).split(' ').collect();
            if name != "CATEGORIES" && !words.is_sorted() || (1..words.len()).any(|at| words[..at].contains(&words[at]))
            {
                wrong(&format!("{name} is not in order"));
            }
        }
        for name in ["COMMENT", "ONLY_FOR_ARCHS_REASON", "IGNORE", "BROKEN"] {
            if of(name).starts_with('"') {
                wrong(&format!("{name} is quoted"));
            }
        }
    }
}

/// What commands of a Makefile are called by, and which paths they name.
fn commands(text: &str, found: &mut Vec<String>) {
    let programs: Vec<&str> = PROGRAMS.split_whitespace().collect();
    // Sentences are no commands.
    let is_text = |line: &str| {
        ["COMMENT", "ONLY_FOR_ARCHS_REASON", "CATEGORIES", "USES", "MAINTAINER"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let mut wrong = |what: String| found.push(format!("Makefile:{}: {what}", at + 1));
        if line.contains("$(") {
            wrong("$(NAME) where ${NAME} belongs".into());
        }
        if line.starts_with(".elseif") || line.starts_with(".else if") {
            wrong(".elif is what every make knows".into());
        }
        for told in ["${MKDIR} -p", "${GZIP_CMD} -9", "${CHMOD}", "${RM} -f"] {
            if line.contains(told) {
                wrong(format!("{told} is said already"));
            }
        }
        if is_text(line) {
            continue;
        }
        for word in line.split([' ', '\t', ';']).map(|word| word.trim_start_matches(['@', '-'])) {
            if programs.contains(&word) {
                wrong(format!("{word} where the ports tree has a variable"));
            }
            if word.starts_with('/') || word.contains("=/") || word.contains("/usr/local") {
                wrong(format!("{word} is an absolute path"));
            }
            if ["files/", "work/", "scripts/", "patches/", "distfiles/"].iter().any(|folder| word.starts_with(folder)) {
                wrong(format!("{word} where the ports tree has a variable"));
            }
        }
    }
}

fn description(text: &str, found: &mut Vec<String>) {
    if text.lines().count() > 24 {
        found.push("pkg-descr: is longer than 24 lines".into());
    }
    for (at, line) in text.lines().enumerate() {
        if line.len() > 80 {
            found.push(format!("pkg-descr:{}: is wider than 80 columns", at + 1));
        }
        // It is a variable of the Makefile since 2022.
        if line.starts_with("WWW:") || line.contains("://") {
            found.push(format!("pkg-descr:{}: an address is the Makefile's WWW", at + 1));
        }
    }
}

fn plist(text: &str, makefile: &Makefile<'_>, found: &mut Vec<String>) {
    let options = makefile.value("OPTIONS_DEFINE").unwrap_or_default();
    let data = format!("share/{}/", makefile.value("PORTNAME").unwrap_or_default());
    let mut before = ("", "");
    for (at, line) in text.lines().enumerate() {
        let mut wrong = |what: String| found.push(format!("pkg-plist:{}: {what}", at + 1));
        let path = line.rsplit("%%").next().unwrap_or_default();
        let marks = line.strip_suffix(path).unwrap_or_default();
        if path.starts_with('/') && marks.is_empty() {
            wrong("is an absolute path".into());
        }
        for (start, mark) in [("share/doc/", "DOCSDIR"), ("share/examples/", "EXAMPLESDIR"), (data.as_str(), "DATADIR")]
        {
            if path.starts_with(start) {
                wrong(format!("%%{mark}%% is what this begins with"));
            }
        }
        for (option, folder) in [("DOCS", "DOCSDIR"), ("EXAMPLES", "EXAMPLESDIR")] {
            let is_of_option = marks.contains(&format!("%%PORT{option}%%"));
            if is_of_option && !options.split(' ').any(|other| other == option) {
                wrong(format!("OPTIONS_DEFINE has no {option}"));
            }
            if is_of_option != marks.contains(&format!("%%{folder}%%")) {
                wrong(format!("%%PORT{option}%% and %%{folder}%% belong together"));
            }
        }
        if path.contains("/man/man") && path.rsplit('.').next() != Some("gz") {
            wrong("a page of the manual that is not compressed".into());
        }
        if line.starts_with('@') || path.contains(".DS_Store") {
            wrong("is no file that a package has".into());
        }
        if (marks, path) <= before {
            wrong("is not in order".into());
        }
        before = (marks, path);
    }
}
