//! The language server, as Neovim uses it.

use crate::sandbox::{Sandbox, project};
use std::fs;
use std::process::{Command, Stdio};

/// Opens a text with a misspelt word, and prints what the server knows of it that the lines of the book have started.
const NEOVIM: &str = r#"
local file = os.getenv("RECIPE")
vim.cmd("edit " .. file)
assert(vim.wait(20000, function() return #vim.lsp.get_active_clients() == 1 end, 20), "no server was started")
local id = vim.lsp.get_active_clients()[1].id
local function lines() local all = {} for _, one in ipairs(vim.diagnostic.get(0)) do table.insert(all, one.lnum .. ": " .. one.message) end return all end
assert(vim.wait(20000, function() return #lines() > 0 end, 20), "no diagnostics came")
print(table.concat(lines(), "\n"))
vim.api.nvim_win_set_cursor(0, { 1, 1 })
local params = vim.lsp.util.make_position_params()
local answers = vim.lsp.buf_request_sync(0, "textDocument/hover", params, 20000)
for _, answer in pairs(answers) do print(answer.result.contents.value) end
vim.lsp.stop_client(id)
vim.wait(20000, function() return vim.lsp.client_is_stopped(id) end, 20)
vim.cmd("qall!")
"#;

#[test]
fn neovim_shows_what_is_wrong_and_what_a_word_does() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.rhai", "tap(\"tap1\");\nbrigde(\"bridge2\");\n");
    sandbox.write("lab.lua", NEOVIM);
    let page = fs::read_to_string(project("docs/book/src/editor.md")).unwrap();
    let (_, lines) = page.split_once("```lua\n").unwrap();
    sandbox.write("init.lua", lines.split_once("```").unwrap().0);
    // The lines start the program that is installed.
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vmrun"), sandbox.path("bin/vmrun")).unwrap();
    let vmrun = sandbox.command(&[]);
    let mut command = Command::new("nvim");
    command
        .args(["--headless", "-u", "init.lua", "-i", "NONE", "-c"])
        .arg(format!("luafile {}", sandbox.path("lab.lua").display()))
        .args(["-c", "cquit!"]);
    command.env_clear().envs(vmrun.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("RECIPE", sandbox.path("lab.rhai")).env("TERM", "dumb");
    command.current_dir(sandbox.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = sandbox.finish(&mut command);
    assert_eq!(done.code, 0, "this test needs Neovim (nvim): {done:?}");
    let said = done.stderr.replace('\r', "");
    assert!(
        said.contains("1: there is no function `brigde`\ndid you mean `bridge`?\n```rhai\ntap(\"tap1\", #{ mtu, description, up })\n```"),
        "{said}"
    );
}
