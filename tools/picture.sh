#!/bin/sh
#
# Make the picture of the README: a real session in a terminal, as an SVG.
#
#   tools/picture.sh PROGRAM >docs/picture.svg
#
# PROGRAM is a vmrun.  The session finds a mistake in recipes/demo.rhai, mends it, and
# boots the guest, without KVM, so that every host says the same; it takes what
# `tools/setup.sh run` installs, and a minute at most.  What is typed is in `session`
# below; what is answered is what was answered.  `make test` holds the picture to it.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ $# = 1 ] && [ -x "$1" ] || {
    sed -n '3,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-picture.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/vm"
cp "$1" "$work/bin/vmrun"
PATH=$work/bin:$PATH
VMRUN_STATE_DIR=$work/state VMRUN_LOG_DIR=$work/log VMRUN_PLATFORM=linux
unset NO_COLOR
export PATH VMRUN_STATE_DIR VMRUN_LOG_DIR VMRUN_PLATFORM
sed 's/nvme(image/nvmee(image/; s|/tmp/vmrun-demo.img|demo.img|; s/exit_on_hlt: true/accel: "tcg", &/' "$here/recipes/demo.rhai" >"$work/vm/demo.rhai"
cd "$work/vm"

# Runs a command on a terminal of 90 columns, and writes it with what it says.
typed() { # <command line>
    printf '\033[1;32m$\033[0m %s\n' "$1"
    SHELL=/bin/sh script -qec "stty cols 90; $1" /dev/null </dev/null | tr -d '\r' || :
}

session() {
    typed 'vmrun demo.rhai --init'
    typed "sed -i 's/nvmee/nvme/' demo.rhai"
    typed 'vmrun start demo.rhai --init'
    typed 'vmrun status demo | head -n 4'
    vmrun wait-serial demo 'this guest has the address' --within 3m >/dev/null
    typed 'vmrun logs demo | grep address'
    # The guest powers off behind its address: it is down when it is asked for its last event.
    while vmrun monitor demo >/dev/null 2>&1; do sleep 0.1; done
    typed 'vmrun events demo | tail -n 1'
}

# Makes an SVG of lines with colours as a terminal is told them.
drawn() {
    awk '
    # Spaces are such that nobody puts several of them together.
    function escaped(text) {
        gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text); gsub(/ /, "\302\240", text)
        return text
    }
    function set(codes,    parts, count, i, c) {
        count = split(codes, parts, ";")
        if (codes == "") { colour = ""; bold = 0 }
        for (i = 1; i <= count; i++) {
            c = parts[i] + 0
            if (c == 0) { colour = ""; bold = 0 }
            else if (c == 1) bold = 1
            else if (c in colours) colour = colours[c]
            else if (c == 39) colour = ""
            else if (c == 38) { if (parts[i + 1] == 5 && (parts[i + 2] in bright)) colour = bright[parts[i + 2]]; i += 2 }
        }
    }
    BEGIN {
        colours[31] = colours[91] = "#f47067"; colours[32] = colours[92] = "#8ddb8c"; colours[33] = colours[93] = "#daaa3f"
        colours[34] = colours[94] = "#6cb6ff"; colours[35] = colours[95] = "#dcbdfb"; colours[36] = colours[96] = "#76e3ea"
        bright[9] = colours[91]; bright[10] = colours[92]; bright[11] = colours[93]; bright[12] = colours[94]; bright[14] = colours[96]
    }
    {
        line = $0; spans = ""
        while (match(line, /\033\[[0-9;?]*[A-Za-z]/)) {
            spans = spans span(substr(line, 1, RSTART - 1)); code = substr(line, RSTART + 2, RLENGTH - 3)
            if (substr(line, RSTART + RLENGTH - 1, 1) == "m") set(code)
            line = substr(line, RSTART + RLENGTH)
        }
        lines[++rows] = spans span(line)
    }
    function span(text) {
        if (text == "") return ""
        if (colour == "" && !bold) return escaped(text)
        return "<tspan" (colour == "" ? "" : " fill=\"" colour "\"") (bold ? " font-weight=\"bold\"" : "") ">" escaped(text) "</tspan>"
    }
    END {
        width = 90 * 8.45 + 32; height = rows * 19 + 32
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n", width, height, width, height
        print "<title>A session of vmrun in a terminal</title>"
        printf "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#22272e\"/>\n", width, height
        print "<g fill=\"#d1d7e0\" font-family=\"ui-monospace,SFMono-Regular,Menlo,DejaVu Sans Mono,monospace\" font-size=\"14\">"
        for (i = 1; i <= rows; i++) printf "<text x=\"16\" y=\"%d\">%s</text>\n", 16 + i * 19 - 5, lines[i]
        print "</g>\n</svg>"
    }'
}

session >"$work/session"
drawn <"$work/session"
