# The commands of the workspace; `make help` lists them.
SHELL := /bin/bash
PREFIX ?= /usr/local
export CARGO_TARGET_DIR ?= $(CURDIR)/target

.PHONY: help build test test-quick test-bridge test-memory test-all test-nightly fuzz bench bench-quick bench-bridge bench-recording bench-gateway demo demo-machines dist dist-test semver release docs install uninstall python php lint clean

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build:  ## build the core, the C library and the program: needs only Rust
	cargo build

test:  ## install the test tools, build, and run the daily suites: 30 minutes from nothing, 10 after that
	@tools/apt.sh test
	@$(MAKE) --no-print-directory .venv/ready
	tests/run

test-bridge:  ## build and test the bridge between machines, whose engines have 300 crates: 9 minutes from nothing
	@tools/apt.sh test bridge
	@$(MAKE) --no-print-directory .venv/ready
	tests/run --bridge

test-memory:  ## check memory: AddressSanitizer, ThreadSanitizer, sanitizers of C, C++ and Fortran, every interleaving of threads
	@tools/apt.sh test memory
	@$(MAKE) --no-print-directory .venv/ready
	tests/run --memory

lint:  ## check the sources: clippy, rustfmt, the documentation of the crates, added sentences
	@tools/apt.sh lint
	tests/run --lint
	@tools/text || true

test-quick: .venv/ready  ## run the daily suites; skip suites of PHP, Fortran or a browser if these are missing
	tests/run --quick

test-all:  ## run the suites above with every grid, kill and power cut in full: before a release
	@tools/apt.sh all
	@$(MAKE) --no-print-directory .venv/ready
	tests/run --all

test-nightly:  ## run test-all and the suites that take hours: 100,000 kills, hours of fuzzing, sanitizers
	@tools/apt.sh all
	@$(MAKE) --no-print-directory .venv/ready
	tests/run --nightly

MINUTES ?= 10
fuzz:  ## run each fuzzing target for MINUTES minutes (10)
	fuzz/run --seconds $$(( $(MINUTES) * 60 ))

bench:  ## compare ours with floors and peers, and measure how cost grows, in at most 15 minutes; writes benches/RESULTS.md
	@tools/apt.sh bench || echo "make bench: peers that are not installed are named in the table"
	benches/run

bench-quick:  ## run the benchmark with few repetitions, in at most 2 minutes; writes nothing
	benches/run --quick

bench-bridge:  ## compare names of other machines with plain zenoh, and measure how cost grows; writes benches/BRIDGE.md
	benches/bridge/run

bench-recording: .venv/ready  ## compare recorder, replay and tables with dd, mcap's writer and h5py; writes benches/RECORDING.md
	benches/recording/run

bench-gateway: .venv/ready  ## compare the gateway with JSON in Python and NATS over WebSockets, with 1,000 clients; writes benches/GATEWAY.md
	benches/gateway/run

demo:  ## run the observatory: sensors, seismogram, spectrum and a page; until Ctrl-C or DEMO_SECONDS; 3 minutes from nothing
	@tools/apt.sh build
	@tools/apt.sh --check demo
	examples/observatory/run

demo-machines:  ## run the observatory on three machines: network namespaces with a bridge each, over TLS; needs root
	@tools/apt.sh demo bridge
	examples/observatory/machines

install:  ## put the C, C++ and Fortran library and the program under PREFIX
	@tools/apt.sh build || echo "make install: going on without these packages"
	cargo build --release -p linkspan-c -p linkspan-cli -p linkspan-gateway -p linkspan-recorder
	cargo build --release -p linkspan-schema-convert
	packaging/install "$(PREFIX)" "$(CARGO_TARGET_DIR)/release"

uninstall:  ## remove the files that make install put under PREFIX; other files stay
	packaging/install --undo "$(PREFIX)"

# Uses the demo's commands: maturin would set pyo3's interpreter, and each of the two would then compile the other's crates again.
python: export PYO3_BUILD_EXTENSION_MODULE = 1
python: .venv/numpy  ## build the Python module and the program linkspan into .venv
	@tools/apt.sh build || echo "make python: going on without these packages"
	cargo build --release --lib -p linkspan-c -p linkspan-python
	cargo build --release -p linkspan-cli
	cargo build --release -p linkspan-schema-convert
	.venv/bin/python -m pip uninstall --quiet --quiet --yes linkspan
	.venv/bin/python tools/python_module.py release
	ln -sf "$(CARGO_TARGET_DIR)/release/linkspan" "$(CARGO_TARGET_DIR)/release/linkspan-schema" .venv/bin/

dist:  ## build the shipped artefacts into dist/: wheel, static programs, C library, Debian packages, PHP archive, crates
	@tools/apt.sh dist
	packaging/build

semver:  ## compare the crates' interfaces with the previous release, with cargo-semver-checks
	packaging/semver

release:  ## set VERSION everywhere, check, build and test dist/, commit and tag; publishes nothing
	packaging/release "$(VERSION)"

dist-test:  ## install dist/ on a system without compiler and source tree, and run the first programs
	@tools/apt.sh dist
	@$(MAKE) --no-print-directory .venv/ready
	.venv/bin/python -m pytest -q -p no:cacheprovider tests/dist

php:  ## build the PHP extension
	@tools/apt.sh lint || echo "make php: going on without these packages"
	cargo build --release --lib -p linkspan-php
	@echo "php -d extension=$(CARGO_TARGET_DIR)/release/liblinkspan_php.so"

docs: python  ## make a book of the documentation: target/book/html/index.html
	.venv/bin/python tools/book/build.py

clean:  ## remove built files
	cargo clean
	rm -rf .venv build

# Programs need only NumPy, for arrays. The packages of the tests are many times as large.
.venv/numpy: examples/observatory/requirements.txt
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r examples/observatory/requirements.txt
	touch $@

.venv/ready: tests/requirements.txt .venv/numpy
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@
