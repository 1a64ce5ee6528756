#!/bin/sh
# Counts what the structure of the product is judged by, and prints it beside what it was on 2026-11-28.
# It needs sh(1) and awk(1) only, and changes nothing. Usage: tools/figures.sh [-v]; -v also lists what was counted.
#
# Product lines are all lines below src but for tests: files named tests.rs, files below a folder tests, and items below
# `#[cfg(test)]`, files of such modules included. src/internals.rs is what tests and benchmarks reach, and no part of it either.
set -eu
cd "$(dirname "$0")/.."
verbose=${1:-}
work=$(mktemp -d "${TMPDIR:-/tmp}/figures.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# The product as "file<TAB>line<TAB>code<TAB>reason": comments are gone, and so is what is between quotes; the reason is 1 where the
# line above is a comment. The layout is rustfmt's, so that an item ends with the line that closes it at its own indentation.
cat >"$work/product.awk" <<'AWK'
function is_test(file) {
    if (file ~ /\/tests\.rs$/ || file ~ /\/tests\// || file == "src/internals.rs") return 1
    for (path in testing) if (file == path ".rs" || index(file, path "/") == 1) return 1
    return 0
}
function module_folder(file) {
    sub(/\.rs$/, "", file)
    if (file == "src/lib" || file == "src/main") return "src"
    return file
}
function code(text,    out, at, c, rest) {
    out = ""
    for (;;) {
        at = match(text, /"|\/\/|'/)
        if (!at) return out text
        out = out substr(text, 1, at - 1)
        rest = substr(text, at)
        if (substr(rest, 1, 2) == "//") return out
        c = substr(rest, 1, 1)
        if (c == "'") {
            if (match(rest, /^'(\\.[^']*|[^\\'])'/)) { text = substr(rest, RLENGTH + 1); out = out "' '" }
            else { out = out c; text = substr(rest, 2) }
        } else if (match(rest, /^"([^"\\]|\\.)*"/)) { text = substr(rest, RLENGTH + 1); out = out "\"\"" }
        else { open = 1; return out "\"" }
    }
}
FNR == 1 { pending = 0; skipping = 0; open = 0; reason = 0 }
{
    match($0, /^ */)
    indent = RLENGTH
    if (skipping) {
        if (indent == depth && $0 ~ /^ *[})\]][;,)]*$/) skipping = 0
        next
    }
    if (pending) {
        if ($0 ~ /^ *#\[/) next
        pending = 0
        if (match($0, /mod [a-z_0-9]+;/)) testing[module_folder(FILENAME) "/" substr($0, RSTART + 4, RLENGTH - 5)] = 1
        if ($0 !~ /[;,]$/ && $0 !~ /\}$/) { skipping = 1; depth = indent }
        next
    }
    if ($0 ~ /^ *#\[cfg\(test\)\]$/) { pending = 1; next }
    if (pass == 1 || is_test(FILENAME)) next
    lines[FILENAME]++
    text = $0
    if (open) {
        # A text of several lines.
        if (!match(text, /^([^"\\]|\\.)*"/)) next
        text = substr(text, RLENGTH + 1)
        open = 0
    }
    text = code(text)
    if (text !~ /^ *$/) print FILENAME "\t" FNR "\t" text "\t" reason
    reason = $0 ~ /^ *\/\/ /
}
END { for (file in lines) print file "\t" lines[file] > sizes }
AWK
files=$(find src -name '*.rs' | sort)
# shellcheck disable=SC2086 # The names have no blanks.
awk -v sizes="$work/sizes" -f "$work/product.awk" pass=1 $files pass=2 $files >"$work/product"

# Which file uses which: paths that begin with `crate::`, `super::` or a module of the file itself. What a module only passes on
# (`pub use`) is used from where it is.
cat >"$work/circles.awk" <<'AWK'
BEGIN { FS = "\t" }
function module(file) {
    sub(/^src\//, "", file); sub(/\.rs$/, "", file); gsub("/", "::", file)
    return file == "lib" || file == "main" ? "" : file
}
function under(parent, name) { return parent == "" ? name : parent "::" name }
function parent_of(name) { return name ~ /::/ ? substr(name, 1, match(name, /::[^:]*$/) - 1) : "" }
# Turns a path that somebody wrote in a module into one from the root of the crate.
function absolute(from, path) {
    if (path ~ /^crate::/) return substr(path, 8)
    if (path ~ /^self::/) return under(from, substr(path, 7))
    if (path !~ /^super::/) return under(from, path)
    while (path ~ /^super::/) { from = parent_of(from); path = substr(path, 8) }
    return under(from, path)
}
# Returns the module in which what a path names is written.
function home(path, depth,    count, part, at, here) {
    count = split(path, part, "::")
    here = ""
    for (at = 1; at <= count; at++) {
        if (under(here, part[at]) in known) { here = under(here, part[at]); continue }
        if ((here SUBSEP part[at]) in passed && depth < 9) {
            path = passed[here, part[at]]
            for (at++; at <= count; at++) path = path "::" part[at]
            return home(path, depth + 1)
        }
        break
    }
    return here
}
# Takes the tree of a `use` apart: a::{b, c::{d, e}} is a::b, a::c::d and a::c::e.
function expand(prefix, tree, is_public,    at, c, level, begin) {
    if ((at = index(tree, "{")) == 0) { leaf(prefix tree, is_public); return }
    prefix = prefix substr(tree, 1, at - 1)
    level = 0
    begin = at + 1
    for (; at <= length(tree); at++) {
        c = substr(tree, at, 1)
        if (c == "{") level++
        if (c == "}") level--
        if (level == 1 && c == "," || level == 0 && c == "}") {
            if (at > begin) expand(prefix, substr(tree, begin, at - begin), is_public)
            begin = at + 1
        }
        if (level == 0) return
    }
}
function leaf(path, is_public,    name) {
    name = path
    if (path ~ / as /) { name = substr(path, match(path, / as /) + 4); sub(/ as .*/, "", path) }
    gsub(/ /, "", path); gsub(/ /, "", name)
    sub(/::self$/, "", path); sub(/::\*$/, "", path)
    sub(/^.*::/, "", name)
    path = absolute(here, path)
    if (is_public) passed[here, name] = path
    else wanted[++uses] = here SUBSEP path
}
function head_of(a,    b) {
    for (b in members) if (index(b, a "::") != 1 && b != a) return 0
    return 1
}
$1 != last { last = $1; here = module($1); known[here] = 1; order[++modules] = here; text[here] = "" }
{ text[here] = text[here] " " $3 }
END {
    for (m = 1; m <= modules; m++) {
        here = order[m]
        rest = text[here]
        kept = ""
        gsub(/ +/, " ", rest)
        while (match(rest, /(pub(\([a-z]+\))? )?use [^;]*;/)) {
            kept = kept substr(rest, 1, RSTART)
            tree = substr(rest, RSTART, RLENGTH - 1)
            rest = substr(rest, RSTART + RLENGTH)
            is_public = tree ~ /^pub/
            sub(/^.*use /, "", tree)
            gsub(/ *[{] */, "{", tree); gsub(/ *[}] */, "}", tree); gsub(/, */, ",", tree)
            if (tree ~ /^(crate|super|self)::/ || under(here, substr(tree, 1, match(tree, /:|$/) - 1)) in known) expand("", tree, is_public)
        }
        kept = kept rest
        while (match(kept, /[A-Za-z_0-9$:]*[A-Za-z_0-9]::[A-Za-z_0-9:]*[A-Za-z_0-9]/)) {
            path = substr(kept, RSTART, RLENGTH)
            kept = substr(kept, RSTART + RLENGTH)
            if (path ~ /^(crate|super)::/ || under(here, substr(path, 1, index(path, ":") - 1)) in known)
                wanted[++uses] = here SUBSEP absolute(here, path)
        }
    }
    for (u = 1; u <= uses; u++) {
        split(wanted[u], pair, SUBSEP)
        target = home(pair[2], 0)
        if (target == "" || target == pair[1] || (pair[1], target) in edge) continue
        edge[pair[1], target] = 1
        next_of[pair[1], ++degree[pair[1]]] = target
    }
    for (m = 1; m <= modules; m++) {
        split("", seen)
        top = 1
        stack[1] = order[m]
        while (top) {
            a = stack[top--]
            for (e = 1; e <= degree[a]; e++) {
                b = next_of[a, e]
                if (b in seen) continue
                seen[b] = 1
                reaches[order[m], b] = 1
                stack[++top] = b
            }
        }
    }
    for (m = 1; m <= modules; m++) {
        a = order[m]
        if (a in done || !((a, a) in reaches)) continue
        split("", members)
        members[a] = 1
        names = a
        for (n = m + 1; n <= modules; n++) {
            b = order[n]
            if ((a, b) in reaches && (b, a) in reaches) { members[b] = 1; done[b] = 1; names = names " " b }
        }
        family = 0
        for (b in members) family = family || head_of(b)
        print (family ? "inside" : "ACROSS") "\t" names
    }
}
AWK
awk -f "$work/circles.awk" "$work/product" >"$work/circles"

# Functions that name nearly every effect: what carries them out, writes them as commands, and simulates them.
awk -F '\t' '
    $1 != last { last = $1; inside = 0 }
    { match($3, /^ */); indent = RLENGTH }
    !inside && match($3, /^ *(pub(\([a-z]+\))? )?(const )?fn [a-z_0-9]+/) && $3 !~ /[;}]$/ {
        name = substr($3, RSTART, RLENGTH); sub(/^.*fn /, "", name)
        inside = 1; depth = indent; kinds = 0; split("", seen)
    }
    inside {
        text = $3
        while (match(text, /Effect::[A-Z][A-Za-z]*/)) {
            kind = substr(text, RSTART, RLENGTH)
            text = substr(text, RSTART + RLENGTH)
            if (!(kind in seen)) { seen[kind] = 1; kinds++ }
        }
        if (indent == depth && $3 ~ /^ *}/) { inside = 0; if (kinds >= 10) print $1 ": " name " (" kinds " effects)" }
    }' "$work/product" >"$work/effects"

# Methods of the traits of the host, and how many of them have a body.
awk -F '\t' '
    $1 !~ /^src\/host(\.rs|\/(facts|effects|guests|identity)\.rs)$/ { next }
    match($3, /^(pub(\([a-z]+\))? )?trait [A-Za-z]+/) { name = substr($3, RSTART, RLENGTH); sub(/^.* /, "", name); methods = bodies = 0 }
    name != "" && $3 ~ /^    (const )?fn / { methods++ }
    name != "" && $3 ~ /^    [^ ].*\{$/ { bodies++ }
    name != "" && $3 ~ /^}/ { print methods "\t" bodies "\t" name; name = "" }' "$work/product" >"$work/traits"

# Files, processes and sockets above the rooms that have them. Addresses and exit codes are values.
awk -F '\t' '
    $1 ~ /^src\/(host|client)(\.rs|\/)/ { next }
    {
        text = $3
        gsub(/std::process::ExitCode/, "", text)
        while (match(text, /std::net::(\{[^}]*\}|[A-Za-z0-9]+)/)) {
            names = substr(text, RSTART + 10, RLENGTH - 10)
            gsub(/IpAddr|Ipv4Addr|Ipv6Addr|SocketAddrV4|SocketAddrV6|SocketAddr|AddrParseError|[{}, ]/, "", names)
            if (names != "") break
            text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
        }
        if (text ~ /std::[{]([^}]*[{, ])?(fs|process|net)[^a-z_]/ || text ~ /std::(fs|process|net|os::unix::(fs|net))/ || text ~ /\.(exists|is_file|is_dir|is_symlink|canonicalize|read_dir|metadata|symlink_metadata)\(\)/)
            print $1 ":" $2 ": " $3
    }' "$work/product" | sed 's/:  */: /' >"$work/io"

# Who gives events of evaluations to the table of states, and who makes a command line of a machine.
sites() { awk -F '\t' -v what="$1" 'match($3, what) { print $1 ":" $2 }' "$work/product"; }
sites 'feed[(]Event::Evaluated' >"$work/loops"
sites '[.]goes_on[(][)]' >"$work/rehearsals"
sites '(bhyve|qemu|file)::argv[(]' >"$work/argv"
sed 's/:.*//' "$work/argv" | sort -u >"$work/plans"
long() { awk -F '\t' -v rooms="$1" '$2 > 500 && $1 ~ "^src/(" rooms ")(\\.rs|/)" { print $1 ": " $2 }' "$work/lengths"; }
# shellcheck disable=SC2086
awk '{ lines[FILENAME]++ } END { for (file in lines) print file "\t" lines[file] }' $files >"$work/lengths"

# Functions, from their line to the one that closes them, and the longest files.
awk -F '\t' '
    $1 != last { last = $1; inside = 0 }
    { match($3, /^ */); indent = RLENGTH }
    !inside && match($3, /^ *(pub(\([a-z:]+\))? )?(const |async |extern [^ ]* )*fn [a-z_0-9]+/) && $3 !~ /[;}]$/ {
        name = substr($3, RSTART, RLENGTH); sub(/^.*fn /, "", name)
        inside = 1; depth = indent; begin = $2
    }
    inside && indent == depth && $3 ~ /^ *}/ { inside = 0; print $2 - begin + 1 "\t" $1 ": " name }' "$work/product" |
    sort -rn >"$work/functions"
awk -F '\t' '{ print $2 "\t" $1 }' "$work/sizes" | sort -rn >"$work/longest"
# The value of the first column that so many of a hundred lines do not exceed.
most_of() { awk -v share="$2" '{ all[NR] = $1 } END { at = int(NR - NR * share / 100) + 1; if (NR < at) at = NR; print all[at] }' "$1"; }
longest() { awk 'NR == 1 { print $1 }' "$1"; }

# Who takes Rhai's text apart by itself: a `match` on quotes and brackets, below src/script. What is no recipe at all is for
# src/script/habits; habits/texts.rs has what one text says, and src/script/trial/assertions.rs writes texts.
grep -rlE "^ *('[\"\`]'( \| '[^']*')*|'[({[]'( \| '[^']*')+) (=>|if )" src/script --include='*.rs' |
    grep -vE '^src/script/(habits/texts|trial/assertions)\.rs$' >"$work/lexers" || :

# Tables by the names of words outside of the words themselves.
words=$(sed -n 's/^        name: "\([a-z_]*\)",$/\1/p' src/script/words/*.rs src/script/words/*/*.rs | sort -u | tr '\n' '|')
grep -rnE "^ *\(?\"(${words%|})\"( \| \"|, _\)| if |,? .*=>)" src/script src/ops --include='*.rs' |
    grep -vE '^src/script/(words|trial|habits|check/builtins)[/.]' >"$work/tables" || :
awk -F '\t' '$3 ~ /let _ =|[|] _ = write/ { print $1 ":" $2 }' "$work/product" >"$work/ignored"

# Arms for "anything else" in a match on an enum of the crate: the next variant would come to it unseen. A comment on the line above
# the arm says why that is right. Two enums of one name are taken for one; what tuples are of is not looked at.
awk -F '\t' '
    match($3, /^ *(pub(\([a-z:]+\))? )?enum [A-Za-z0-9]+/) && pass == 1 {
        name = substr($3, RSTART, RLENGTH); sub(/^.* /, "", name); own[name] = 1
    }
    pass == 1 { next }
    $1 != last { last = $1; split("", kind); self = "" }
    match($3, /^ *impl[ <].*[{]$/) { self = $3; sub(/^.* for /, "", self); sub(/^ *impl(<[^>]*>)? /, "", self); sub(/[ <{].*/, "", self) }
    { match($3, /^ */); indent = RLENGTH }
    $3 ~ /(^|[^a-z_])match .*[{]$/ { kind[indent + 4] = "" }
    match($3, /^ *(&|(Some|Ok|Err)[(]&?)?[A-Z][A-Za-z0-9]*::[A-Z]/) && kind[indent] == "" {
        text = substr($3, RSTART, RLENGTH); sub(/::[A-Z]$/, "", text); sub(/^.*[^A-Za-z0-9]/, "", text)
        kind[indent] = text == "Self" ? self : text
    }
    $3 ~ /^ *(_|[a-z]+|(Some|Ok|Err)[(]_[)]) => / && kind[indent] in own && !$4 { print $1 ":" $2 ": " kind[indent] }
    ' pass=1 "$work/product" pass=2 "$work/product" >"$work/wildcards"

across() { awk -v rooms="$moved" "/^ACROSS/ && \$2 $1 \"^(\" rooms \")(::|\$)\" { sum++ } END { print sum + 0 }" "$work/circles"; }
count() { grep -c "${2:-}" "$1" || :; }
row() { printf '%-66s %8s %8s\n' "$@"; }
list() { sed 's/^/    /' "$1"; }
moved='cli|ops|supervise|host|client'
lines=$(awk '{ sum += $2 } END { print sum }' "$work/sizes")
share=$(awk '$1 ~ /^src\/cli(\.rs|\/)/ { cli += $2 } { all += $2 } END { printf "%.1f %%", 100 * cli / all }' "$work/sizes")
long "$moved" >"$work/long"
programs=$(awk '/^\[\[bin\]\]/ { all++ } END { print all + 0 }' Cargo.toml)
[ "$programs" -gt 0 ] || programs=$(find src/main.rs src/bin -name '*.rs' 2>/dev/null | grep -c .)

row what before now
row 'loops "evaluate, boot, what next"' 3 "$(count "$work/loops")"
row 'ways from a machine to files and argv' 3 "$(count "$work/plans")"
# A rehearsal's take_in only looks up what the host below has of what an effect changes.
row 'simulations of effects' 2 "$(grep -v ': take_in ' "$work/effects" | grep -c '^src/host/worlds' || :)"
row 'most methods of a trait of the host' 49 "$(sort -rn "$work/traits" | awk 'NR == 1 { print $1 }')"
row 'methods of these that have a body' 30 "$(awk '{ sum += $2 } END { print sum + 0 }' "$work/traits")"
row 'share of the command line in the product' '17.5 %' "$share"
row 'lines of the product' 47600 "$lines"
row 'programs' 2 "$programs"
row 'lines with files, processes, sockets above host and client' - "$(count "$work/io")"
row 'circles of imports across families, in the rooms that were moved' - "$(across '~')"
row 'the same in other rooms' - "$(across '!~')"
row 'files of more than 500 lines in the rooms that were moved' - "$(count "$work/long")"
row 'readers of the text of recipes beside the parser' 4 "$(count "$work/lexers")"
row 'tables by the names of words' 6 "$(count "$work/tables")"
row 'lines of a file: most, and of 95 %' '825, 341' "$(longest "$work/longest"), $(most_of "$work/longest" 95)"
row 'lines of a function: most, and of 95 %' '82, 30' "$(longest "$work/functions"), $(most_of "$work/functions" 95)"
row 'arms for anything else on own enums, without a reason' - "$(count "$work/wildcards")"
row 'results dropped without a reason (let _ =; not by may_fail)' 116 "$(count "$work/ignored")"

[ "$verbose" = -v ] || exit 0
head -n 40 "$work/longest" >"$work/files"
head -n 20 "$work/functions" >"$work/functions.long"
for part in 'lexers:read the text of recipes' 'tables:tables by the names of words' 'files:longest files' \
    'functions.long:longest functions' 'ignored:let _ =' 'wildcards:arms for anything else on own enums' 'loops:given to the table of states by' 'rehearsals:asked by rehearsals whether a further boot follows' \
    'argv:command lines of machines are made in' 'effects:name nearly every effect' \
    'traits:methods, bodies, trait' 'io:files, processes, sockets' 'circles:circles of imports' 'long:more than 500 lines'; do
    printf '\n%s\n' "${part#*:}"
    list "$work/${part%%:*}"
done
printf '\nlines of each room\n'
awk -F '\t' '{ room = $1; sub(/^src\//, "", room); sub(/(\/|\.rs).*/, "", room); sum[room] += $2 }
    END { for (room in sum) printf "    %6d %s\n", sum[room], room }' "$work/sizes" | sort -rn
