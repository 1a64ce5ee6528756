//! `vmrun images`: the table of systems, and what their publishers say of their images.

use super::paint::PLAIN;
use super::table::{Column, Cut, Fit, fitted, table};
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::model::Arch;
use crate::model::argv::quote;
use crate::ops::display::terminal::while_it_takes;
use crate::ops::images::{self, Checked, Pin, System, Verifies, Voucher};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ImagesArgs {
    /// Print a JSON list: name, title, amd64, arm64, kind, user, signed, verified, note, fetched
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Ask a publisher for the checksum of an image, and print the pin for a recipe
    Pin(PinArgs),
}

#[derive(Args)]
struct PinArgs {
    /// The images, as `vmrun images` lists them; with --check the recipes whose pins are compared
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The architecture: amd64 or arm64, if not this host's
    #[arg(long, value_parser = arch)]
    arch: Option<Arch>,
    /// Tell which pins of recipes are not what their publishers say any more
    #[arg(long, conflicts_with = "arch")]
    check: bool,
    /// Write the pins of the publishers into the recipes, in the place of old ones
    #[arg(long = "edit", alias = "write", requires = "check")]
    write: bool,
}

fn arch(text: &str) -> Result<Arch, String> {
    let known = [Arch::Amd64, Arch::Arm64].into_iter().find(|arch| arch.to_string() == text);
    known.ok_or_else(|| "amd64 or arm64".into())
}

pub(super) fn run(args: &ImagesArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match &args.what {
        None => list(args.json, term),
        Some(What::Pin(args)) if args.check => check(args, term),
        Some(What::Pin(args)) => pin(args, term),
    }
}

pub(super) fn list(json: bool, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let catalog = images::catalog()?;
    let all: Vec<(&str, &System)> = catalog.systems().collect();
    if json {
        let object = |(name, system): &(&str, &System)| {
            let url = |arch| system.image(name, arch).ok().map(|image| image.url.to_string());
            json!({
                "name": name, "title": system.title, "amd64": url(Arch::Amd64), "arm64": url(Arch::Arm64), "kind": system.kind,
                "user": system.user, "signed": system.signed, "verified": catalog.verifies(system) == Verifies::Yes, "note": system.note, "fetched": fetched(system),
            })
        };
        return Ok(term.json(format!("{:#}", Value::Array(all.iter().map(object).collect())))?);
    }
    let row = |(name, system): &(&str, &System)| {
        let texts = [
            *name,
            &system.arches().join(" "),
            &system.kind,
            &system.user,
            &system.signed,
            verified(catalog.verifies(system)),
            fetched(system),
            &system.note,
        ];
        texts.map(String::from).to_vec()
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let columns =
        ["NAME", "FOR", "KIND", "USER", "CHECKSUMS SIGNED", "VERIFIED", "ADDRESS TRIED", "NOTE"].map(Column::Text);
    let most = term.size().map(|(columns, _)| columns);
    Ok(term.data(most.map_or_else(|| table(&columns, &rows), |most| fitted(&columns, &rows, FIT, most, PLAIN)))?)
}

/// What of it is left out on a terminal that is too narrow: who looks for a system sees its name and what is to be known of it.
const FIT: Fit = Fit {
    cut: &[("CHECKSUMS SIGNED", Cut::End, 30), ("NOTE", Cut::End, 20)],
    left_out: &["ADDRESS TRIED", "CHECKSUMS SIGNED", "KIND", "VERIFIED", "NOTE", "FOR"],
};

/// Whether vmrun verifies who signed the checksums.
const fn verified(verifies: Verifies) -> &'static str {
    match verifies {
        Verifies::Yes => "yes",
        Verifies::WithKeyring => "with a keyring",
        Verifies::No => "no",
    }
}

/// Whether anybody of the project has fetched an image from where the table says it is.
fn fetched(system: &System) -> &'static str {
    if system.is_own { "of config.toml" } else { "not fetched" }
}

fn pin(args: &PinArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut faults = Vec::new();
    for name in &args.names {
        match while_it_takes(&format!("asking the publisher of {name}"), || images::pin(name, args.arch)) {
            Ok(pin) => {
                term.say(about(&pin));
                term.data(written(&pin))?;
            }
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What is to be known of a pin: where it is from, and who vouches for that.
pub(super) fn about(pin: &Pin) -> String {
    let Pin { name, url, checksums, .. } = pin;
    let signed = if pin.signed.is_empty() { "nothing says whether they are signed" } else { &pin.signed };
    let only = if checksums.is_https() { "only HTTPS vouches for it" } else { "nothing vouches for it" };
    let vouched = match &pin.voucher {
        Voucher::Signer(by) => format!("signed: by {}, with the key {}", by.name, by.fingerprint),
        Voucher::Unsigned => format!("signed: {signed}; not verified, {only}"),
        Voucher::NoKeyring => format!(
            "signed: {signed}; not verified, {only}, as no keyring is named that has its publisher's key: `man vmrun-config` tells of `keyring`"
        ),
    };
    format!("{name}: {url} is what {checksums} says it is ({vouched})")
}

fn written(pin: &Pin) -> String {
    let arch = if pin.is_of_host { String::new() } else { format!(", arch: \"{}\"", pin.arch) };
    let digest = &pin.digest;
    format!("images::image({:?}, #{{ {}: {:?}{arch} }})", pin.name, digest.kind().name(), digest.hex())
}

fn check(args: &PinArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut faults = Vec::new();
    for recipe in &args.names {
        if let Err(more) = checked(recipe, args.write, term) {
            faults.extend(more);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn checked(recipe: &str, writes: bool, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let path = PathBuf::from(recipe);
    let checked = images::check(&path)?;
    if checked.is_empty() {
        term.data(format!("{recipe}: no image of the table is fetched"))?;
    }
    let (same, old): (Vec<Checked>, Vec<Checked>) = checked.into_iter().partition(|one| one.has == one.pin.digest);
    for one in same {
        term.say(about(&one.pin));
        term.data(format!("{recipe}: {} is what its publisher has", one.pin.name))?;
    }
    if writes && !old.is_empty() {
        images::write(&path, &old)?;
        for one in old {
            term.say(about(&one.pin));
            term.data(format!("{recipe}: the pin of {} is {} now", one.pin.name, one.pin.digest.hex()))?;
        }
        return Ok(());
    }
    let file = quote(recipe);
    let is_old = |one: &Checked| {
        let fault = Fault::new(format!(
            "{recipe}: the pin of {} is old: it is {}, and its publisher has another one",
            one.pin.name,
            one.has.hex()
        ));
        Diagnostic::error(fault.hint(format!("`vmrun images pin --check --edit {file}` writes {}", written(&one.pin))))
    };
    if old.is_empty() { Ok(()) } else { Err(old.iter().map(is_old).collect()) }
}
