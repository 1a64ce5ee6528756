# Everyday work on vmrun.  Works with BSD make and GNU make.

PREFIX ?= /usr/local
DESTDIR ?=
# freebsd or linux: what to install for; this system, if it is empty.
SYSTEM ?=
# Where Pacemaker looks for resource agents: /usr/lib/ocf, or PREFIX/lib/ocf on FreeBSD, if it is empty.
OCF_ROOT ?=
# yes: for a package, which keeps a list of its files itself.
PACKAGED ?=

CARGO ?= cargo
FUZZ_SECONDS ?= 600
VMRUN = target/release/vmrun
TARGET = $${CARGO_TARGET_DIR:-target}
# Where tools/setup.sh keeps a cargo-deny, if there is none on the path.
CACHE = $${XDG_CACHE_HOME:-$$HOME/.cache}/vmrun-tools
INSTALL = PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" OCF_ROOT="$(OCF_ROOT)" SYSTEM="$(SYSTEM)" PACKAGED="$(PACKAGED)" tools/install.sh
DENY = PATH="$$PATH:$(CACHE)" $(CARGO) deny --locked

all: build

## help     list the targets
help:
	@sed -n 's/^## /  make /p' Makefile

## build    the program, as target/release/vmrun (also: make, make all)
build:
	$(CARGO) build --release --locked

## run      the demo recipe, after installing what it needs
run:
	tools/setup.sh run
	$(CARGO) build --release --locked
	$(VMRUN) recipes/demo.rhai --init

## test     the tests, all of them, after installing what they need: what `cargo test` runs, and what it leaves out
test:
	tools/setup.sh test
	tools/build-before.sh $(TARGET)/before & before=$$!; $(CARGO) test --locked --no-run && $(CARGO) test --locked --no-run --test record --test strikes --test system && wait $$before
	$(CARGO) test --locked
	$(CARGO) test --locked --test record
	$(CARGO) test --locked --test strikes
	$(CARGO) test --locked --test system

## attack   the attacks, all of them: `make test` makes a share of each
attack:
	tools/setup.sh test
	VMRUN_ATTACK=all $(CARGO) test --release --locked --test attack
	$(CARGO) build --release --locked --example userland
	VMRUN_ATTACK=all PROPTEST_CASES=4200 $(CARGO) test --release --locked --test it -- --nocapture inputs:: hostile:: allowed:: new::
	VMRUN_ATTACK=all $(CARGO) test --release --locked --test strikes -- --nocapture moves::
	VMRUN_ATTACK=all $(CARGO) test --release --locked --test system -- --nocapture linux::attack::

## images   a Debian from its image on: fetched, converted, grown, cloned, moved, under QEMU; a quarter of an hour without KVM
images:
	tools/setup.sh images
	$(CARGO) test --locked --test images -- --nocapture --test-threads=1

## acceptance  a machine installed by Debian's own installer, from iPXE to the first login: an hour or more without KVM; as root
acceptance:
	tools/setup.sh acceptance
	$(CARGO) test --locked --test acceptance -- --nocapture

## cluster  three nodes with Corosync, Pacemaker and the resource agent, and failures: prints how long each recovery takes; as root
cluster:
	tools/setup.sh cluster
	$(CARGO) test --locked --test cluster -- --nocapture --test-threads=1

## editors  the grammars for editors, with the words of today, the extension for VS Code, and their tests; takes Node.js 18, npm, cc and their registries
editors:
	tools/setup.sh editors
	$(CARGO) build --locked --bin vmrun
	node packaging/editors/textmate.mjs $(TARGET)/debug/vmrun >$(TARGET)/rhai.tmLanguage.json
	cp $(TARGET)/rhai.tmLanguage.json packaging/vscode/syntaxes/rhai.tmLanguage.json
	node packaging/editors/queries.mjs $(TARGET)/debug/vmrun >$(TARGET)/highlights.scm
	cp $(TARGET)/highlights.scm packaging/tree-sitter-vmrun/queries/highlights.scm
	$(CARGO) run --locked --manifest-path packaging/tree-sitter-vmrun/parser/Cargo.toml \
		--target-dir packaging/tree-sitter-vmrun/parser/target -- generate
	$(CARGO) test --locked --test editors

## book     the book, as target/book/index.html; compiles mdBook once, for some minutes
book:
	tools/setup.sh book
	$(CARGO) build --locked --bin vmrun
	tools/book.sh build $(TARGET)/debug/vmrun

## bless    the transcripts in tests, as what the program says now: read the difference
bless:
	$(CARGO) build --locked --example userland
	VMRUN_BLESS=1 $(CARGO) test --locked --test it -- faulty:: import:: import_all:: import_cbsd:: import_running:: new:: ports:: recorded:: storage_plans::
	VMRUN_BLESS=1 $(CARGO) test --locked --test record -- published:: scripts:: words::

## check    formatting, lints, documentation and dependencies, each without a warning
check:
	tools/setup.sh check
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps --locked --document-private-items
	$(DENY) --target x86_64-unknown-linux-gnu check bans licenses sources
	$(DENY) --target x86_64-unknown-freebsd check bans licenses sources

## msrv     a check by the oldest Rust that Cargo.toml promises, unless all is built by it anyway
msrv:
	@oldest=$$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml); \
	case $$(rustc --version) in \
	"rustc $$oldest."*) echo "rustc is $$oldest, as Cargo.toml promises" ;; \
	*) set -x; $(CARGO) "+$$oldest" check --all-targets --locked ;; \
	esac

## freebsd  lints, builds and links for FreeBSD, on Debian too
freebsd:
	tools/freebsd-check.sh lint --all-targets --locked --config profile.dev.package.rhai.opt-level=0 # nothing of it is run

## bench    the benchmarks
bench:
	$(CARGO) bench --locked

## fuzz     every fuzz target in turn, each for FUZZ_SECONDS (600)
fuzz:
	tools/fuzz.sh $(FUZZ_SECONDS)

## install  what was built, with manual, completions, examples and the host's service, below PREFIX (/usr/local) below DESTDIR (nothing)
install:
	$(INSTALL) install $(VMRUN)

## deb      a package of Debian of what was built, in target/dist; takes cargo-deb from crates.io
deb: build
	tools/setup.sh deb
	CARGO_DEB="$$(PATH="$$PATH:$(CACHE)" command -v cargo-deb)" tools/deb.sh $(VMRUN) target/dist

## fresh    that package installed, used, upgraded and removed in a Debian that has nothing else; `make test` tries one of a debug build; as root
fresh: deb
	tools/setup.sh fresh
	lintian --fail-on error,warning target/dist/vmrun_*.deb
	tools/fresh.sh target/dist/vmrun_*.deb

## dist     what is released, with checksums, in target/dist: the sources, the crate, the package of Debian
dist: deb
	tools/dist.sh target/dist

## reproducible  two builds of the last commit in two folders, which have to be the same bytes; takes two release builds
reproducible:
	tools/reproducible.sh

## uninstall  remove exactly what make install made, with the same PREFIX and DESTDIR
uninstall:
	$(INSTALL) uninstall

## clean    remove what was built
clean:
	$(CARGO) clean

.PHONY: all help build run test attack images acceptance cluster editors book bless check msrv freebsd bench fuzz install deb fresh dist reproducible uninstall clean
