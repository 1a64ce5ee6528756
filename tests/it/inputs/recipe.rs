//! Recipes: whatever the text, it is checked, and refused or planned, and what is wrong can be drawn.

use std::rc::Rc;
use vmrun::internals::diag::snippet::{Colour, draw};
use vmrun::internals::diag::{Blame, Diagnostic, Source};
use vmrun::internals::model::Target;
use vmrun::internals::script::check::Inspector;
use vmrun::internals::script::{Inputs, Recipe};
use vmrun::internals::supervise::rehearse;

const RECIPES: [&str; 5] = [
    include_str!("../../../recipes/demo.rhai"),
    include_str!("../../../recipes/install.rhai"),
    include_str!("../../../recipes/report1.rhai"),
    include_str!("../../../stdlib/guest.rhai"),
    include_str!("../all.rhai"),
];

/// The recipes that are there, their statements one by one, and what each kind of word is called with.
pub fn seeds() -> Vec<Vec<u8>> {
    let statements = RECIPES.iter().flat_map(|text| text.split_inclusive(";\n"));
    let small = [
        "let vm = bhyve(#{ name: \"a\" }); vm.slot(3, virtio_blk(\"/vm/a\")); vm.cpus = 2; vm.run();",
        "defer(|| run(\"a\", [\"b\"])); let a = query(\"c\"); throw a + 1.GiB + param(\"x\", 2);",
        "import \"std/guest\" as guest; guest::linux(#{ name: \"a\", memory: 1.GiB, disks: [] }).run();",
        "netboot(#{ os: \"rocky\", mirror: \"http://a\", args: \"quiet\", host: \"a\", address: \"10.0.0.2\" });",
        "let e = epair(); bridge(\"b0\", #{ create: true, address: [\"10.0.0.1/24\"] }).add(vlan(e.a, 82, #{ mtu: 1400 }));",
        "vxlan(\"vxlan0\", #{ id: 108, local: \"10.0.0.1\", remote: \"10.0.0.2\", dev: \"em0\", port: 4789 });",
        "epair(\"epair7\", #{ up: false }); default_router(\"10.0.0.7\"); vlan(\"ix0\", 1, #{ name: \"v\", description: \"d\" });",
    ];
    RECIPES.iter().copied().chain(statements).chain(small).map(|text| text.as_bytes().to_vec()).collect()
}

pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A module beside the recipe would be a file of this host.
    if text.contains("import") && text.contains("./") {
        return;
    }
    let source = Rc::new(Source { name: "lab.rhai".into(), text: text.into() });
    let checked = Inspector::default().text(&source, None);
    checked.findings.iter().for_each(|finding| drawn(&finding.diagnostic));
    let recipe = match Recipe::parse("lab.rhai", text) {
        Ok(recipe) => recipe,
        Err(faults) => return faults.iter().for_each(drawn),
    };
    recipe.params();
    for init in [true, false] {
        let outcome = rehearse(&recipe, Target::default(), &[Inputs { init, ..Inputs::default() }]);
        outcome.warnings.iter().chain(&outcome.faults).for_each(drawn);
    }
}

fn drawn(diagnostic: &Diagnostic) {
    // A recipe may throw any words, but then they are its own.
    let failed = diagnostic.fault.blame == Blame::Host && diagnostic.fault.message.starts_with("vmrun itself failed");
    assert!(!failed, "{diagnostic:?}");
    assert!(!draw(diagnostic, Colour::Plain).is_empty());
}
