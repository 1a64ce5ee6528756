# The words of freebsd-proof.sh: the corpus' names are others on the host, and the corpus' again in the report.
#
#   mode=taken    of lines `interface|node|disk NAME`, those that have a name of ours
#   mode=own      of names, one on a line, those that are ours; kind is interface or disk; other: those
#                 of interfaces that are not
#   mode=map      a command of the corpus: prints it as it stands in the report, and as it is run or `!WHY` it must not be
#   mode=learn    an output: prints `THEIRS OURS` where the system has chosen another name than when it was recorded
#   mode=forget   a command that has destroyed something: what was learned of its name is no longer true
#   mode=mark     an output: prints it as lines of the corpus; sign is < or !, COMMAND in the environment the command
#
# dir has the files: names (learned), known (ID PID), foreign (what is the host's). recorded and at are the file of the
# corpus and the line of the step.

BEGIN {
    split("web db second other life", list, " ")
    for (i in list) machine[list[i]] = 1
    # Names of interfaces and groups that somebody may have.
    split("web0 web1 web2 lan wan wires guests0 foo vm0 vmrun vm9 vm9x", list, " ")
    for (i in list) machine[list[i]] = 1
    split("tap32767 fifteenletters0 averylongnamefora sixteenletters00 TAP1 tapvpweb vpepair", list, " ")
    for (i in list) fixed[list[i]] = 1
    read_names()
    while ((getline line < (dir "/known")) > 0) { split(line, part, " "); pid[part[1]] = part[2]; is_pid[part[2]] = part[1] }
    while ((getline line < (dir "/foreign")) > 0) {
        at_blank = index(line, " ")
        foreign[substr(line, 1, at_blank - 1), substr(line, at_blank + 1)] = 1
    }
    command = ENVIRON["COMMAND"]
    if (mode == "mark" || mode == "learn") read_record()
    if (mode == "mark") lists(command)
    count = split(odd, list, "|")
    for (i = 1; i <= count; i++) is_odd[list[i]] = 1
}

# ---------------------------------------------------------------- names

function read_names(    line, part) {
    while ((getline line < (dir "/names")) > 0) { split(line, part, " "); ours[part[1]] = part[2]; theirs[part[2]] = part[1] }
    close(dir "/names")
}

# The name of the host for one of the corpus.
function to_ours(word,    kind, number) {
    if (word in ours) return ours[word]
    if (word == "vtnet0") return "epair9999a"
    if (word == "UPPER") return "VPUPPER"
    if (word == "tapweb") return "tapvpweb"
    if (word in machine) return "vp" word
    if (match(word, /^(tap|bridge|vlan|epair|vmnet|lo|nmdm|md)[0-9]+[abAB]?$/)) {
        match(word, /[0-9]+/)
        number = substr(word, RSTART, RLENGTH)
        # lo0 is the host's; a number that begins with 0 or is big is what the step is about.
        if (word != "lo0" && (number == "0" || number !~ /^0/) && length(number) < 4)
            return substr(word, 1, RSTART - 1) (9000 + number) substr(word, RSTART + RLENGTH)
    }
    return word
}

function to_theirs(word,    number) {
    if (word in theirs) return theirs[word]
    if (word == "epair9999a") return "vtnet0"
    if (word == "VPUPPER") return "UPPER"
    if (word == "tapvpweb") return "tapweb"
    if (word ~ /^vp/ && substr(word, 3) in machine) return substr(word, 3)
    if (match(word, /^(tap|bridge|vlan|epair|vmnet|lo|nmdm|md)9[0-9][0-9][0-9][abAB]?$/)) {
        match(word, /[0-9]+/)
        number = substr(word, RSTART, RLENGTH) - 9000
        if (number < 998) return substr(word, 1, RSTART - 1) number substr(word, RSTART + RLENGTH)
    }
    return word
}

# Whether an interface is ours.
function is_own(name) {
    if (name in theirs || name in fixed) return 1
    if (name ~ /^(tap|bridge|vlan|epair|vmnet|lo)9[0-9][0-9][0-9][ab]?(\.[0-9]+)?$/) return 1
    sub(/\..*/, "", name)
    return name ~ /^vp/ && substr(name, 3) in machine
}

# A text with each of its words as the other side has it.
function renamed(text, is_back,    result, word, before) {
    result = ""
    while (match(text, /[A-Za-z][A-Za-z0-9_]*/)) {
        word = substr(text, RSTART, RLENGTH)
        before = substr(text, 1, RSTART - 1)
        text = substr(text, RSTART + RLENGTH)
        # A word that goes on from a number is none of its own.
        if (before !~ /[0-9_]$/) word = is_back ? to_theirs(word) : to_ours(word)
        result = result before word
    }
    return result text
}

# Puts one text in the place of another, as it is.
function replaced(text, from, to,    result, where) {
    result = ""
    while (from != "" && (where = index(text, from)) > 0) {
        result = result substr(text, 1, where - 1) to
        text = substr(text, where + length(from))
    }
    return result text
}

# ---------------------------------------------------------------- commands

# The numbers of processes as they are now; unknown is set to one that was not started.
function with_pids(text, is_plain,    result, mark, part) {
    result = ""
    while (match(text, /[{][{]pid [^ ]+ [0-9]+[}][}]/)) {
        mark = substr(text, RSTART + 2, RLENGTH - 4)
        split(mark, part, " ")
        if (!(part[2] in pid)) unknown = part[2]
        mark = is_plain ? pid[part[2]] : "{{pid " part[2] " " pid[part[2]] "}}"
        result = result substr(text, 1, RSTART - 1) mark
        text = substr(text, RSTART + RLENGTH)
    }
    return result text
}

# Networks that no host has, so that nothing of this one's goes astray.
function with_networks(text) {
    gsub(/192\.168\./, "198.19.10", text)
    gsub(/10\.0\./, "198.18.", text)
    gsub(/10\.1\./, "198.19.", text)
    gsub(/10\.9\./, "198.18.9", text)
    gsub(/fd00:/, "2001:db8:", text)
    return text
}

# The folders of the corpus in ours.
function with_paths(text,    result, where, before, after) {
    text = replaced(text, "/dev/vmm", "\001")
    result = ""
    while (match(text, /\/(vm|tmp)/)) {
        before = RSTART == 1 ? " " : substr(text, RSTART - 1, 1)
        after = substr(text, RSTART + RLENGTH, 1)
        result = result substr(text, 1, RSTART - 1)
        if (before ~ /[ ,=:>\/]/ && (after == "" || after ~ /[\/ ,;']/)) result = result dir
        result = result substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
    }
    return replaced(result text, "\001", nodes)
}

# What of the host a command names; nothing if nothing.
function named(text,    word, count, i) {
    count = split(text, word, /[ ,='":;.\/()]+/)
    for (i = 1; i <= count; i++) if (("interface", word[i]) in foreign || ("disk", word[i]) in foreign) return word[i]
    count = split(text, word, /[ ='";]+/)
    for (i = 1; i <= count; i++) if (("node", word[i]) in foreign) return word[i]
    return ""
}

# mdconfig(8) has numbers without names.
function with_units(text,    before, number, after, unit) {
    if (text ~ /^mdconfig / && match(text, /-[a-z]*u [0-9]+/)) {
        number = substr(text, RSTART, RLENGTH)
        sub(/.* /, "", number)
        before = substr(text, 1, RSTART + RLENGTH - 1 - length(number))
        after = substr(text, RSTART + RLENGTH)
        unit = to_ours("md" number)
        text = before substr(unit, 3) after
    }
    return text
}

mode == "map" {
    shown = with_networks($0)
    text = with_pids(shown, 1)
    print with_pids(shown, 0)
    text = with_paths(with_units(renamed(text, 0)))
    if (unknown != "") print "!process " unknown " was not started"
    else if ((name = named(text)) != "") print "!it names " name ", which is this host's"
    else print text
    exit
}

# ---------------------------------------------------------------- what was recorded

# The lines of this step's outputs in the corpus.
function read_record(    line, number, first) {
    while ((getline line < recorded) > 0) {
        number++
        if (number <= at) continue
        first = substr(line, 1, 1)
        if (first ~ /[#@$%&=+]/) break
        if (first == "<" && line != "<.") expected[++wanted["<"], "<"] = substr(line, 3)
        if (first == "!" && line != "!.") expected[++wanted["!"], "!"] = substr(line, 3)
    }
    close(recorded)
}

mode == "learn" { lines++; last = $0 }
END {
    # `mdconfig -n` tells the number alone.
    if (mode == "learn" && lines == 1 && command ~ /^mdconfig .*-n/ && last ~ /^[0-9]+$/)
        print "md" expected[1, "<"], "md" last
    pattern = "^(tap|bridge|vlan|epair|vmnet|md)[0-9]+a?$"
    if (mode == "learn" && lines == 1 && wanted["<"] == 1 && expected[1, "<"] ~ pattern && last ~ pattern &&
        last != to_ours(expected[1, "<"])) {
        print expected[1, "<"], last
        if (last ~ /^epair/) {
            from = expected[1, "<"]; to = last
            sub(/a$/, "", from); sub(/a$/, "", to)
            print from, to
            print from "b", to "b"
        }
    }
}

mode == "forget" {
    name = /^mdconfig/ ? "md" $NF : $2
    sub(/^mdmd/, "md", name)
    gone[name] = 1
    if (name ~ /^epair/) { sub(/[ab]$/, "", name); gone[name] = gone[name "a"] = gone[name "b"] = 1 }
    for (word in ours) if (!(ours[word] in gone)) kept = kept word " " ours[word] "\n"
    printf "%s", kept >(dir "/names")
    exit
}

# ---------------------------------------------------------------- whose it is

mode == "own" && $0 != "" {
    if (kind == "disk" ? ($0 in theirs || $0 ~ /^md9[0-9][0-9][0-9]$/) : is_own($0) == (kind != "other")) print
}

mode == "taken" {
    kind = $1
    name = substr($0, length(kind) + 2)
    if (kind == "interface" && is_own(name) || kind == "disk" && name ~ /^md9[0-9][0-9][0-9]$/ ||
        kind == "node" && (name in is_odd || name ~ /^vp/ && substr(name, 3) in machine)) print name
}

# ---------------------------------------------------------------- outputs

# What kind of list of the whole host a command prints.
function lists(text) {
    if (text ~ /^ps .*-?ax/ || text ~ /^procstat (.* )?-a/) list_kind = "processes"
    else if (text ~ /^ifconfig -C/) list_kind = ""
    else if (text ~ /^ifconfig/) list_kind = "interfaces"
    else if (text ~ /^netstat .*json/) list_kind = "json"
    else if (text ~ /^netstat /) list_kind = "table"
    else if (text ~ /^ls .*\/dev\/vmm/) list_kind = "nodes"
    else if (text ~ /^mdconfig -l/) list_kind = "disks"
    else if (text ~ /rctl/) list_kind = "rules"
    else list_kind = ""
}

function own_words(line,    word, count, i, result) {
    count = split(line, word, " ")
    for (i = 1; i <= count; i++) if (!(("interface", word[i]) in foreign)) result = result (result == "" ? "" : " ") word[i]
    return result
}

# A line of a list, without what is the host's; is_gone is set if nothing is left of it.
function own_part(line,    word, name, count, i, head, result) {
    is_gone = 0
    # What is wrong is no list.
    if (sign == "!") return line
    if (list_kind == "interfaces") {
        if (match(line, /^[^\t ][^\t]*: flags=/)) {
            name = substr(line, 1, index(line, ": flags=") - 1)
            is_block = is_own(name) || name == "two words"
            is_gone = !is_block
        } else if (line ~ /^[\t ]/) is_gone = !is_block
        else {
            result = own_words(line)
            is_gone = result == "" && line != ""
            # Its blanks are as they were, if nothing was left out.
            if (split(result, word, " ") != split(line, word, " ")) line = result
        }
    } else if (list_kind == "processes") {
        split(line, word, " ")
        is_gone = !(word[1] in is_pid) && !(word[2] in is_pid) && index(line, dir) == 0 && line !~ /bhyve: (vp|VPUPPER|a\.b_c-1)/ &&
            !(FNR == 1 && line ~ /PID/)
    } else if (list_kind == "table") {
        split(line, word, " ")
        name = word[1]
        sub(/\*$/, "", name)
        is_gone = FNR > 1 && !is_own(name)
    } else if (list_kind == "nodes") {
        count = split(line, word, " ")
        is_gone = ("node", word[count]) in foreign
    } else if (list_kind == "disks") {
        count = split(line, word, /[ \t]+/)
        is_gone = ("disk", word[1]) in foreign
        if (count > 1 && line !~ /\t/) {
            for (i = 1; i <= count; i++) if (!(("disk", word[i]) in foreign)) result = result (result == "" ? "" : " ") word[i]
            line = result
        }
    } else if (list_kind == "rules") {
        name = line
        if (line ~ /^(process|user|jail|loginclass):/) {
            split(line, word, ":")
            is_gone = word[1] != "process" || !(word[2] in is_pid) && word[2] != "PID"
        }
    } else if (list_kind == "json" && index(line, "\"interface\"")) {
        # Objects of interfaces follow each other in one array.
        head = substr(line, 1, index(line, "["))
        count = split(substr(line, length(head) + 1), word, /[}],[ \n]*[{]/)
        result = ""
        for (i = 1; i <= count; i++) {
            name = word[i]
            sub(/^[ ]*[{]/, "", name)
            if (i == count) { tail = name; sub(/^[^}]*[}]/, "", tail); sub(/[}].*/, "", name) }
            left = name
            sub(/.*"name": *"/, "", left)
            sub(/".*/, "", left)
            sub(/\*$/, "", left)
            if (is_own(left)) result = result (result == "" ? "" : ",") "{" name "}"
        }
        line = head result tail
    }
    return line
}

# Puts marks where the recorded line has them, if the rest of it is the same.
function fitted(line, pattern,    result, mark, literal, where, rest) {
    result = ""
    while (match(pattern, /[{][{][a-z]+ [^{}]*[}][}]/)) {
        literal = substr(pattern, 1, RSTART - 1)
        mark = substr(pattern, RSTART + 2, RLENGTH - 4)
        pattern = substr(pattern, RSTART + RLENGTH)
        if (substr(line, 1, length(literal)) != literal) return ""
        line = substr(line, length(literal) + 1)
        # The value goes on to what follows it.
        rest = pattern
        if (match(rest, /[{][{]/)) rest = substr(rest, 1, RSTART - 1)
        if (rest == "" && pattern == "") where = length(line) + 1
        else if (rest == "") return ""
        else where = index(line, rest)
        if (where < 2) return ""
        if (mark ~ /^pid /) { sub(/ [0-9]*$/, "", mark); sub(/^pid /, "", mark); mark = "pid " mark }
        else sub(/ .*/, "", mark)
        result = result literal "{{" mark " " substr(line, 1, where - 1) "}}"
        line = substr(line, where)
    }
    return line == pattern ? result line : ""
}

# Marks what differs from run to run by itself: our processes, addresses that the system chose, the host's name.
function marked(line,    result, word, before) {
    if (line ~ /[{][{]/) return line
    result = ""
    while (match(line, /[0-9A-Za-z:.]+/)) {
        word = substr(line, RSTART, RLENGTH)
        before = substr(line, 1, RSTART - 1)
        line = substr(line, RSTART + RLENGTH)
        if (word in is_pid) word = "{{pid " is_pid[word] " " word "}}"
        else if (word ~ /^[0-9a-f][0-9a-f](:[0-9a-f][0-9a-f])+$/ && length(word) == 17 && index(command, word) == 0)
            word = "{{mac " word "}}"
        else if (word ~ /^fe80::[0-9a-f:]+$/ && length(word) > 8) word = "{{ll " word "}}"
        else if (word == host && host !~ /^(localhost)?$/) word = "{{n HOST}}"
        result = result before word
    }
    return result line
}

mode == "mark" {
    line = own_part($0)
    if (is_gone) { left_out++; next }
    line = replaced(replaced(line, dir "/", "/"), nodes, "/dev/vmm")
    line = renamed(replaced(line, dir, ""), 1)
    line = replaced(line, "\\", "\\\\")
    line = replaced(line, "\r", "\\r")
    number++
    text = ""
    if ((number, sign) in expected && expected[number, sign] ~ /[{][{]/) text = fitted(line, expected[number, sign])
    # A name with a hyphen is no word of its own.
    if (text == "" && host ~ /[^0-9A-Za-z:.]/) line = replaced(line, host, "{{n HOST}}")
    print sign " " (text == "" ? marked(line) : text)
}
END { if (mode == "mark" && left_out) print "# left out: " left_out " lines of the host's own" }
