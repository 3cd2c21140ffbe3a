#!/usr/bin/env bash
# Installs the Debian packages that a command needs.
#
# Usage: tools/apt.sh [--missing|--check] build|demo|lint|test|bridge|memory|dist|bench|all …
#
# Does nothing if all packages are installed. Runs apt as root or with `sudo -n`; without that right it prints the
# command to run, and fails. `--missing` only lists the missing packages. `--check` installs nothing, and fails only if
# this user could not install them.
set -euo pipefail

usage="usage: tools/apt.sh [--missing|--check] build|demo|lint|test|bridge|memory|dist|bench|all …"
# A linker, and the C compiler that the crate `ring` asks for.
build=(build-essential)
# PHP's headers, and libclang with its own headers, which bindgen needs to read them.
php=(php-cli php-dev libclang1-14 libclang-common-14-dev)
demo=(
    gfortran
    libfftw3-dev                                     # the spectrum of the demonstration (GPL; the libraries do not need it)
    "${php[@]}"
)
lint=("${php[@]}")
test=(
    pkg-config cmake gfortran clang-14               # consumers of the C library, a second compiler
    "${php[@]}"
    php-fpm nginx                                    # the page behind a real web server
    libeigen3-dev                                    # the recipe of docs/cpp.md
    libfftw3-dev libsqlite3-dev                      # the examples: the observatory's spectrum, the data logger in C++
    chromium fonts-dejavu-core                       # the page in a real browser
    strace elfutils                                  # faults at every system call, the line at which a program waits
    valgrind                                         # memory errors
    tmux                                             # the live view in a terminal
    protobuf-compiler libprotobuf-dev                # protoc, and the files that come with it
    systemd                                          # what reads the unit files
    curl procps openssl                              # tests fetch pages, list processes, make keys
    pypy3 python3-pip                                # the client in pure Python by another Python
    iproute2                                         # a network of its own for a program that listens at a fixed port
    locales                                          # a language other than English
)
# The bridge's second engine, and certificates for it (the service that Debian starts is not used).
bridge=(nats-server openssl iproute2 strace)
# A compiler with the source of its standard library, which ThreadSanitizer needs to be built with it.
memory=(rustc-web rust-web-src)
# Packages, and their tests in a fresh root.
dist=(
    "${php[@]}" gfortran cmake pkg-config binutils dpkg-dev debootstrap lintian rpm
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user                # for the other machine, and to run what is built for it
)
# ZeroMQ, nng, Boost.Interprocess; Redis without the service that redis-server would start; D-Bus.
bench=(
    gfortran "${php[@]}"
    libzmq3-dev libnng-dev libboost-dev
    redis-tools libhiredis-dev php-redis
    dbus-daemon dbus-session-bus-common libdbus-1-dev
)

only_list= only_check=
packages=("${build[@]}")
[ "$#" -gt 0 ] || { echo "$usage" >&2; exit 2; }
for word in "$@"; do
    case $word in
        --missing) only_list=yes ;;
        --check) only_check=yes ;;
        build) ;;
        demo) packages+=("${demo[@]}") ;;
        lint) packages+=("${lint[@]}") ;;
        test) packages+=("${test[@]}") ;;
        bridge) packages+=("${bridge[@]}") ;;
        memory) packages+=("${memory[@]}") ;;
        dist) packages+=("${dist[@]}") ;;
        bench) packages+=("${bench[@]}") ;;
        all) packages+=("${demo[@]}" "${test[@]}" "${bridge[@]}" "${memory[@]}") ;;
        *) echo "$usage" >&2; exit 2 ;;
    esac
done
# Any Python from 3.11 on will do; Debian's makes virtual environments only with this package.
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    # A program of that name that was installed in another way is enough.
    [ "$state" = installed ] || command -v "$package" >/dev/null || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | awk '!seen[$0]++')
if [ -n "$only_list" ]; then
    printf '%s\n' "${missing[@]}"
    exit 0
fi

line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" = 0 ]; then
    run=()
elif sudo -n true 2>/dev/null; then
    run=(sudo -n)
else
    printf 'These packages are missing. As root, run:\n\n    %s\n\n' "$line" >&2
    exit 1
fi
[ -z "$only_check" ] || exit 0
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -q
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
