// The words that a vmrun has: its functions and its variables.

import { execFileSync } from "node:child_process";

export function words(vmrun) {
    const names = JSON.parse(execFileSync(vmrun, ["words", "--json"])).map((word) => word.name);
    const text = execFileSync(vmrun, ["words"]).toString();
    const variables = text.split("\nVariables\n")[1].split("\nSizes\n")[0].match(/^ {2}\w+/gm);
    return {
        functions: [...new Set(names)].filter((name) => /^\w+$/.test(name)).sort(),
        variables: variables.map((name) => name.trim()),
    };
}
