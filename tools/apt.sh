#!/usr/bin/env bash
# Installs the Debian packages that building and testing everything needs; does nothing where they are all there.
#
# Runs apt as root or by `sudo -n`; otherwise prints the one line to run, and stops. `--missing` only lists. `--bench` asks for
# what the benchmark compares with as well, which nothing else needs.
set -euo pipefail

packages=(
    build-essential pkg-config cmake gfortran        # C, C++, Fortran; pkg-config and CMake consumers
    clang-14 libclang1-14                            # bindgen reads PHP's headers with libclang
    php-cli php-dev php-fpm nginx                    # the extension, and the page behind a real web server
    libfftw3-dev                                     # the spectrum of the demonstration (GPL; the libraries do not need it)
    libsqlite3-dev                                   # the data logger in C++
    chromium fonts-dejavu-core                       # the page in a real browser
    valgrind strace elfutils                         # memory errors, faults at every system call, where a program waits
    tmux                                             # the live view in a terminal
    protobuf-compiler libprotobuf-dev                # protoc, and the files that come with it
    systemd                                          # what reads the unit files
    curl procps                                      # the tests look at pages and processes
    nats-server openssl                              # the bridge's second engine, and certificates for it (the service that Debian starts is not used)
    iproute2                                         # a network of its own for what listens at a fixed port
    locales                                          # a language other than English, for the tests
)
if [ "${1:-}" = --bench ]; then
    shift
    packages+=(
        libzmq3-dev libnng-dev libboost-dev          # ZeroMQ, nng, Boost.Interprocess
        redis-tools libhiredis-dev php-redis         # Redis without the service that redis-server would start
        dbus-daemon dbus-session-bus-common libdbus-1-dev
    )
fi
# Any Python from 3.11 on will do; Debian's makes virtual environments only with this package.
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    # A program of that name that came by another way will do.
    [ "$state" = installed ] || command -v "$package" >/dev/null || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if [ "${1:-}" = --missing ]; then
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
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -q
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
