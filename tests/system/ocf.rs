//! The resource agent of Pacemaker, judged by what Debian's packages have to judge agents by.

use super::host::Host;
use super::sandbox::{project, same};
use super::tools::{need, tool};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const DATA: &str = "/usr/share/resource-agents";

#[test]
fn the_tester_of_agents_finds_nothing() {
    need(&["ocf-tester", "xmllint", "dash", "mksh"]);
    // The agent is the same under every shell.
    for shell in ["dash", "mksh", "bash"] {
        let host = Host::new("run\nrun\nrun\n");
        host.recipe("db", "");
        let text = fs::read_to_string(project("packaging/ocf/vmrun")).unwrap();
        let path = tool("sh", &["-c", &format!("command -v {shell}")]);
        let agent = host.path("agent");
        fs::write(&agent, text.replacen("#!/bin/sh", &format!("#!{}", path.trim()), 1)).unwrap();
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
        // It is asked by nobody, too.
        fs::set_permissions(host.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        let agent = agent.display().to_string();
        let params = [
            format!("recipe={}", host.path("db.rhai").display()),
            format!("program={}", env!("CARGO_BIN_EXE_vmrun")),
            "within=5s".into(),
        ];
        let mut words = vec!["-n", "db"];
        params.iter().for_each(|param| words.extend(["-o", param]));
        words.push(&agent);
        let done = host.finish(&mut host.program("ocf-tester", &words));
        assert_eq!(done.code, 0, "{shell}: {done:?}");
        same(
            &host.own(&done.stdout),
            &host.own(
                "
Beginning tests for [tmp]/agent...
* Your agent does not support the notify action (optional)
* Your agent does not support the demote action (optional)
* Your agent does not support the promote action (optional)
* Your agent does not support promotable clones (optional)
* Your agent does not support the reload action (optional)
[tmp]/agent passed all tests
",
            ),
        );
        host.is_clean();
    }
}

#[test]
fn the_meta_data_is_valid_by_the_schema_and_by_the_document_type() {
    need(&["xmllint"]);
    let folder = tempfile::tempdir().unwrap();
    let (data, dtd) = (folder.path().join("meta.xml"), folder.path().join("ra-api-1.dtd"));
    fs::write(&data, tool("sh", &[&project("packaging/ocf/vmrun"), "meta-data"])).unwrap();
    fs::copy(format!("{DATA}/ra-api-1.dtd"), dtd).unwrap();
    let data = data.display().to_string();
    tool("xmllint", &["--noout", "--valid", "--relaxng", &format!("{DATA}/metadata.rng"), &data]);
}
