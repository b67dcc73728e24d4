# SPDX-License-Identifier: Apache-2.0
# One door to everything. `make help` lists the targets.
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.NOTPARALLEL:
SHELL := /bin/bash

PYTHON := /usr/bin/python3
ASAN := -Db_sanitize=address,undefined -Db_lundef=false
TSAN := -Db_sanitize=thread -Db_lundef=false -Dipsec_mb=disabled
NINJA := ninja --quiet
T ?= sdp
S ?= 60
ARGS ?=

# $(call configure,FOLDER,OPTIONS,ENVIRONMENT): sets up a build folder, and anew when a file came or went.
define configure
	@mkdir -p $(1); { tools/sources src; tools/sources apps; tools/sources test; tools/sources fuzz; tools/sources bench; tools/sources examples; ls docs/man 2>/dev/null || true; } > $(1)/.files.new
	@if [ ! -f $(1)/build.ninja ]; then $(3) meson setup $(1) $(2) >$(1)/.setup.log 2>&1 || { cat $(1)/.setup.log; exit 1; }; \
	elif ! cmp -s $(1)/.files $(1)/.files.new; then meson setup --reconfigure $(1) >$(1)/.setup.log 2>&1 || { cat $(1)/.setup.log; exit 1; }; fi
	@mv $(1)/.files.new $(1)/.files
endef

.PHONY: help deps test-deps build build-asan build-tsan build-fuzz run test check check-tsan check-integ netlab \
	bench fuzz fuzz-brief lint fmt cover docs install ci clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

deps: # what building needs
	@tools/install-deps build

test-deps: # what all the tests need
	@tools/install-deps build test
	@for folder in web test/integ/acs test/integ/web; do \
		if [ -f $$folder/package-lock.json ] && ! cmp -s $$folder/package-lock.json $$folder/node_modules/.installed; then \
			echo "Installing the npm packages of $$folder"; command -v npm >/dev/null || tools/install-deps node; \
			npm ci --prefix $$folder --no-audit --no-fund --silent </dev/null && \
			cp $$folder/package-lock.json $$folder/node_modules/.installed || exit 1; fi; done

build: deps ## the programs and libraries, release with symbols, into build/
	$(call configure,build,-Dtests=false,)
	@[ -e build/callflowd ] || echo "Building into build/: a minute or two, the first time"
	@$(NINJA) -C build

build-asan: deps
	$(call configure,build-asan,$(ASAN),)
	@$(NINJA) -C build-asan

build-tsan: deps
	$(call configure,build-tsan,$(TSAN),)
	@$(NINJA) -C build-tsan

build-fuzz: test-deps
	$(call configure,build-fuzz,-Dfuzz=true -Dtests=false $(ASAN),CC=clang)
	@$(NINJA) -C build-fuzz

run: build ## install what is missing, build, start callflowd --dev (ARGS='--json' and the like)
	@exec build/callflowd --dev $(ARGS)

test: test-deps ## everything that proves the product; ends with "N passed, N failed"
	@$(PYTHON) tools/run-tests </dev/null

check: build-asan ## unit and scenario tests under ASan and UBSan; under a minute
	@meson test --no-rebuild -C build-asan --print-errorlogs --suite unit --suite scenario

check-tsan: build-tsan ## the same tests under TSan
	@meson test --no-rebuild -C build-tsan --print-errorlogs --suite unit --suite scenario

check-integ: test-deps ## tests of the real daemon on loopback
	@$(PYTHON) tools/run-tests integ

netlab: test-deps build ## a call through every pair of networks, as root
	@netlab/netlab pairs $(ARGS)
	@$(if $(ARGS),,netlab/netlab survive)

bench: ## measure beside peers: ARGS='relay srtp --quick --write'; see docs/benchmarks.md
	@tools/install-deps build bench
	$(call configure,build-bench,-Dtests=false -Dbench=true,)
	@$(NINJA) -C build-bench
	@CALLFLOW_BUILD=$(CURDIR)/build-bench bench/bench $(ARGS)

fuzz: build-fuzz ## fuzz one target: T=sdp S=60
	@tools/fuzz $(T) $(S)

fuzz-brief: test-deps ## every fuzz target for a few seconds
	@$(PYTHON) tools/run-tests fuzz

lint: test-deps build ## the house rules: floors, sizes, headers, format, clang-tidy, docs
	@tools/lint $(ARGS)

fmt: ## put clang-format's hand on every C file
	@find src apps include examples test fuzz bench -name '*.[ch]' 2>/dev/null | xargs clang-format -i

cover: deps ## which lines the unit and scenario tests reach
	@tools/install-deps cover
	$(call configure,build-cover,-Db_coverage=true,)
	@$(NINJA) -C build-cover
	@meson test --no-rebuild -C build-cover --suite unit --suite scenario >/dev/null || true
	@gcovr --root . --filter src/ --sort-uncovered --txt build-cover/cover.txt build-cover
	@cat build-cover/cover.txt

docs: ## the man pages as HTML, into build/docs/
	@mkdir -p build/docs
	@for page in docs/man/*.[1-8]; do mandoc -Thtml -O style=mandoc.css "$$page" > "build/docs/$$(basename "$$page").html"; done
	@ls build/docs

install: build ## install below DESTDIR and the prefix of meson
	@meson install --no-rebuild -C build

ci: ## what the gate runs
	@.ci/run

clean: ## remove the build folders
	rm -rf build build-*
