//! What the README and the book show is what the program does.

use crate::image_host::{DIGEST, Scene};
use crate::sandbox::{Done, Sandbox, project, same};
use std::fs;

fn read(name: &str) -> String {
    fs::read_to_string(project(name)).unwrap()
}

/// Returns the first block of that language on a page of the book that holds a text.
fn block(page: &str, language: &str, holds: &str) -> String {
    let text = read(&format!("docs/book/src/{page}.md"));
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    let mut texts = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    texts.find(|text| text.contains(holds)).unwrap_or_else(|| panic!("no block holds {holds}")).to_string()
}

/// Plans for FreeBSD on a host of the other kind.
fn plan(sandbox: &Sandbox, args: &[&str], secret: bool) -> Done {
    let args = [&["plan", "--on", "freebsd"], args].concat();
    let mut command = sandbox.command(&args);
    command.env("VMRUN_PLATFORM", "linux");
    if secret {
        command.env("VMRUN_SECRET_VNC", "hunter22");
    }
    sandbox.finish(&mut command)
}

/// Writes the recipe of the tour, changed or not.
fn with_install(change: (&str, &str)) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("recipes")).unwrap();
    let recipe = fs::read_to_string(project("recipes/install.rhai")).unwrap();
    sandbox.write("recipes/install.rhai", &recipe.replace(change.0, change.1));
    sandbox
}

#[test]
fn the_tour_shows_the_recipe_that_is_there() {
    let recipe = fs::read_to_string(project("recipes/install.rhai")).unwrap();
    let (_, code) = recipe.split_once('\n').unwrap();
    same(&block("tour", "rhai", "let root"), code);
}

#[test]
fn the_tour_shows_the_plan_that_is_printed() {
    let done = plan(&with_install(("", "")), &["recipes/install.rhai"], true);
    same(&done.stdout.replace("[tmp]/state", "/var/run/vmrun"), &block("tour", "text", "umask 026"));
}

#[test]
fn the_tour_shows_the_fault_that_is_found() {
    let done = plan(&with_install(("virtio_blk(data)", "virtio_bl(data)")), &["recipes/install.rhai"], true);
    assert_eq!(done.code, 1);
    same(&done.stderr, &block("tour", "text", "virtio_bl`"));
}

#[test]
fn the_tours_library_recipe_is_a_recipe() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", &block("tour", "rhai", "std/guest"));
    let done = plan(&sandbox, &["recipe.rhai", "--init"], false);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(done.stdout.contains("-s 3,ahci-cd,/iso/miniroot74.img"), "{}", done.stdout);
}

#[test]
fn the_words_about_ends_limits_and_the_background_make_a_recipe() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.rhai",
        &[block("background", "rhai", "after("), block("ends", "rhai", "on(\"failed\"")].concat(),
    );
    let done = plan(&sandbox, &["recipe.rhai"], false);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(
        done.stdout.contains("rctl -a process:$$:memoryuse:deny=6G && rctl -a process:$$:pcpu:deny=150"),
        "{done:?}"
    );
}

#[test]
fn the_words_about_talking_to_a_guest_make_a_recipe() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", &block("talking", "rhai", "vm.serial.expect("));
    let mut command = sandbox.command(&["plan", "--on", "freebsd", "recipe.rhai", "--init"]);
    let done = sandbox.finish(command.env("VMRUN_PLATFORM", "linux").env("VMRUN_SECRET_INSTALLER", "hunter22"));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(done.stdout.contains("#   printf 'installer\\n' | vmrun console web\n"), "{}", done.stdout);
    assert!(done.stdout.contains("#   printf '***\\n' | vmrun console web\n"), "{}", done.stdout);
    assert!(done.stdout.contains("#   vmrun type web '<Esc>boot -s\\n'\n"), "{}", done.stdout);
}

#[test]
fn the_commands_for_those_who_build_are_there() {
    let makefile = read("Makefile");
    let texts = ["README.md", "CONTRIBUTING.md", "docs/book/src/install.md"].map(read).join("\n");
    let mut commands = 0;
    for line in texts.lines() {
        let command = line.split('#').next().unwrap_or_default();
        let there = match command.split_whitespace().collect::<Vec<_>>()[..] {
            ["make"] => makefile.contains("\nall:"),
            ["make", target] => makefile.contains(&format!("\n{target}:\n")),
            ["cargo", .., "--test", target, module] => {
                fs::exists(project(&format!("tests/{target}/{module}.rs"))).unwrap()
            }
            ["cargo", .., "--example", name] => {
                read("Cargo.toml").contains(&format!("[[example]]\nname = \"{name}\"\n"))
            }
            ["cargo", .., "--bench", name] => fs::exists(project(&format!("benches/{name}.rs"))).unwrap(),
            ["tools/fuzz.sh", _, target] => read("fuzz/Cargo.toml").contains(&format!("\nname = \"{target}\"\n")),
            _ => continue,
        };
        assert!(there, "{line}");
        commands += 1;
    }
    assert!(commands >= 12, "{commands}");
}

#[test]
fn the_first_machine_is_had_by_the_commands_of_the_readme() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("## A first machine\n\n```sh\n").unwrap();
    let typed =
        rest.lines().take_while(|line| *line != "```").map(|line| line.split('#').next().unwrap_or_default().trim());
    let typed: Vec<Vec<&str>> = typed.map(|line| line.split_whitespace().collect()).collect();
    let [new, start, ssh] = &typed[..] else { panic!("{typed:?}") };
    let scene = Scene::new();
    let written = scene.run("freebsd-15", &new[1..]);
    assert_eq!(written.code, 0, "{written:?}");
    // It says itself what comes next.
    let next: Vec<Vec<&str>> = written.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(start.starts_with(&next[0]) && ssh.starts_with(&next[1]), "{written:?}");
    assert!(scene.recipe("web.rhai").contains(DIGEST));
    // The image is one that nobody has: what would be done is rehearsed.
    let plan = scene.run("freebsd-15", &[&["plan"], &start[2..]].concat());
    assert!(plan.code == 0 && plan.stdout.contains("\nbhyve -c"), "{plan:?}");
}
