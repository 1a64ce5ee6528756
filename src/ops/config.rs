//! The configuration: what `config.toml` says. All of it is optional.

use crate::diag::{Diagnostic, Fault, Place, Source, suggest};
use crate::image::catalog;
use crate::library::allowed;
use std::path::PathBuf;
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// Every key, in the order in which they are told.
pub(super) const KEYS: [&str; 5] = ["hosts", "leases", "recipes", "start", "viewer"];

/// The values of `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The hosts that may run machines, by name or address.
    pub hosts: Vec<String>,
    /// The files of DHCP servers in which it is looked up where a guest is, if not those of their packages.
    pub leases: Vec<PathBuf>,
    /// The folders in which recipes are looked for.
    pub recipes: Vec<PathBuf>,
    /// The machines that `vmrun start --all` starts, by name or by recipe.
    pub start: Vec<String>,
    /// The viewer and its arguments; `{host}` and `{port}` stand for where the screen is.
    pub viewer: Vec<String>,
}

/// Reads the text of `config.toml`.
pub fn parse(name: &str, text: &str) -> Result<Config, Vec<Diagnostic>> {
    let source = Rc::new(Source { name: name.into(), text: text.into() });
    let at = |fault: Fault, span: std::ops::Range<usize>| {
        Diagnostic::error(fault.blame(crate::diag::Blame::Usage)).at(Place { source: source.clone(), span })
    };
    let table = DeTable::parse(text).map_err(|error| {
        let fault = Fault::new(error.message().to_string()).hint("the configuration is TOML: https://toml.io");
        vec![at(fault, error.span().unwrap_or(text.len()..text.len()))]
    })?;
    let mut config = Config::default();
    let mut faults = Vec::new();
    for (key, value) in table.get_ref() {
        let values = || list(value.get_ref());
        match (key.get_ref().as_ref(), values()) {
            // What libraries may do is asked for where one does it.
            (allowed::KEY, _) => match value.get_ref() {
                DeValue::Table(table) => {
                    if let Err((fault, span)) = allowed::read(table) {
                        faults.push(at(fault, span));
                    }
                }
                _ => faults.push(at(allowed::not_a_table(), value.span())),
            },
            ("images", _) => match value.get_ref() {
                DeValue::Table(table) => {
                    if let Err((fault, span)) = catalog::read(table, true) {
                        faults.push(at(fault, span));
                    }
                }
                _ => faults.push(at(catalog::not_a_table(), value.span())),
            },
            (name, _) if !KEYS.contains(&name) => {
                let fault = Fault::new(format!("there is no key `{name}`"));
                let fault = fault.hint(format!("keys: {}", suggest::list(KEYS)));
                faults.push(at(fault.did_you_mean(name, KEYS), key.span()));
            }
            (name, None) => {
                let fault = Fault::new(format!("`{name}` is a list of texts"));
                faults.push(at(fault.hint(example(name)), value.span()));
            }
            ("hosts", Some(hosts)) => config.hosts = hosts,
            ("leases", Some(files)) => config.leases = files.into_iter().map(PathBuf::from).collect(),
            ("recipes", Some(folders)) => config.recipes = folders.into_iter().map(PathBuf::from).collect(),
            ("start", Some(machines)) => config.start = machines,
            (_, Some(viewer)) if viewer.is_empty() => {
                faults.push(at(Fault::new("`viewer` names no program").hint(example("viewer")), value.span()));
            }
            (_, Some(viewer)) => config.viewer = viewer,
        }
    }
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

fn example(key: &str) -> &'static str {
    match key {
        "hosts" => "hosts = [\"192.168.2.5\", \"192.168.2.6\"]",
        "leases" => "leases = [\"/var/db/dnsmasq.leases\"]",
        "recipes" => "recipes = [\"/usr/local/etc/vmrun/recipes\"]",
        "start" => "start = [\"db\", \"web\"]",
        _ => "viewer = [\"vncviewer\", \"{host}:{port}\"]",
    }
}

/// Reads a list of texts.
fn list(value: &DeValue<'_>) -> Option<Vec<String>> {
    let DeValue::Array(all) = value else { return None };
    let text = |value: &DeValue<'_>| if let DeValue::String(text) = value { Some(text.to_string()) } else { None };
    all.iter().map(|value| text(value.get_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::snippet::{Colour, draw};

    #[test]
    fn every_key_is_read_and_none_is_needed() {
        let text = "hosts = [\"10.0.0.5\", \"vm6\"]\nleases = [\"/x\"]\nrecipes = [\"/vm/recipes\"]\nstart = [\"db\"]\nviewer = [\"v\", \"{host}\"]\n";
        let config = Config {
            hosts: vec!["10.0.0.5".into(), "vm6".into()],
            leases: vec!["/x".into()],
            recipes: vec!["/vm/recipes".into()],
            start: vec!["db".into()],
            viewer: vec!["v".into(), "{host}".into()],
        };
        assert_eq!(parse("config.toml", text), Ok(config));
        assert_eq!(parse("config.toml", "# nothing\n"), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        let said = |text: &str| {
            let faults = parse("config.toml", text).unwrap_err();
            faults.iter().map(|fault| draw(fault, Colour::Plain)).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            said("host = []\nviewer = \"vncviewer\"\nrecipes = [1]\n"),
            "\
error: there is no key `host`
 --> config.toml:1:1
  |
1 | host = []
  | ^^^^
  |
  = hint: did you mean `hosts`?
error: `recipes` is a list of texts
 --> config.toml:3:11
  |
3 | recipes = [1]
  |           ^^^
  |
  = hint: recipes = [\"/usr/local/etc/vmrun/recipes\"]
error: `viewer` is a list of texts
 --> config.toml:2:10
  |
2 | viewer = \"vncviewer\"
  |          ^^^^^^^^^^^
  |
  = hint: viewer = [\"vncviewer\", \"{host}:{port}\"]"
        );
        assert_eq!(
            said("viewer = []"),
            "\
error: `viewer` names no program
 --> config.toml:1:10
  |
1 | viewer = []
  |          ^^
  |
  = hint: viewer = [\"vncviewer\", \"{host}:{port}\"]"
        );
        assert_eq!(
            said("hosts = ["),
            "\
error: unclosed array, expected `]`
 --> config.toml:1:10
  |
1 | hosts = [
  |          ^
  |
  = hint: the configuration is TOML: https://toml.io"
        );
    }
}
