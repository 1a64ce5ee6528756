#![expect(clippy::redundant_closure_for_method_calls, reason = "of any lifetime only a closure is")]

use super::*;

/// The standard library, and one file beside the recipe.
struct Beside;

impl Modules for Beside {
    fn module(&self, _: &str, path: &str) -> Option<(String, String)> {
        if path == "./own" {
            return Some(("own.rhai".into(), "/// Makes two.\nfn two(of) { of }\nprivate fn inner() { }\n".into()));
        }
        STDLIB.iter().find(|(name, _)| *name == path).map(|(name, text)| ((*name).into(), (*text).into()))
    }

    fn paths(&self, _: &str, begun: &str, is_import: bool) -> Vec<String> {
        let all = if is_import { standard().chain(["./own"]).collect::<Vec<_>>() } else { vec!["/vm/a.img"] };
        all.into_iter().filter(|path| path.starts_with(begun)).map(Into::into).collect()
    }
}

/// A text in which `@` is the place.
fn with<T>(text: &str, ask: impl Fn(&Document<'_>, usize) -> T) -> T {
    let at = text.find('@').unwrap();
    let text = text.replace('@', "");
    ask(&Document { name: "lab.rhai", text: &text, modules: &Beside }, at)
}

fn labels(text: &str) -> Vec<String> {
    let begun = |document: &Document<'_>, at: usize| {
        let completion = document.complete(at);
        let begun = document.text[completion.replaced].to_string();
        completion.items.into_iter().map(|item| item.label).filter(|label| label.starts_with(&begun)).collect()
    };
    with(text, begun)
}

#[test]
fn what_can_come_is_what_fits_there() {
    assert_eq!(labels("let disk = 1; if init { trun@"), ["truncate"]);
    assert_eq!(labels("let truck = 1; tru@"), ["truck", "truncate", "true"]);
    assert_eq!(labels("bhyve(#{ name: \"a\", memor@ })"), ["memory"]);
    assert_eq!(labels("virtio_net(nic, #{ ma@"), ["mac"]);
    assert_eq!(labels("vlan(\"ix0\", 82, #{ address: \"\", @ })"), ["name", "mtu", "description", "up"]);
    assert_eq!(labels("truncate(a, 20.G@"), ["GiB"]);
    assert_eq!(labels("let nic = 1; nic.ad@"), ["add"]);
    assert_eq!(labels("vm.se@"), ["serial_log", "serial"]);
    assert_eq!(labels("vm.serial.@"), ["expect", "send"]);
    assert_eq!(labels("vm.screen.@"), ["shows"]);
    assert_eq!(labels("vm.ty@"), ["type"]);
    assert_eq!(labels("import \"std/g@"), ["std/guest"]);
    assert_eq!(labels("import \"./own\" as own; own::@"), ["two"]);
    assert_eq!(labels("import \"std/guest\" as guest; guest::openbsd(#{ installe@"), ["installer"]);
    assert_eq!(labels("virtio_blk(\"/vm/@"), ["/vm/a.img"]);
    assert_eq!(labels("on(\"pow@"), ["powered_off"]);
    assert_eq!(labels("// tru@"), [""; 0]);
    assert_eq!(labels("bhyve(#{ slots: #{ \"3\": virtio_r@"), ["virtio_rnd"]);
    assert_eq!(labels("bhyve(#{ slots: #{ @"), [""; 0]);
}

fn told(text: &str) -> Option<(String, String)> {
    with(text, |document, at| document.hover(at)).map(|hover| (hover.usage.join("\n"), hover.docs))
}

#[test]
fn what_something_is_is_told() {
    let (usage, docs) = told("trunc@ate(disk, 1.GiB)").unwrap();
    assert_eq!(usage, "truncate(path, 20.GiB)");
    assert!(docs.starts_with("Makes a file of that size, sparse"), "{docs}");
    let (_, docs) = told("virtio_net(nic, #{ m@ac: 1 })").unwrap();
    assert!(docs.to_lowercase().contains("address"), "{docs}");
    assert_eq!(told("1.Gi@B").unwrap(), ("20.GiB".into(), "20 times 1073741824 bytes".into()));
    assert_eq!(told("in@it").unwrap().1, "whether this boot initializes the machine: --init, and not after a reboot");
    assert_eq!(told("/// The disk.\nlet disk = 1; print(di@sk)").unwrap(), ("let disk".into(), "The disk.".into()));
    assert_eq!(told("import \"./own\" as own; own::tw@o(1)").unwrap(), ("own::two(of)".into(), "Makes two.".into()));
    assert!(told("import \"std/net\" as ne@t;").unwrap().1.starts_with("Network cards: taps on bridges"));
    let (usage, docs) = told("vm.seri@al.send(\"x\")").unwrap();
    assert_eq!((usage.as_str(), docs.starts_with("The machine's first serial port")), ("vm.serial", true));
    assert_eq!(told("seri@al"), None);
    assert_eq!(told("nothing_of_that_na@me"), None);
    assert_eq!(told("// ini@t"), None);
}

#[test]
fn a_call_that_is_written_shows_how() {
    let shown =
        |text: &str| with(text, |document, at| document.signature(at)).map(|it| (it.usages[0].0.clone(), it.argument));
    assert_eq!(shown("truncate(disk, @"), Some(("truncate(path, 20.GiB)".into(), 1)));
    assert_eq!(shown("/// x\nfn f(a, b) { }\nf(1, @)"), Some(("fn f(a, b)".into(), 1)));
    assert_eq!(shown("import \"std/net\" as net; net::mac(@"), Some(("net::mac(name, index)".into(), 0)));
    assert_eq!(shown("vm.slot(@"), Some(("vm.slot(4, device)".into(), 0)));
    assert_eq!(shown("print(@"), None);
    assert_eq!(shown("let a = @"), None);
}

#[test]
fn a_name_leads_to_where_it_is_declared() {
    let found = |text: &str| with(text, |document, at| document.definition(at)).map(|it| (it.module, it.span));
    assert_eq!(found("let disk = 1; print(dis@k)"), Some((None, 4..8)));
    assert_eq!(found("import \"./own\" as own; own::tw@o(1)"), Some((Some("own.rhai".into()), 18..21)));
    assert_eq!(found("import \"./own\" as own; ow@n::two(1)"), Some((Some("own.rhai".into()), 0..0)));
    assert_eq!(found("import \"./own\" as own; own::none@(1)"), None);
    assert_eq!(found("trunc@ate(1)"), None);
    assert_eq!(
        with("let disk = 1; { let disk = 2; } print(dis@k)", |document, at| document.renamed(at)),
        Some(vec![4..8, 38..42])
    );
    assert_eq!(with("trunc@ate(1)", |document, at| document.renamed(at)), None);
}

#[test]
fn every_recipe_and_module_of_the_project_has_no_name_that_means_nothing() {
    let recipes = [include_str!("../../../recipes/install.rhai"), include_str!("../../../recipes/report1.rhai")];
    for text in STDLIB.iter().map(|(_, text)| *text).chain(recipes) {
        let names = names(text);
        for meant in names.meant.iter().filter(|one| one.declaration.is_none() && one.of.is_none()) {
            let name = &text[meant.span.clone()];
            let known =
                words::all().any(|row| row.is_named(name)) || words::variables().iter().any(|(own, _)| *own == name);
            let is_rhai = ["print", "type_of", "call", "debug"].contains(&name);
            assert!(known || is_rhai, "{name} in {}", &text[meant.span.start.saturating_sub(40)..meant.span.end]);
        }
    }
}
