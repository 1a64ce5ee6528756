//! The first files of a new library.

use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::library_tree;
use crate::library::manifest;
use std::path::{Path, PathBuf};

/// Each file, in which `NAME` is the library's and `ALIAS` how a recipe writes it.
const FILES: [(&str, &str); 4] = [
    (
        "lib.rhai",
        r#"//! NAME: say in a sentence what it is for.
//!
//! ```rhai
//! import "NAME" as ALIAS;
//! ALIAS::machine(#{ name: "lab", memory: 1.GiB, disk: "/vm/lab.img" }).run();
//! ```

/// Describes a machine with one disk; the recipe may change it, and runs it.
fn machine(of) {
    known_keys(of, ["name", "memory", "disk"], ["cpus"]);
    bhyve(#{
        name: of.name, cpus: of.get("cpus"), memory: of.memory, bootrom: uefi(),
        slots: #{ "0": hostbridge(), "4": virtio_blk(of.disk), "31": lpc() },
    })
}
"#,
    ),
    (
        "example.rhai",
        r#"// How a recipe uses the library; lib_test.rhai runs it.
import "./lib" as ALIAS;

ALIAS::machine(#{ name: "lab", memory: 1.GiB, disk: "/vm/lab.img" }).run();
"#,
    ),
    (
        "lib_test.rhai",
        r#"// Tests of the library.

fn test_the_example_boots_from_its_disk() {
    host(#{ release: "15.0", files: ["/vm/lab.img"] });
    let r = recipe("example.rhai");
    assert_clean(r);
    assert(r.plan.contains("-s 4,virtio-blk,/vm/lab.img"));
}

fn test_a_disk_that_is_not_there_is_told() {
    host(#{ release: "15.0" });
    assert_error(recipe("example.rhai"), "/vm/lab.img is not there");
}
"#,
    ),
    (
        "README.md",
        r#"# NAME

Say here what the library is for, and what its functions may be given.

```rhai
import "NAME" as ALIAS;
ALIAS::machine(#{ name: "lab", memory: 1.GiB, disk: "/vm/lab.img" }).run();
```

Beside the recipes that use it: `vmrun lib add NAME URL`. A release is a tag: `git tag v1.0.0`. What a library may
change is decided by the recipe that uses it: keep to what you are given.
"#,
    ),
];

/// Makes a library in a folder of its own, and returns its files.
pub(crate) fn make(folder: &Path, name: &str) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    manifest::check_name(name).map_err(|fault| fault.blame(Blame::Usage))?;
    let root = folder.join(name);
    if library_tree::is_folder(&root) {
        return Err(Fault::usage(format!("{} is there already", root.display())).hint("choose another name").into());
    }
    library_tree::make_folder(&root)?;
    for (file, text) in FILES {
        let text = text.replace("NAME", name).replace("ALIAS", &name.replace('-', "_"));
        library_tree::put(&root.join(file), text.as_bytes())?;
    }
    Ok(FILES.iter().map(|(file, _)| root.join(file)).collect())
}
