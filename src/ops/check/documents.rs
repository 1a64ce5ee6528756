//! Findings as documents that programs read: JSON, and SARIF of OASIS.

use super::Report;
use crate::diag::{Place, Severity};
use crate::script::check::{Finding, Rule};
use serde_json::{Value, json};

/// Where a stretch begins and ends: lines and columns from 1, in characters; the end is behind the last one.
struct Extent {
    start: (usize, usize),
    end: (usize, usize),
}

impl Extent {
    fn of(place: &Place) -> Self {
        let end = Place { source: place.source.clone(), span: place.span.end..place.span.end };
        Self { start: place.line_column(), end: end.line_column() }
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Returns an object with the findings, each on its own.
pub(crate) fn json(report: &Report) -> String {
    let place = |place: &Place| {
        let Extent { start, end } = Extent::of(place);
        json!({
            "file": place.source.name, "line": start.0, "column": start.1, "end_line": end.0, "end_column": end.1,
        })
    };
    let finding = |finding: &Finding| {
        let diagnostic = &finding.diagnostic;
        let related = diagnostic.trail.iter().map(|(at, label)| json!({ "place": place(at), "label": label }));
        json!({
            "rule": finding.rule.id(), "severity": severity(diagnostic.severity),
            "message": diagnostic.fault.message, "hint": diagnostic.fault.hint,
            "place": diagnostic.place.as_ref().map(place), "related": related.collect::<Vec<_>>(),
        })
    };
    format!(
        "{:#}",
        json!({ "files": report.files(), "findings": report.findings.iter().map(finding).collect::<Vec<_>>() })
    )
}

/// Returns a log of SARIF 2.1.0 (OASIS), as forges show it beside the lines.
pub(crate) fn sarif(findings: &[Finding]) -> String {
    let rules: Vec<Value> = Rule::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id(), "shortDescription": { "text": rule.help() },
                "defaultConfiguration": { "level": severity(rule.severity()) },
            })
        })
        .collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    let driver = json!({
        "name": "vmrun", "version": env!("CARGO_PKG_VERSION"), "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": rules,
    });
    let run = json!({ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results });
    let schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
    format!("{:#}", json!({ "$schema": schema, "version": "2.1.0", "runs": [run] }))
}

fn result(finding: &Finding) -> Value {
    let diagnostic = &finding.diagnostic;
    let text = match &diagnostic.fault.hint {
        Some(hint) => format!("{}\n{hint}", diagnostic.fault.message),
        None => diagnostic.fault.message.clone(),
    };
    let related: Vec<Value> = diagnostic
        .trail
        .iter()
        .enumerate()
        .map(|(at, (place, label))| {
            json!({ "id": at + 1, "message": { "text": label }, "physicalLocation": physical(place) })
        })
        .collect();
    let locations: Vec<Value> =
        diagnostic.place.iter().map(|place| json!({ "physicalLocation": physical(place) })).collect();
    let mut result = json!({
        "ruleId": finding.rule.id(), "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": severity(diagnostic.severity), "message": { "text": text }, "locations": locations,
    });
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    result
}

fn physical(place: &Place) -> Value {
    let Extent { start, end } = Extent::of(place);
    json!({
        "artifactLocation": { "uri": uri(&place.source.name) },
        "region": { "startLine": start.0, "startColumn": start.1, "endLine": end.0, "endColumn": end.1 },
    })
}

/// Returns a path as a reference of RFC 3986: what has a meaning there is written by its bytes.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    if path.starts_with('/') { format!("file://{uri}") } else { uri }
}
