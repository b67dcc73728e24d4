# SPDX-License-Identifier: Apache-2.0
# One door to everything. `make help` lists the targets.
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON := /usr/bin/python3
ASAN := -Db_sanitize=address,undefined -Db_lundef=false
TSAN := -Db_sanitize=thread -Db_lundef=false
T ?= stun_msg
S ?= 60

# $(call configure,FOLDER,OPTIONS,ENVIRONMENT): sets up a build folder, and anew when a file came or went.
define configure
	@mkdir -p $(1); { tools/sources src; tools/sources apps; tools/sources test; tools/sources fuzz; } > $(1)/.files.new
	@if [ ! -f $(1)/build.ninja ]; then $(3) meson setup $(1) $(2) >$(1)/.setup.log 2>&1 || { cat $(1)/.setup.log; exit 1; }; \
	elif ! cmp -s $(1)/.files $(1)/.files.new; then meson setup --reconfigure $(1) >$(1)/.setup.log 2>&1 || { cat $(1)/.setup.log; exit 1; }; fi
	@mv $(1)/.files.new $(1)/.files
endef

.PHONY: help deps build run test check check-tsan check-integ netlab fuzz fuzz-brief bench lint fmt cover docs ci clean install

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

deps: ## install what is missing (Debian packages; needs root or sudo)
	@tools/install-deps

build: deps ## the programs and libraries, release with symbols, into build/
	$(call configure,build,,)
	@ninja -C build --quiet

check: deps ## unit and scenario tests under ASan and UBSan
	$(call configure,build-asan,$(ASAN),)
	@ninja -C build-asan --quiet
	@meson test -C build-asan --print-errorlogs --suite unit --suite scenario

check-tsan: deps ## the same tests under TSan
	$(call configure,build-tsan,$(TSAN),)
	@ninja -C build-tsan --quiet
	@meson test -C build-tsan --print-errorlogs --suite unit --suite scenario

fmt: ## put clang-format's hand on every C file
	@tools/sources src | xargs clang-format -i
	@find include src apps test fuzz bench -name '*.[ch]' | xargs clang-format -i

clean: ## remove the build folders
	rm -rf build build-*
