//! Documentation as pages of the manual.

use crate::diag::Fault;
use crate::script::docs::Module;
use crate::script::words::{self, WordKind};
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The date of the pages: that of the release, so that the same program writes the same page.
const DATE: &str = "2026-11-27";

/// Returns the page of all words, for section 5.
pub(super) fn words() -> Result<String, Fault> {
    let mut roff = page("vmrun-recipe", "the words of recipes", "vmrun-recipe");
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
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("vmrun(1), bhyve(8)")]);
    text(&roff)
}

/// Returns the page of a library, for section 5.
pub(super) fn library(name: &str, modules: &[Module]) -> Result<String, Fault> {
    let name = name.trim_matches('/').rsplit('/').next().unwrap_or(name);
    let mut roff = page(&format!("vmrun-{name}"), "a library of recipes", name);
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

fn page(name: &str, about: &str, title: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("TH", [title.to_uppercase().as_str(), "5", DATE, "vmrun"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    roff
}

fn term(roff: &mut Roff, name: &str, help: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text(inlines(help));
}

/// What stands between backticks is bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts
        .filter(|(_, part)| !part.is_empty())
        .map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) })
        .collect()
}

/// Paragraphs, and what is between fences or indented as it is.
fn prose(roff: &mut Roff, about: &str) {
    let (mut in_fence, mut as_it_is, mut paragraph) = (false, false, Vec::new());
    // Below a headline there is a gap already.
    let mut is_first = true;
    let mut gap = |roff: &mut Roff| {
        if !std::mem::take(&mut is_first) {
            roff.control("PP", []);
        }
    };
    let mut flush = |roff: &mut Roff, paragraph: &mut Vec<&str>, more: bool| {
        if !paragraph.is_empty() {
            gap(roff);
            roff.text(inlines(&paragraph.join(" ")));
            paragraph.clear();
        }
        if more {
            gap(roff);
        }
    };
    for line in about.lines() {
        let is_mark = line.starts_with("```");
        in_fence ^= is_mark;
        let verbatim = in_fence || line.starts_with("    ");
        if verbatim != as_it_is {
            flush(roff, &mut paragraph, verbatim);
            roff.control(if verbatim { "nf" } else { "fi" }, []);
            as_it_is = verbatim;
        }
        match line.trim() {
            _ if is_mark => {}
            _ if verbatim => drop(roff.text([roman(line)])),
            "" => flush(roff, &mut paragraph, false),
            words => paragraph.push(words),
        }
    }
    flush(roff, &mut paragraph, false);
    if as_it_is {
        roff.control("fi", []);
    }
}

fn text(roff: &Roff) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    roff.to_writer(&mut bytes).map_err(|error| Fault::host(format!("cannot write the page: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
