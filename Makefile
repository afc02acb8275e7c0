# `make test` is the gate, for people and for CI alike. `make bench` measures, `make fuzz` searches.
#
# The gate's order lets no step compile again what another has compiled: clippy checks the dependencies, whose metadata
# `doc` reads; `build` compiles them and what `suite` runs. Benches that measure alone are looked at by clippy, and not linked.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.PHONY: test tools format lint doc build suite bench fuzz

# Programs of the gate, and the Debian packages that bring those a person may lack. Envoy, where it is not on the path, and
# Requests and HTTPX are taken from PyPI by their tests.
PROGRAMS := cargo cargo-fmt cargo-clippy cc certutil chromium curl git h2load ip ip6tables iptables java keytool nghttp nm node npm objdump openssl \
    python3 redis-server squid systemd-analyze valgrind
PACKAGES := gcc libc6-dev binutils chromium curl default-jdk-headless git iproute2 iptables libnss3-tools nghttp2-client openssl python3-venv \
    redis-server squid-openssl systemd valgrind
# Node of another source than Debian's, which has npm with it and bears no other beside it, is as good.
PACKAGES += $(if $(shell command -v npm),,nodejs npm)
# Where Debian keeps some of them.
export PATH := $(PATH):/usr/sbin:/sbin

# Seconds that `make fuzz` gives each target.
FUZZ_SECONDS ?= 60

# Tests are compiled without optimisation, the program with: see there. It is asked for each crate and makes no second copy of any.
export RUSTC_WRAPPER := $(CURDIR)/tests/rustc-wrapper

# After each step, what it took.
step = echo "== $@" && TIMEFORMAT="== $@ took %0lR" && time

test: tools format lint doc build suite

tools:
	@missing() { for program in $(PROGRAMS); do command -v $$program >/dev/null || echo $$program; done; }
	install() { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-upgrade --no-install-recommends $(PACKAGES); }
	if [ -n "$$(missing)" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then $(step) install; fi
	if [ -n "$$(missing)" ]; then
	    echo "make test needs these programs, which are not on the path:" $$(missing)
	    echo "On Debian: apt-get install $(PACKAGES); the cargo programs: https://rustup.rs"
	    exit 1
	fi

format: tools
	@$(step) cargo fmt --check

lint: format
	@$(step) cargo clippy --release --all-targets --locked -- -D warnings

doc: lint
	@export RUSTDOCFLAGS="-D warnings"
	$(step) cargo doc --release --no-deps --locked

build: doc
	@$(step) cargo test --release --locked --no-run

# The last line counts the tests of all binaries, fuzz regressions and documentation examples included, and says what was
# skipped: root may do everything, and skips nothing.
suite: build
	@log=$$(mktemp)
	trap 'rm -f "$$log"' EXIT
	status=0
	$(step) cargo test --release --locked --no-fail-fast 2>&1 | tee "$$log" || status=$$?
	if grep -q '^skipped: ' "$$log" && [ "$$(id -u)" = 0 ]; then status=1; fi
	awk '/^test result:/ { passed += $$4; failed += $$6 }
	    /^skipped: / && !seen[$$0]++ { skipped = skipped "; " $$0 }
	    END { print passed + 0 " passed, " failed + 0 " failed" skipped }' "$$log"
	exit $$status

bench:
	@cargo bench --locked --benches

fuzz:
	@command -v cargo-fuzz >/dev/null || { echo "make fuzz needs cargo-fuzz: cargo install cargo-fuzz"; exit 1; }
	for target in fuzz/fuzz_targets/*.rs; do
	    name=$$(basename "$$target" .rs)
	    cargo fuzz run -s none --release "$$name" -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048
	done
