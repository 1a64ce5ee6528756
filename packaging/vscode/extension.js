// Starts `vmrun lsp` for recipes, and stops it with the editor.

const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
    const server = { command: "vmrun", args: ["lsp"] };
    client = new LanguageClient("vmrun", "vmrun", server, { documentSelector: [{ language: "rhai" }] });
    return client.start();
};

exports.deactivate = () => client?.stop();
