#!/bin/sh
#
# What this FreeBSD answers: runs the commands of tests/fixtures/freebsd-12.1 and the life of machines under vmrun, and
# prints what came of it in that corpus' own form (README.md there), for a bug report and as the next corpus.
#
#   freebsd-proof.sh [-y] [-r] [-s] [-v VMRUN] [-o REPORT] [-t TOPIC]...     as root; about five minutes
#   freebsd-proof.sh -p ARCHIVE [-v VMRUN]     packs it and what it needs, for another machine
#   freebsd-proof.sh -x REPORT FOLDER          cuts a report into the files of a corpus
#
#   -y   loads the modules that are missing (vmm, nmdm, if_tuntap, if_bridge, if_epair, if_vlan) without asking
#   -r   plays the topic of the default route as well; refused where there is a default route
#   -s   changes settings of sysctl(8) as the corpus does, and puts them back
#   -v   the executable of vmrun; without it the life of machines is left out
#   -o   the file of the report, which must not be there; else standard output
#   -t   only this topic (a file of the corpus without `.txt`, or `life`); may be given again
#
# How to get it there. On Debian 12, or on FreeBSD with Rust:
#
#   tools/freebsd-check.sh build --release --locked      # links for 14.0; that runs on 12.1 to 16
#   tools/freebsd-proof.sh -p proof.tar -v target/freebsd/x86_64-unknown-freebsd/release/vmrun
#   scp proof.tar root@HOST:/tmp/
#   ssh -t root@HOST 'cd /tmp && tar xf proof.tar && cd vmrun-proof && sh freebsd-proof.sh -v ./vmrun -o /tmp/report.txt'
#
# What it makes: guests whose names begin with vp, interfaces with numbers from 9000 on or names that begin with vp, a
# folder in /tmp, memory disks. It refuses to begin where one of these names is taken, leaves out each command that names
# something of the host's, and takes away what it made however it ends, but by SIGKILL. vtnet0 of the corpus is one end of
# a pair here, and networks are of 198.18.0.0/15 and 2001:db8::/32. Names and paths stand in the report as in the corpus,
# so that the two can be compared. Of lists of the whole host only what is its own is kept. Read the report before you
# send it. Start no machine by another vmrun while it runs.

set -u
LC_ALL=C
export LC_ALL
umask 022

here=$(cd "$(dirname "$0")" && pwd)
nodes=${VMRUN_VMM_DIR:-/dev/vmm}
modules='vmm nmdm if_tuntap if_bridge if_epair if_vlan'
# The names of guests that the corpus has as they are, since it is about names.
odd='VPUPPER|a.b_c-1|a.b-c_d|a/b|a|.hidden|two words|this-is-a-name-with-exactly-31c|this-is-a-name-with-exactly-32ch'
odd="$odd|this-is-a-name-of-more-than-sixty-three-letters-which-is-too-long"
machines='vpweb vpdb vpsecond vpother vplife'

say() { printf 'freebsd-proof: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}
usage() {
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# ---------------------------------------------------------------- where things are

first_of() { # PATH...: the first that is there
    for path in "$@"; do
        if [ -e "$path" ]; then
            printf '%s\n' "$path"
            return
        fi
    done
    die "$1 is not there: run this script in the project's tools, or from the archive that -p makes"
}

locate() {
    corpus=$(first_of "$here/freebsd-12.1" "$here/../tests/fixtures/freebsd-12.1") || exit 1
    roms=$(first_of "$here/roms.txt" "$here/../tests/guests/roms/roms.txt") || exit 1
}

# ---------------------------------------------------------------- -p and -x

pack() { # ARCHIVE
    [ ! -e "$1" ] || die "$1 is there already"
    part=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-proof.XXXXXX") || exit 1
    trap 'rm -rf "$part"' EXIT
    mkdir -p "$part/vmrun-proof/freebsd-12.1"
    cp "$here/freebsd-proof.sh" "$here/proof.awk" "$here/roms.sh" "$roms" "$part/vmrun-proof/" || exit 1
    for file in "$corpus"/*.txt; do
        [ "${file##*/}" = excused.txt ] || cp "$file" "$part/vmrun-proof/freebsd-12.1/" || exit 1
    done
    [ -z "$vmrun" ] || cp "$vmrun" "$part/vmrun-proof/vmrun" || exit 1
    tar -cf "$1" -C "$part" vmrun-proof
}

cut_up() { # REPORT FOLDER
    mkdir "$2" || exit 1
    awk -v folder="$2" '
        /^# topic / { file = folder "/" $3 ".txt"; next }
        file != "" { print >file }' "$1"
}

# ---------------------------------------------------------------- what is refused

# Whatever is there before anything is made is somebody else's.
look_around() {
    {
        ifconfig -l | tr ' ' '\n' | sed 's/^/interface /'
        [ ! -d "$nodes" ] || find "$nodes" ! -type d | sed "s|^$nodes/|node |"
        mdconfig -l 2>/dev/null | tr ' ' '\n' | sed -n 's/^md/disk md/p'
        ps -axww -o command= | sed -n 's/^bhyve: \(.*\) (bhyve)$/node \1/p; s/^bhyve: \([^ ]*\)$/node \1/p'
    } 2>/dev/null | sort -u >"$dir/there"
}

# Until it is known that no name of ours is taken, nothing is ours to be taken away: the list has its name from then on.
refuse_taken() {
    taken=$(awk -v odd="$odd" -v mode=taken -v dir="$dir" -f "$here/proof.awk" "$dir/there")
    [ -z "$taken" ] || die 'this is there already, and must not be touched:' "$taken"
    if netstat -rn 2>/dev/null | grep -Eq '^(default +)?(198\.1[89]\.|2001:db8)'; then
        die 'this host uses 198.18.0.0/15 or 2001:db8::/32, as the commands do: nothing was done'
    fi
    if [ "$routes" = yes ]; then
        for family in -4 -6; do
            ! route -n get $family default >/dev/null 2>&1 ||
                die '-r is refused: this host has a default route, and the commands would take it away'
        done
    fi
    mv "$dir/there" "$dir/foreign"
}

# Loads what is missing, if one may; what was loaded is unloaded at the end.
load_modules() {
    for module in $modules; do
        kldstat -q -m "$module" && continue
        kldstat -q -n "$module" && continue
        if [ "$yes" != yes ]; then
            [ -t 0 ] || die "$module is not loaded: load it (kldload $module), or give -y"
            printf 'freebsd-proof: load %s? It is unloaded at the end. [y/N] ' "$module" >&2
            read -r answer
            case $answer in y* | Y*) ;; *) die "$module is not loaded, and without it nothing can be told" ;; esac
        fi
        # Before 13 the module of taps had another name; without one of the rest, its topics show it.
        if kldload "$module" 2>/dev/null; then
            loaded="$module $loaded"
        elif [ "$module" = vmm ]; then
            die "vmm cannot be loaded: kldload vmm"
        else
            say "$module cannot be loaded; it may be in the kernel"
        fi
    done
}

# ---------------------------------------------------------------- how everything goes away

# What is ours among the words of standard input, one on a line.
own() { # interface|disk; other: interfaces that are not
    tr ' ' '\n' | awk -v mode=own -v kind="$1" -v dir="$dir" -f "$here/proof.awk"
}

# A process of ours has the folder or a name of ours in its command line or title.
own_processes() {
    ps -axww -o pid= -o command= | awk -v dir="$dir/" '
        index($0, "awk -v dir") || index($0, "freebsd-proof") { next }
        index($0, dir) || $0 ~ /^ *[0-9]+ bhyve: (vp(web|db|second|other|life)|VPUPPER|a\.b_c-1)( |$)/ { print $1 }'
}

destroy_interfaces() {
    for kind in bridge vlan any; do
        for name in $(ifconfig -l | own interface); do
            case $kind-$name in
                bridge-bridge* | vlan-vlan* | vlan-*.* | any-*) ifconfig "$name" destroy 2>/dev/null ;;
            esac
        done
    done
    ! ifconfig 'two words' >/dev/null 2>&1 || ifconfig 'two words' destroy
}

destroy_nodes() {
    for name in $machines VPUPPER a.b_c-1 a.b-c_d a/b .hidden this-is-a-name-with-exactly-31c \
        this-is-a-name-with-exactly-32ch \
        this-is-a-name-of-more-than-sixty-three-letters-which-is-too-long 'two words'; do
        [ ! -e "$nodes/$name" ] || bhyvectl --destroy --vm="$name" >/dev/null 2>&1
    done
}

clean() {
    status=$?
    trap '' INT TERM HUP PIPE
    trap - EXIT
    exec 2>&7
    # A command that makes something and says only then what it is called is not cut short.
    case $running in
        *ifconfig* | *mdconfig*)
            wait "$step" 2>/dev/null
            learn "$running"
            ;;
        ?*) kill -TERM "$step" 2>/dev/null ;;
    esac
    [ ! -s "$dir/pids" ] || while read -r _ pid; do kill -9 "$pid" 2>/dev/null; done <"$dir/pids"
    if [ -s "$dir/foreign" ]; then
        for attempt in 1 2 3; do
            pids=$(own_processes)
            [ -n "$pids" ] || break
            # shellcheck disable=SC2086 # several numbers
            kill -9 $pids 2>/dev/null
            sleep "0.$attempt"
        done
        wait
        destroy_nodes
        destroy_interfaces
        for name in $(mdconfig -l 2>/dev/null | own disk); do mdconfig -d -u "$name"; done
        [ "$routes" != yes ] || undo_route
        [ ! -s "$dir/settings" ] || while read -r setting; do sysctl "$setting" >/dev/null 2>&1; done <"$dir/settings"
        for module in $loaded; do kldunload "$module" 2>/dev/null || say "$module stays loaded: it is in use"; done
        left=$(ifconfig -l | own interface)
        [ -z "$left" ] || say "could not be destroyed:" "$left"
    fi
    rm -rf "$dir"
    [ "$status" -eq 0 ] || say "ended before its time, with status $status; what it had made was taken away"
    exit "$status"
}

undo_route() {
    for family in -4 -6; do
        case $(route -n get $family default 2>/dev/null) in
            *'gateway: 198.19.'* | *'gateway: 2001:db8:'*) route -n delete $family default >/dev/null 2>&1 ;;
        esac
    done
}

# ---------------------------------------------------------------- steps

report() { printf '%s\n' "$*" >&6; }

# Prints an output of a step in the corpus' form.
output() { # SIGN FILE COMMAND
    cut=
    [ ! -s "$2" ] || [ -z "$(tail -c 1 "$2")" ] || cut=yes
    COMMAND=$3 awk -v mode=mark -v sign="$1" -v dir="$dir" -v nodes="$nodes" -v recorded="$file" -v at="$at" \
        -v host="$host" -f "$here/proof.awk" "$2" >&6
    [ -z "$cut" ] || report "$1."
}

# What the system has called something is known from now on.
learn() {
    COMMAND=$1 awk -v mode=learn -v dir="$dir" -v recorded="$file" -v at="$at" -f "$here/proof.awk" "$dir/out" >>"$dir/names"
}

# Runs a command of sh(1), as nobody if it is nobody's. What keeps the report open is not handed on.
run() { # SIGN COMMAND: sets $status; outputs are $dir/out and $dir/err
    running=$2
    (
        cd "$dir/tmp" || exit 1
        exec 5<&- 6>&- </dev/null >"$dir/out" 2>"$dir/err" 7>&-
        if [ "$1" = % ]; then
            SHELL=/bin/sh exec timeout 60 su -m nobody -c "$2"
        fi
        exec timeout 60 sh -c "$2"
    ) 2>/dev/null &
    step=$!
    wait "$step"
    status=$?
    running=
}

# Why a command is not played; nothing if it is.
left_out() { # COMMAND
    case $1 in
        kldunload* | 'kldload '*vmm.ko) echo 'it is about modules being unloaded' ;;
        *'kern.hostname'*) echo 'it is about the name of the host' ;;
        'netstat '*-rn*) echo 'it shows the routes of the host' ;;
        'ifconfig vtnet0 destroy') echo 'it would destroy the pair that stands for the interface' ;;
        *'/dev/tap;'*) echo 'whose the tap is that it makes could not be told' ;;
        *' lo1 '*) echo 'it is about a network of the loopback' ;;
        'rctl -a process:1:'* | 'rctl -r process:1:'*) echo 'it is about a process of the host' ;;
        *'-S '*passthru,[0-9]*) echo 'the device may be of the host' ;;
        'sysctl '*=*)
            if [ "$settings" = yes ]; then keep_setting "$1"; else echo 'it changes a setting; -s lets it'; fi
            ;;
        *99998* | *999999999*)
            ! kill -0 99998 2>/dev/null || echo 'there is a process of this number'
            ;;
    esac
}

keep_setting() { # sysctl … NAME=VALUE: notes what it is now, once
    setting=${1##* }
    setting=${setting%%=*}
    value=$(sysctl -n "$setting" 2>/dev/null) || return 0
    grep -q "^$setting=" "$dir/settings" 2>/dev/null || printf '%s=%s\n' "$setting" "$value" >>"$dir/settings"
}

# Sets $shown, as it stands in the report, and $command, as it is run; or says why it is left out, and fails.
prepare() { # SIGN TEXT
    why=
    if [ "$unloaded" = yes ]; then
        why='vmm was unloaded here'
    fi
    case $2 in
        'kldunload vmm') [ "$1" != '$' ] || unloaded=yes ;;
        'kldload /boot/kernel/vmm.ko') unloaded=no ;;
    esac
    [ -n "$why" ] || why=$(left_out "$2")
    both=$(printf '%s\n' "$2" | awk -v mode=map -v dir="$dir" -v nodes="$nodes" -f "$here/proof.awk")
    shown=${both%%"$newline"*}
    command=${both#*"$newline"}
    case $command in '!'*) [ -n "$why" ] || why=${command#!} ;; esac
    [ -z "$why" ] || report "# left out, $why: $1 $2"
    [ -z "$why" ]
}

play_step() { # SIGN COMMAND
    prepare "$1" "$2" || return 0
    run "$1" "$command"
    learn "$2"
    report "$1 $shown"
    report "? $status"
    output '<' "$dir/out" "$2"
    output '!' "$dir/err" "$2"
    # What is gone may be somebody else's next time.
    case $command in
        'ifconfig '*' destroy' | 'mdconfig -d'*)
            [ "$status" -ne 0 ] || printf '%s\n' "$command" | awk -v mode=forget -v dir="$dir" -f "$here/proof.awk"
            ;;
    esac
}

play_begin() { # ID COMMAND
    prepare "& $1" "$2" || return 0
    (
        cd "$dir/tmp" || exit 1
        exec 5<&- 6>&- </dev/null >"$dir/out.$1" 2>"$dir/err.$1" 7>&-
        exec sh -c "exec $command"
    ) 2>/dev/null &
    pid=$!
    printf '%s %s\n' "$1" "$pid" >>"$dir/pids"
    printf '%s %s\n' "$1" "$pid" >>"$dir/known"
    report "& $1 $shown"
    report ": {{pid $1 $pid}}"
    sleep 0.1 # as long as a recording takes from one line to the next
}

pid_of() { sed -n "s/^$1 //p" "$dir/pids" | tail -n 1; }

# Waits for one that was begun; one that does not end in time is killed.
await() { # PID: sets $status
    tries=0
    while [ "$tries" -lt 300 ]; do
        case $(ps -o state= -p "$1" 2>/dev/null) in '' | Z*) break ;; esac
        tries=$((tries + 1))
        sleep 0.2
    done
    [ "$tries" -lt 300 ] || kill -9 "$1" 2>/dev/null
    wait "$1"
    status=$?
}

play_wait() { # ID
    pid=$(pid_of "$1")
    if [ -z "$pid" ]; then
        report "# left out, it was not started: = $1"
        return 0
    fi
    await "$pid"
    grep -v "^$1 $pid\$" "$dir/pids" >"$dir/pids.new"
    mv "$dir/pids.new" "$dir/pids"
    report "= $1"
    report "? $status"
    output '<' "$dir/out.$1" ''
    output '!' "$dir/err.$1" ''
}

play_aside() { # COMMAND
    prepare + "$1" || return 0
    report "+ $shown"
    run '$' "$command"
}

# Every topic begins with the pair that stands for vtnet0, and without anything of the topic before.
begin_topic() {
    while read -r _ pid; do kill -9 "$pid" 2>/dev/null; done <"$dir/pids"
    wait
    : >"$dir/pids"
    destroy_nodes
    destroy_interfaces
    : >"$dir/names"
    rm -rf "$dir/vm" "$dir/tmp"
    mkdir -p "$dir/vm/rom" "$dir/tmp"
    chmod 1777 "$dir/tmp"
    sh "$here/roms.sh" make "$roms" "$dir/vm/rom" || die 'the ROMs cannot be made'
    truncate -s 1M "$dir/vm/a.img"
    ifconfig epair9999 create >/dev/null || die 'cannot make a pair of interfaces: ifconfig epair9999 create'
    unloaded=no
}

play() { # FILE
    file=$1
    begin_topic
    report "# topic $(basename "$1" .txt)"
    at=0
    while IFS= read -r text <&5; do
        at=$((at + 1))
        rest=${text#? }
        case $text in
            '# '* | '@ '*) report "$text" ;;
            '$ '*) play_step '$' "$rest" ;;
            '% '*) play_step '%' "$rest" ;;
            '& '*) play_begin "${rest%% *}" "${rest#* }" ;;
            '= '*) play_wait "$rest" ;;
            '+ '*) play_aside "$rest" ;;
        esac
    done 5<"$1"
}

# ---------------------------------------------------------------- the host

# Steps that are the host's head: what release it is, what it can do.
head_of_report() {
    file=/dev/null
    at=0
    report '# topic host'
    report '@ as root; modules are loaded'
    for command in 'uname -a' 'uname -K' 'sysctl hw.vmm' 'sysctl -n hw.model' 'sysctl -n hw.ncpu' 'sysctl -n hw.physmem'; do
        run '$' "$command"
        report "\$ $command"
        report "? $status"
        output '<' "$dir/out" "$command"
        output '!' "$dir/err" "$command"
    done
}

# ---------------------------------------------------------------- vmrun

check() { # ok?(0 is yes) WHAT EXPECTED [WAS]
    if [ "$1" -eq 0 ]; then
        report "# ok $2"
    else
        failures=$((failures + 1))
        report "# FAILED $2: expected $3, was ${4:-otherwise}"
    fi
}

# Runs vmrun as a step of the report, and checks its status.
vm() { # STATUS WHAT WORDS
    run '$' "'$vmrun' $3"
    report "\$ vmrun $(printf '%s\n' "$3" | sed "s|$dir||g; s/'//g; s/vplife/life/g")"
    report "? $status"
    output '<' "$dir/out" vmrun
    output '!' "$dir/err" vmrun
    [ "$status" -eq "$1" ]
    check $? "$2" "status $1" "status $status"
}

says() { # WORDS
    grep -q "$1" "$dir/out" "$dir/err"
    check $? "  and says so" "the words: $1" 'other words'
}

# A recipe of a machine with this ROM.
recipe() { # NAME ROM [KEYS] [TAP]
    {
        [ -z "${4-}" ] || printf 'let nic = tap("%s");\n' "$4"
        printf 'let vm = bhyve(#{ name: "%s", cpus: 1, memory: 64.MiB, exit_on_hlt: true,\n' "$1"
        printf '    bootrom: bootrom("%s"),%s slots: #{ "0": hostbridge(), ' "$dir/vm/rom/$2.rom" "${3-}"
        [ -z "${4-}" ] || printf '"5": virtio_net(nic), '
        printf '"31": lpc() } });\nvm.run();\n'
    } >"$dir/vm/$1.rhai"
}

standing() { # supervisor|guest: its number
    sed -n "s/.*\"$1\": *\([0-9][0-9]*\).*/\1/p" "$dir/state/vplife/standing.json" 2>/dev/null | head -n 1
}

gone() { # WHAT: neither node nor tap is left
    [ ! -e "$nodes/vplife" ] && ! ifconfig tap9001 >/dev/null 2>&1
    check $? "$1 leaves neither node nor tap" 'nothing left' "$(ifconfig -l | own interface | tr '\n' ' ')"
}

kill_hard() { # PID, which may be empty
    [ -z "$1" ] || kill -9 "$1"
}

alive() { # PID
    [ -n "$1" ] || return 1
    case $(ps -o state= -p "$1" 2>/dev/null) in '' | Z*) return 1 ;; esac
}

# What no machine may change.
world() {
    for family in -4 -6; do
        route -n get $family default 2>/dev/null | sed -n '/gateway:/p; /interface:/p'
    done
    ifconfig -l | tr ' ' '\n' | own interface
}

# When the host was started, in seconds of 1970: it moves when the clock is set.
started() { sysctl -n kern.boottime | sed 's/.*{ sec = \([0-9]*\),.*/\1/'; }

life_in_front() {
    recipe vplife poweroff '' tap9001
    vm 0 'a guest that powers off ends with 0' "'$dir/vm/vplife.rhai'"
    gone 'a guest that powered off'
    recipe vplife halt '' tap9001
    vm 0 'a guest that halts ends with 0' "'$dir/vm/vplife.rhai'"
    gone 'a guest that halted'
    recipe vplife triple '' tap9001
    vm 4 'a triple fault ends with 4' "'$dir/vm/vplife.rhai'"
    gone 'a triple fault'
    recipe vplife echo ' com1: "stdio",' tap9001
    run '$' "(sleep 3; printf r; sleep 4; printf p; sleep 1) | '$vmrun' '$dir/vm/vplife.rhai'"
    report '$ (sleep 3; printf r; sleep 4; printf p; sleep 1) | vmrun /vm/life.rhai'
    report "? $status"
    output '<' "$dir/out" vmrun
    output '!' "$dir/err" vmrun
    check "$status" 'a guest that resets is started again, and powers off' 'status 0' "status $status"
    says 'the guest rebooted'
    gone 'a guest that was started again'
}

life_behind() {
    for guest in acpi deaf spin; do
        recipe vplife $guest '' tap9001
        vm 0 "$guest: starts in the background" "start '$dir/vm/vplife.rhai'"
        vm 0 "$guest: is stopped" 'stop vplife --within 3s'
        if [ $guest = deaf ]; then says 'was switched off'; else says 'vplife is down'; fi
        gone "$guest, stopped,"
    done
}

# gc gives back what has vmrun's mark and is in no journal; the journals of the host's own vmrun are not in our folder.
gc() { # WHAT
    if [ -n "$(ifconfig -g vmrun 2>/dev/null | own other)" ]; then
        report '# left out, interfaces of the host have the mark of vmrun: $ vmrun gc'
        return 1
    fi
    vm 0 "$1" gc
}

life_after_kill() {
    recipe vplife deaf '' tap9001
    vm 0 'a machine to lose its supervisor' "start '$dir/vm/vplife.rhai'"
    guest=$(standing guest)
    kill_hard "$(standing supervisor)"
    sleep 1
    alive "$guest"
    check $? 'the guest outlives its supervisor' 'a process' 'none'
    gc 'gc leaves a guest that lives'
    alive "$guest"
    check $? 'the guest outlives gc' 'a process' 'none'
    vm 0 'the guest is taken over' 'adopt vplife'
    [ "$(standing guest)" = "$guest" ]
    check $? 'it is the same guest' "process $guest" "process $(standing guest)"
    kill_hard "$(standing supervisor)"
    kill_hard "$guest"
    sleep 1
    if gc 'gc gives back what both have left'; then
        gone 'gc'
    else
        vm 0 'stop gives back what both have left' 'stop vplife'
        gone 'stop'
    fi
}

life_beside_others() {
    recipe vplife deaf
    bhyve -c 1 -m 64M -w -H -s 0,hostbridge -s 31,lpc -l "bootrom,$dir/vm/rom/deaf.rom" vplife >/dev/null 2>&1 5<&- 6>&- &
    theirs=$!
    printf 'theirs %s\n' "$theirs" >>"$dir/pids"
    sleep 2
    vm 3 'a machine whose name a foreign one has is refused' "start '$dir/vm/vplife.rhai'"
    says 'runs already'
    alive "$theirs"
    check $? 'the foreign machine lives' 'a process' 'none'
    bhyvectl --force-poweroff --vm=vplife 2>/dev/null
    await "$theirs"
    : >"$dir/pids"
    bhyvectl --destroy --vm=vplife 2>/dev/null
    ifconfig tap9001 create && ifconfig tap9001 description 'of somebody else'
    recipe vplife poweroff '' tap9001
    run '$' "'$vmrun' '$dir/vm/vplife.rhai'"
    report '$ vmrun /vm/life.rhai'
    report "? $status"
    output '<' "$dir/out" vmrun
    output '!' "$dir/err" vmrun
    tap=$(ifconfig tap9001 2>&1)
    case $tap in *'description: of somebody else'*) true ;; *) false ;; esac
    check $? "somebody else's tap stays as it is" 'its description' "$tap"
    ifconfig tap9001 destroy
}

life() {
    file=/dev/null
    at=0
    begin_topic
    mkdir -p "$dir/state" "$dir/config"
    VMRUN_STATE_DIR=$dir/state VMRUN_LOG_DIR=$dir/log VMRUN_CONFIG=$dir/config
    export VMRUN_STATE_DIR VMRUN_LOG_DIR VMRUN_CONFIG
    report '# topic life'
    report '@ as root; vmrun has a folder of its own for its state, and no machine is there'
    before=$(world)
    since=$(started)
    vm 0 'vmrun runs here' --version
    life_in_front
    life_behind
    life_after_kill
    life_beside_others
    after=$(world)
    [ "$before" = "$after" ]
    check $? 'default routes and interfaces are as before' "$(printf %s "$before" | tr '\n' ' ')" "$(printf %s "$after" | tr '\n' ' ')"
    moved=$(($(started) - since))
    [ "$moved" -ge -5 ] && [ "$moved" -le 5 ]
    check $? 'the clock is as before' 'at most 5 s' "$moved s"
    report "# $failures FAILED"
}

# ---------------------------------------------------------------- all of it

is_wanted() { # TOPIC
    case " $topics " in
        *" $1 "*) return 0 ;;
        '  ') [ "$1" != route ] || [ "$routes" = yes ] ;;
        *) return 1 ;;
    esac
}

main() {
    [ "$(uname -s)" = FreeBSD ] || die 'this is not FreeBSD, about which it is'
    [ "$(id -u)" -eq 0 ] || die 'only root may do this'
    for program in bhyve bhyvectl ifconfig kldstat mdconfig netstat procstat ps su sysctl timeout truncate; do
        command -v $program >/dev/null || die "$program is not on the path"
    done
    [ -z "$vmrun" ] || [ -x "$vmrun" ] || die "$vmrun is no executable"
    case " $topics " in *' route '*) [ "$routes" = yes ] || die 'the topic route is played with -r only' ;; esac
    [ -z "$out" ] || [ ! -e "$out" ] || die "$out is there already"
    newline='
'
    loaded='' running='' step='' unloaded=no failures=0 file=/dev/null at=0
    host=$(hostname 2>/dev/null || uname -n)
    exec 7>&2
    dir=$(mktemp -d /tmp/vmrun-proof.XXXXXX) || exit 1
    trap clean EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
    mkdir "$dir/tmp"
    chmod 755 "$dir"
    : >"$dir/pids"
    : >"$dir/known"
    : >"$dir/names"
    : >"$dir/err"
    : >"$dir/out"
    look_around
    refuse_taken
    load_modules
    if [ -n "$out" ]; then exec 6>"$out"; else exec 6>&1; fi
    head_of_report
    for topic in "$corpus"/*.txt; do
        name=$(basename "$topic" .txt)
        if [ "$name" != excused ] && is_wanted "$name"; then
            say "$name"
            play "$topic"
        fi
    done
    if [ -z "$vmrun" ]; then
        report '# without -v: the life of machines was left out'
    elif is_wanted life; then
        say 'the life of machines'
        life
    fi
    if [ "$failures" -ne 0 ]; then
        say "$failures expectations FAILED"
    fi
}

yes=no routes=no settings=no vmrun='' out='' topics='' archive=''
while getopts 'yrsv:o:t:p:x:h' option; do
    case $option in
        y) yes=yes ;;
        r) routes=yes ;;
        s) settings=yes ;;
        v) vmrun=$OPTARG ;;
        o) out=$OPTARG ;;
        t) topics="$topics$OPTARG " ;;
        p) archive=$OPTARG ;;
        x)
            shift $((OPTIND - 1))
            [ $# -eq 1 ] || usage
            cut_up "$OPTARG" "$1"
            exit
            ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || usage
case $vmrun in '' | /*) ;; *) vmrun=$PWD/$vmrun ;; esac
locate
if [ -n "$archive" ]; then
    pack "$archive"
else
    main
fi
