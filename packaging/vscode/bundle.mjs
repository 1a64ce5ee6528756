// Makes one file of the extension and of what it uses, with the licences of that beside it: node bundle.mjs [FOLDER]
// An extension is sent without node_modules.

import { build } from "esbuild";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? join(here, "dist"));

const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: ["extension.js"],
    outfile: join(folder, "extension.js"),
    bundle: true,
    minify: true,
    platform: "node",
    format: "cjs",
    target: "node18", // that of VS Code 1.82, the oldest one that package.json takes
    external: ["vscode"], // which VS Code gives to each extension
    metafile: true,
    logLevel: "warning",
});

// The licence of a package, this extension's own being the project's.
function licence(folder, names) {
    const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = names.map((one) => join(folder, one)).find(existsSync);
    if (!file) throw new Error(`${name} has no licence that is known here`);
    return `${name} ${version}\n\n${readFileSync(file, "utf8").trim()}\n`;
}

const used = Object.keys(metafile.inputs).map((file) => file.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
const others = [...new Set(used)].filter(Boolean).sort();
const licences = [
    licence(here, ["../../LICENSE"]),
    ...others.map((name) => licence(join(here, "node_modules", name), ["LICENSE", "LICENSE.md", "License.txt"])),
];
writeFileSync(join(folder, "licences.txt"), licences.join(`\n${"-".repeat(80)}\n\n`));
