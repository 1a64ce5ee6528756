#!/bin/sh
#
# Boot ROMs for bhyve that do one thing each (tests/guests/roms/rom.S).
#
#   roms.sh text             assembles them (GNU as and ld) and prints what tests/guests/roms/roms.txt is to be
#   roms.sh make FILE DIR    writes DIR/NAME.rom for each ROM of such a text; needs no assembler
#
# A line of the text is `NAME OFFSET BYTES`: bytes that are not zero, as printf(1) reads them. All others of the 4096 are
# zero.

set -eu

guests='poweroff reset halt triple spin acpi deaf hello helloacpi echo'

text() {
    source=$(dirname "$0")/../tests/guests/roms/rom.S
    dir=$(mktemp -d "${TMPDIR:-/tmp}/roms.XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    for guest in $guests; do
        as --32 --defsym "$guest=1" -o "$dir/rom.o" "$source"
        ld -m elf_i386 -Ttext 0xf000 -e 0xfff0 --oformat binary -o "$dir/rom" "$dir/rom.o"
        [ "$(wc -c <"$dir/rom")" -eq 4096 ]
        od -An -v -b "$dir/rom" | awk -v guest="$guest" '
            function flush() { if (bytes != "") print guest, from, bytes; bytes = "" }
            { for (i = 1; i <= NF; i++) {
                if ($i == "000") flush(); else { if (bytes == "") from = at + 0; bytes = bytes "\\" $i }
                at++
            } }
            END { flush() }'
    done
}

# Each ROM is made beside its place and renamed: if it exists, it is complete.
make() { # FILE DIR
    last=
    while read -r name offset bytes; do
        rom=$2/$name.rom
        if [ "$name" != "$last" ]; then
            [ -z "$last" ] || mv "$2/$last.part" "$2/$last.rom"
            dd if=/dev/zero of="$2/$name.part" bs=4096 count=1 2>/dev/null
            last=$name
        fi
        # shellcheck disable=SC2059 # the bytes are a format: octal escapes and nothing else
        printf "$bytes" | dd of="$2/$name.part" bs=1 seek="$offset" conv=notrunc 2>/dev/null
    done <"$1"
    mv "$2/$last.part" "$rom"
}

case ${1-} in
    text) text ;;
    make) make "$2" "$3" ;;
    *)
        sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
