//! Documentation as pages of the manual.

use super::super::roff::{page, prose, term, text};
use crate::diag::Fault;
use crate::model::gate::GATES;
use crate::script::docs::Module;
use crate::script::words::{self, WordKind};
use clap_mangen::roff::{Roff, roman};

/// What the recipe language is, for those who never saw Rhai.
const LANGUAGE: &str = include_str!("language.md");

/// What is said of releases before the list of what came when.
const RELEASES: &str = "\
A host of another kind is named as freebsd-14.3, freebsd-14.4, freebsd-14.5, freebsd-15.0, freebsd-15.1 or freebsd-16.
freebsd-14 and freebsd-15 are the newest of these, and freebsd is the host's own release, or else the newest that is out. A
host that is older or newer than all of them is treated as the nearest. What came when:";

/// Returns the page of the recipe language with all words, for section 5.
pub(super) fn words() -> Result<String, Fault> {
    let mut roff = page("vmrun-recipe", "the language of recipes", "vmrun-recipe", "5");
    roff.control("SH", ["DESCRIPTION"]);
    prose(&mut roff, LANGUAGE);
    for (kind, headline) in WordKind::ALL {
        roff.control("SH", [headline.split(':').next().unwrap_or(headline).to_uppercase().as_str()]);
        for row in words::all().filter(|row| row.kind() == kind) {
            term(&mut roff, &row.usage(), row.help());
            let options = row.options();
            if !options.is_empty() {
                roff.control("RS", []);
                options.iter().for_each(|(name, help)| term(&mut roff, name, help));
                roff.control("RE", []);
            }
        }
    }
    roff.control("SH", ["VARIABLES"]);
    words::variables().iter().for_each(|(name, help)| term(&mut roff, name, help));
    releases(&mut roff);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("vmrun(1), vmrun.toml(5), vmrun-config(5), bhyve(8)")]);
    text(&roff)
}

/// Adds what not every release of FreeBSD has.
fn releases(roff: &mut Roff) {
    roff.control("SH", ["RELEASES"]);
    prose(roff, RELEASES);
    for gate in &GATES {
        let before = gate.before.map(|before| format!("; before it, {before}")).unwrap_or_default();
        term(roff, gate.option, &format!("{}{before} ({}: {}).", gate.since, gate.certainty.word(), gate.source));
    }
}

/// Returns the page of a library, for section 5.
pub(super) fn library(name: &str, modules: &[Module]) -> Result<String, Fault> {
    let name = name.trim_matches('/').rsplit('/').next().unwrap_or(name);
    let mut roff = page(&format!("vmrun-{name}"), "a library of recipes", name, "5");
    for module in modules {
        roff.control("SH", [module.name.to_uppercase().as_str()]);
        prose(&mut roff, &module.about);
        let alias = module.name.rsplit('/').next().unwrap_or_default().replace('-', "_");
        for function in &module.functions {
            roff.control("SS", [format!("{alias}::{}", function.usage()).as_str()]);
            prose(&mut roff, &function.about);
        }
    }
    text(&roff)
}
