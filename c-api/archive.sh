#!/bin/sh
# Makes the static library that is installed: archive.sh BUILT MADE.
#
# What cargo builds has thousands of global symbols, those of Rust's standard library too: two such archives in one program
# collide, and a plugin exports them all. Here one object has the functions of symbols.txt and what they use; everything else
# is local. The functions are hidden: a program or a plugin uses them and exports none.
set -eu

built=${1:?usage: archive.sh BUILT MADE}
made=${2:?usage: archive.sh BUILT MADE}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A symbol that one object refers to as hidden is hidden in all of them.
{
    while read -r name; do printf '.hidden %s\n' "$name"; done <"$here/symbols.txt"
    printf '.section .linkspan.hidden,"a"\n'
    while read -r name; do printf '.quad %s\n' "$name"; done <"$here/symbols.txt"
    printf '.section .note.GNU-stack,"",%%progbits\n'
} >"$folder/hidden.s"
"${AS:-as}" -o "$folder/hidden.o" "$folder/hidden.s"
sed 's/^/-u /' "$here/symbols.txt" >"$folder/wanted"
# A section for each function, of which a debug build has more than some tools can count, becomes one for all.
cat >"$folder/sections" <<'END'
SECTIONS {
    .text : { *(.text .text.*) }
    .rodata : { *(.rodata .rodata.*) }
    .data.rel.ro : { *(.data.rel.ro .data.rel.ro.*) }
    .data : { *(.data .data.*) }
    .bss : { *(.bss .bss.*) }
    .tdata : { *(.tdata .tdata.*) }
    .tbss : { *(.tbss .tbss.*) }
    .gcc_except_table : { *(.gcc_except_table .gcc_except_table.*) }
    /DISCARD/ : { *(.debug_* .comment .llvmbc .llvmcmd) }
}
END
# The linker reads "@FILE" as arguments.
"${LD:-ld}" -r --gc-sections --force-group-allocation -T "$folder/sections" "@$folder/wanted" -o "$folder/whole.o" "$folder/hidden.o" "$built"
"${OBJCOPY:-objcopy}" --keep-global-symbols="$here/symbols.txt" --remove-section=.linkspan.hidden --strip-debug --strip-unneeded \
    "$folder/whole.o" "$folder/linkspan.o"
rm -f "$made"
"${AR:-ar}" rcsD "$made" "$folder/linkspan.o"
