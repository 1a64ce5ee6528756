//! The port of FreeBSD: what it fetches, what it installs, and how it is written.

mod lint;

use super::golden;
use super::install::{files, install_with};
use super::sandbox::{Sandbox, project, same};
use lint::Port;
use std::fs;

/// The files of an installation as a port's plist names them: manuals are compressed after they were installed, and what is an option
/// stands behind its name.
fn plist(files: &[String]) -> String {
    let line = |file: &String| match file.split_once('/') {
        Some(("share", rest)) if rest.starts_with("man/") => format!("share/{rest}.gz\n"),
        Some(("share", rest)) => match (rest.strip_prefix("doc/vmrun/"), rest.strip_prefix("examples/vmrun/")) {
            (Some(name), _) => format!("%%PORTDOCS%%%%DOCSDIR%%/{name}\n"),
            (_, Some(name)) => format!("%%PORTEXAMPLES%%%%EXAMPLESDIR%%/{name}\n"),
            _ => match rest.strip_prefix("vmrun/") {
                Some(name) => format!("%%DATADIR%%/{name}\n"),
                None => format!("share/{rest}\n"),
            },
        },
        _ => format!("{file}\n"),
    };
    let mut lines: Vec<String> = files.iter().map(line).collect();
    let place = |line: &String| line.rsplit("%%").next().unwrap_or_default().to_string();
    lines.sort_by_key(|line| (line.starts_with("%%"), line.split('/').next().map(String::from), place(line)));
    lines.concat()
}

#[test]
fn the_plist_of_the_port_is_what_an_installation_on_freebsd_has() {
    let sandbox = Sandbox::new();
    install_with(&sandbox, &[("SYSTEM", "freebsd"), ("PACKAGED", "yes")]);
    golden::check([("packaging/freebsd-port/pkg-plist".into(), plist(&files(&sandbox)))]);
}

#[test]
fn the_port_fetches_the_crates_of_the_lock_file() {
    let sandbox = Sandbox::new();
    let done = sandbox.finish(&mut sandbox.program("sh", &[&project("tools/port-crates.sh")]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    golden::check([("packaging/freebsd-port/Makefile.crates".into(), done.stdout.clone())]);
    // Everything in the lock file but vmrun itself.
    let lock = fs::read_to_string(project("Cargo.lock")).unwrap();
    assert_eq!(done.stdout.lines().count() + 1, lock.matches("[[package]]").count());
}

/// The files of the port, as a committer gets them.
fn port() -> Port {
    let mut port = Port::new();
    for name in ["Makefile", "Makefile.crates", "distinfo", "pkg-descr", "pkg-plist"] {
        if let Ok(text) = fs::read_to_string(project("packaging/freebsd-port") + "/" + name) {
            port.insert(name, text);
        }
    }
    port
}

/// vmrun has no address of its own yet: what whoever submits the port has to add.
const OF_AN_ADDRESS: &[&str] = &[
    "there is no distinfo",
    "Makefile: there is no MASTER_SITES",
    "Makefile: there is no WWW",
    "Makefile: MAINTAINER of a new port is a person",
];

#[test]
fn the_port_lacks_only_what_takes_an_address() {
    let port = port();
    assert_eq!(lint::faults(&port), OF_AN_ADDRESS);
    let version = format!("\nDISTVERSION=\t{}\n", env!("CARGO_PKG_VERSION"));
    assert!(port["Makefile"].contains(&version), "the version is the program's");
    // With an address nothing is left.
    let mut whole = port;
    let makefile = whole["Makefile"].replace("=\tports@FreeBSD.org\n", "=\tann@example.org\n");
    let makefile =
        makefile.replace("\nCATEGORIES=\tsysutils\n", "\nCATEGORIES=\tsysutils\nMASTER_SITES=\thttps://example.org/\n");
    let makefile = makefile.replace(" recipes\n\nLICENSE", " recipes\nWWW=\t\thttps://example.org/\n\nLICENSE");
    whole.insert("Makefile", makefile);
    whole.insert("distinfo", "TIMESTAMP = 1764547200\n".into());
    assert_eq!(lint::faults(&whole), [""; 0]);
}

/// Each with the file, what stands there, what another one had, and what is said of that.
const CHANGES: &[(&str, &str, &str, &[&str])] = &[
    ("Makefile", "PORTNAME=\tvmrun", "PORTNAME= vmrun", &["Makefile: no tab behind PORTNAME="]),
    (
        "Makefile",
        "PORTNAME=\tvmrun",
        "PORTNAME=\tvm!run",
        &["Makefile: PORTNAME has a character that no package may have"],
    ),
    (
        "Makefile",
        "CATEGORIES=",
        "PORTREVISION=\t1\nCATEGORIES=",
        &["Makefile: a new port has neither PORTREVISION nor PORTEPOCH"],
    ),
    ("Makefile", "CATEGORIES=", "WRKDIR=\tx\nCATEGORIES=", &["Makefile: a port does not set WRKDIR="]),
    ("Makefile", "CATEGORIES=", "NAMES=\tx\nCATEGORIES=", &["Makefile: NAMES has no place"]),
    ("Makefile", "CATEGORIES=\tsysutils", "CATEGORIES=\tsysutils sysutils", &["Makefile: CATEGORIES is not in order"]),
    ("Makefile", "\n\nLICENSE=", "\nLICENSE=", &["Makefile: an empty line is missing before LICENSE"]),
    ("Makefile", "\nLICENSE_FILE=", "\n\nLICENSE_FILE=", &["Makefile: an empty line is too much before LICENSE_FILE"]),
    (
        "Makefile",
        "LICENSE=\tBSD2CLAUSE",
        "LICENSE=\tBSD2CLAUSE MIT",
        &["Makefile: there are licences, and no LICENSE_COMB"],
    ),
    ("Makefile", "\nONLY_FOR_ARCHS_REASON=\tbhyve(8) runs on these", "", &["Makefile: ONLY_FOR_ARCHS has no reason"]),
    ("Makefile", "aarch64 amd64", "amd64 aarch64", &["Makefile: ONLY_FOR_ARCHS is not in order"]),
    (
        "Makefile",
        "USES=\t\tcargo\n\nOPTIONS_DEFINE=\tDOCS EXAMPLES",
        "OPTIONS_DEFINE=\tDOCS EXAMPLES\n\nUSES=\t\tcargo",
        &["Makefile: USES belongs before OPTIONS_DEFINE"],
    ),
    (
        "Makefile",
        "COMMENT=\tRun",
        "COMMENT=\tA run",
        &["Makefile: COMMENT begins with an article, or with the name of the port"],
    ),
    (
        "Makefile",
        "COMMENT=\tRun",
        "COMMENT=\trun",
        &["Makefile: COMMENT begins with a capital, and ends without a full stop"],
    ),
    (
        "Makefile",
        "rehearsed recipes",
        "rehearsed recipes.",
        &["Makefile: COMMENT begins with a capital, and ends without a full stop"],
    ),
    (
        "Makefile",
        "rehearsed recipes",
        "rehearsed recipes that are longer than it",
        &["Makefile: COMMENT is longer than 70 characters"],
    ),
    ("Makefile", "ports@FreeBSD.org", "Ann <ann@example.org>", &["Makefile: MAINTAINER is not one address"]),
    (
        "Makefile",
        "\t${RM} -r ${STAGEDIR}${DOCSDIR}",
        "\trm -r ${STAGEDIR}${DOCSDIR}",
        &["Makefile:29: rm where the ports tree has a variable"],
    ),
    (
        "Makefile",
        "\t${RM} -r ${STAGEDIR}${DOCSDIR}",
        "\t${RM} -r ${STAGEDIR}/usr/local/share/doc",
        &["Makefile:29: ${STAGEDIR}/usr/local/share/doc is an absolute path"],
    ),
    (
        "Makefile",
        "\t${RM} -r ${STAGEDIR}${DOCSDIR}",
        "        ${RM} -r $(STAGEDIR)${DOCSDIR}",
        &["Makefile:29: spaces where a tab belongs", "Makefile:29: $(NAME) where ${NAME} belongs"],
    ),
    ("Makefile", "do-install:", "install:", &["Makefile: install is not a port's to make"]),
    ("Makefile", "post-install-EXAMPLES-off:", "pre-install:", &["Makefile: pre-install belongs before what is there"]),
    ("Makefile", "\n.include <bsd.port.mk>\n", "", &["Makefile: does not end with bsd.port.mk"]),
    ("Makefile", "\nUSES=", "\n\nUSES=", &["Makefile:16: two empty lines"]),
    ("pkg-descr", "run ends. There", "run ends \u{2013} there", &["pkg-descr:4: is not plain ASCII"]),
    (
        "pkg-descr",
        "A recipe is a program, as\nflexible",
        "A recipe is a program, as flexible",
        &["pkg-descr:1: is wider than 80 columns"],
    ),
    (
        "pkg-descr",
        "bhyve is not.\n",
        "bhyve is not.\n\nWWW: https://example.org/\n",
        &["pkg-descr:7: an address is the Makefile's WWW"],
    ),
    ("pkg-plist", "bin/vmrun\n", "bin/vmrun \n", &["pkg-plist:1: space before the end of the line"]),
    ("pkg-plist", "bin/vmrun\n", "/bin/vmrun\n", &["pkg-plist:1: is an absolute path"]),
    ("pkg-plist", "man1/vmrun.1.gz", "man1/vmrun.1", &["pkg-plist:61: a page of the manual that is not compressed"]),
    (
        "pkg-plist",
        "bin/vmrun\n",
        "bin/vmrun\n@exec true\n",
        &["pkg-plist:2: is no file that a package has", "pkg-plist:2: is not in order"],
    ),
    (
        "pkg-plist",
        "share/zsh/site-functions/_vmrun\n%%DATADIR%%/",
        "share/vmrun/",
        &["pkg-plist:65: %%DATADIR%% is what this begins with"],
    ),
    (
        "pkg-plist",
        "%%PORTDOCS%%%%DOCSDIR%%/L",
        "%%PORTDOCS%%share/doc/vmrun/L",
        &[
            "pkg-plist:67: %%DOCSDIR%% is what this begins with",
            "pkg-plist:67: %%PORTDOCS%% and %%DOCSDIR%% belong together",
        ],
    ),
    (
        "pkg-plist",
        "%%PORTDOCS%%%%DOCSDIR%%/L",
        "%%DOCSDIR%%/L",
        &["pkg-plist:67: %%PORTDOCS%% and %%DOCSDIR%% belong together"],
    ),
];

#[test]
fn a_port_that_is_written_otherwise_is_found() {
    let port = port();
    let (mut found, mut wanted) = (String::new(), String::new());
    for (name, before, after, expected) in CHANGES {
        let mut changed = port.clone();
        let text = port[name].replacen(before, after, 1);
        assert_ne!(text, port[name], "{before}");
        changed.insert(name, text);
        let mut faults = lint::faults(&changed);
        faults.retain(|fault| !OF_AN_ADDRESS.contains(&fault.as_str()));
        found += &format!("{after:?}: {}\n", faults.join("; "));
        wanted += &format!("{after:?}: {}\n", expected.join("; "));
    }
    same(&found, &wanted);
}
