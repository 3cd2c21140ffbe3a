#!/bin/sh
# Installs the built files: install.sh [--relocatable] PREFIX [TARGET]. TARGET is cargo's directory of the release
# build.
#
# With --relocatable, pkg-config's file finds the prefix from its place, so that the folder can be moved. The files for
# CMake always do.
#
# Library names and soname have version 0 of the interface; the files have the full version. DESTDIR is honoured.
# $STRIP (strip) removes unneeded parts of the shared library; STRIP=: keeps them. archive.sh makes the static library,
# and python3 ($PYTHON) the Fortran module.
set -eu

usage="usage: install.sh [--relocatable] PREFIX [TARGET]"
relocatable=
if [ "${1:-}" = --relocatable ]; then
    relocatable=yes
    shift
fi
prefix=${1:?$usage}
here=$(cd "$(dirname "$0")" && pwd)
target=${2:-${CARGO_TARGET_DIR:-$here/../target}/release}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
case $prefix in
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
esac
root=${DESTDIR:-}$prefix

for built in liblinkspan_c.so liblinkspan_c.a; do
    [ -f "$target/$built" ] || {
        echo "$target/$built is not there; build it first: cargo build --release -p linkspan-c" >&2
        exit 1
    }
done

mkdir -p "$root/lib/pkgconfig" "$root/lib/cmake/linkspan" "$root/include/linkspan" "$root/share/linkspan/fortran" \
    "$root/share/doc/linkspan/examples"
install -m 755 "$target/liblinkspan_c.so" "$root/lib/liblinkspan.so.$version"
ln -sf "liblinkspan.so.$version" "$root/lib/liblinkspan.so.0"
ln -sf liblinkspan.so.0 "$root/lib/liblinkspan.so"
"$here/archive.sh" "$target/liblinkspan_c.a" "$root/lib/liblinkspan.a"
"${STRIP:-strip}" --strip-unneeded "$root/lib/liblinkspan.so.$version"
install -C -m 644 "$here/include/linkspan.h" "$here/include/linkspan.hpp" "$root/include/"
install -C -m 644 "$here"/include/linkspan/*.h* "$root/include/linkspan/"
"${PYTHON:-python3}" "$here/fortran/generate.py" "$root/share/linkspan/fortran"
install -m 644 "$here/fortran/fpm.toml" "$root/share/linkspan/fortran/"
install -m 644 "$here"/suppressions/*.supp "$root/share/linkspan/"
documents="$root/share/doc/linkspan"
install -m 644 "$here/../LICENSE-MIT" "$here/../LICENSE-APACHE" "$here/../CHANGELOG.md" "$documents/"
install -m 644 "$here"/../docs/*.md "$here"/../docs/*.svg "$here"/../docs/*.png "$here"/../docs/*.json "$documents/"
for part in how-to tutorials; do
    install -d "$documents/$part"
    install -m 644 "$here/../docs/$part"/*.md "$documents/$part/"
done
for source in "$here"/../examples/first/*.c "$here"/../examples/first/*.cpp "$here"/../examples/first/*.f90; do
    install -m 644 "$source" "$documents/examples/"
done
# A link to a missing file becomes its text.
find "$documents" -name '*.md' | while read -r page; do
    grep -o '](\([^)]*\))' "$page" | sed -e 's/^](//' -e 's/)$//' | grep -v -e '^https\{0,1\}:' -e '^#' | sort -u | while read -r link; do
        [ -e "$(dirname "$page")/${link%%#*}" ] && continue
        text=$(printf %s "$link" | sed -e 's/[][\.*^$|]/\\&/g')
        sed -e "s|\[\([^][]*\)\]($text)|\1|g" "$page" > "$page.new"
        mv "$page.new" "$page"
    done
done
stated=$prefix
[ -z "$relocatable" ] || stated='${pcfiledir}/../..'
# Escapes characters that are special in sed.
replacement=$(printf %s "$stated" | sed -e 's/[\\|&]/\\&/g')
for template in "$here/linkspan.pc.in:$root/lib/pkgconfig/linkspan.pc" \
    "$here/cmake/linkspan-config.cmake.in:$root/lib/cmake/linkspan/linkspan-config.cmake" \
    "$here/cmake/linkspan-config-version.cmake.in:$root/lib/cmake/linkspan/linkspan-config-version.cmake"; do
    made=${template#*:}
    sed -e "s|@PREFIX@|$replacement|g" -e "s|@VERSION@|$version|g" "${template%%:*}" >"$made.new"
    # CMake configures a project again if its files have a new time.
    if cmp -s "$made.new" "$made"; then rm "$made.new"; else mv "$made.new" "$made"; fi
done
# pkg-config replaces pcfiledir by a path with escaped spaces.
[ -z "$relocatable" ] || sed -i 's/"//g' "$root/lib/pkgconfig/linkspan.pc"
echo "installed linkspan $version in $root"
