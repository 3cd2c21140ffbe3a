#!/bin/sh
# Makes the installed static library: archive.sh BUILT MADE.
#
# cargo's archive has thousands of global symbols, including the Rust standard library. Two such archives collide in one
# program, and a plugin exports every symbol. This archive has one object with the functions of symbols.txt and their
# dependencies. All other symbols are local, and the functions are hidden, so programs and plugins do not export them.
set -eu

built=${1:?usage: archive.sh BUILT MADE}
made=${2:?usage: archive.sh BUILT MADE}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A symbol that one object declares as hidden is hidden in all objects.
{
    while read -r name; do printf '.hidden %s\n' "$name"; done <"$here/symbols.txt"
    printf '.section .linkspan.hidden,"a"\n'
    while read -r name; do printf '.quad %s\n' "$name"; done <"$here/symbols.txt"
    printf '.section .note.GNU-stack,"",%%progbits\n'
} >"$folder/hidden.s"
"${AS:-as}" -o "$folder/hidden.o" "$folder/hidden.s"
sed 's/^/-u /' "$here/symbols.txt" >"$folder/wanted"
# A debug build has more sections than some tools can count, so all functions share one section.
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
# The linker reads arguments from "@FILE".
"${LD:-ld}" -r --gc-sections --force-group-allocation -T "$folder/sections" "@$folder/wanted" -o "$folder/whole.o" "$folder/hidden.o" "$built"
"${OBJCOPY:-objcopy}" --keep-global-symbols="$here/symbols.txt" --remove-section=.linkspan.hidden --strip-debug --strip-unneeded \
    "$folder/whole.o" "$folder/linkspan.o"
rm -f "$made"
"${AR:-ar}" rcsD "$made" "$folder/linkspan.o"
