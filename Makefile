# The commands of this project; `make` alone lists them. Set-up is part of those that need it and quick when done.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:

jobs   ?= $(shell nproc)
prefix ?= /usr/local
preset ?= release
k      ?=
DESTDIR ?=

CALVE_DEPS ?= $(CURDIR)/.deps
export CALVE_DEPS

# Lets ccache work with precompiled headers, and find what another checkout has compiled.
export CXXFLAGS := $(CXXFLAGS) -fpch-preprocess
export CCACHE_SLOPPINESS := pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

# A recipe says what it does, keeps the time, and ends with one clear line, however it ends.
begin = began=$$SECONDS; trap 'rc=$$?; [ $$rc = 0 ] || echo "calve: $@ FAILED (exit $$rc, $$((SECONDS - began)) s)" >&2' EXIT; echo "calve: $@: $(1)"
finish = echo "calve: $@ done$(1) ($$((SECONDS - began)) s)"

configure = cmake --preset $(1) -DCALVE_DEPS="$$CALVE_DEPS" >build/$(1).configure.log 2>&1 || { cat build/$(1).configure.log >&2; exit 1; }
compile = mkdir -p build; $(call configure,$(1)); ninja -C build/$(1) -j $(jobs) $(2)
run_ctest = ctest --test-dir build/$(1) --output-on-failure --no-tests=error --timeout 900 -j $(jobs) -E '$(skip)' $(if $(k),-R '$(k)')
# Files of tests go to as many processes as there are cores: each waits for servers and for other processes most of the time.
pytest = $$CALVE_DEPS/venv/bin/python -m pytest -n $(jobs) --dist loadfile
# What ctest leaves out, by name; nothing.
skip = ^$$

.PHONY: help setup build test demo bench unit asan tsan soak interop lint format install package clean distclean

help:  ## this list
	@echo "calve: ClickHouse windows into Iceberg tables, exactly once"
	awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	echo "  options: jobs=N, preset=release|debug|asan|tsan (unit), k=PATTERN (unit, interop), prefix=DIR (install)"

setup:  ## installs everything that building, testing and measuring needs
	@tools/setup all

build:  ## build/release/calve
	@$(call begin,release build of the program)
	tools/setup build run
	$(call compile,release,calve)
	$(call finish,: build/release/calve)

unit:  ## the unit tests of one preset: make unit preset=debug k='iceberg\.'
	@$(call begin,unit tests$(,) preset $(preset))
	tools/setup build run servers
	$(call compile,$(preset),unit_tests)
	$(call run_ctest,$(preset))
	$(call finish)

asan: export ASAN_OPTIONS = strict_string_checks=1:detect_stack_use_after_return=1:check_initialization_order=1:halt_on_error=1
asan: export LSAN_OPTIONS = suppressions=$(CURDIR)/tools/sanitizers/lsan.supp:print_suppressions=0
asan: export UBSAN_OPTIONS = print_stacktrace=1:halt_on_error=1
asan:  ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(call begin,unit tests under ASan and UBSan)
	tools/setup build run servers
	$(call compile,asan,unit_tests)
	$(call run_ctest,asan)
	$(call finish)

tsan: export TSAN_OPTIONS = suppressions=$(CURDIR)/tools/sanitizers/tsan.supp:halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0
# Arrow's own allocator is not instrumented: memory that one thread frees and another gets again would look shared. malloc's is seen.
tsan: export ARROW_DEFAULT_MEMORY_POOL = system
tsan:  ## unit tests under ThreadSanitizer
	@$(call begin,unit tests under TSan)
	tools/setup build run servers
	$(call compile,tsan,unit_tests)
	$(call run_ctest,tsan)
	$(call finish)

soak:  ## the models of the promise with new seeds, on all cores, for CALVE_SOAK_MINUTES (60); then a simulated week of cycles
	@$(call begin,random sequences against the models of the promise$(,) and a week of cycles)
	tools/setup build run test
	$(call compile,release,calve calve_offload_test)
	tools/soak build/release/calve_offload_test --jobs $(jobs)
	bench/cycles --days 7
	$(call finish)

interop:  ## pytest: the command line, crashes, and what four engines read
	@$(call begin,pytest over the built program)
	tools/setup build run test spark servers
	$(call compile,release,calve calve_cli_test)
	$(pytest) tests $(if $(k),-k '$(k)')
	$(call finish)

lint:  ## the layer rule, and that the check of it works
	@$(call begin,layer check)
	python3 tools/check_layers.py --self-test
	python3 tools/check_layers.py
	$(call finish)

test: export CALVE_STRICT = 1
test:  ## everything: set-up, build, unit tests (release, ASan+UBSan, TSan), layers, interop
	@$(call begin,set-up$(,) build and every test)
	tools/setup build run test spark servers
	$(MAKE) --no-print-directory lint
	$(call compile,release,calve unit_tests)
	$(call run_ctest,release)
	$(MAKE) --no-print-directory asan
	$(MAKE) --no-print-directory tsan
	$(pytest) tests
	$(call finish)

demo:  ## 3.8 million trades from an embedded ClickHouse into an Iceberg table
	@$(MAKE) --no-print-directory build
	tools/demo

bench: build  ## calve beside Spark, PyIceberg and ClickHouse's own writer
	@$(call begin,benchmark)
	tools/setup build run test spark servers bench
	bench/run
	bench/cycles
	$(call finish)

format:  ## clang-format over all C++ sources
	@$(call begin,clang-format)
	tool=$$(command -v clang-format-14 || command -v clang-format) || { echo "calve: install clang-format-14" >&2; exit 1; }
	find src bench tests -name '*.cc' -print0 -o -name '*.h' -print0 | xargs -0 -r $$tool -i
	$(call finish)

install: build  ## the program, its libraries, pages, completions and units, under prefix=DIR
	@$(call begin,install to $(DESTDIR)$(prefix))
	ninja -C build/release -j $(jobs) calve_generated
	DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(prefix)'
	$(call finish)

package: build  ## Debian packages: calve, and calve-chdb with the embedded ClickHouse
	@$(call begin,Debian packages)
	tools/setup package
	ninja -C build/release -j $(jobs) calve calve_generated
	(cd build/release && cpack >package.log 2>&1) || { cat build/release/package.log >&2; exit 1; }
	ls -s --block-size=MB build/release/package/*.deb
	$(call finish)

clean:  ## removes build/
	@rm -rf build
	echo "calve: clean done"

distclean: clean  ## removes build/, demo-data/ and what set-up fetched
	@rm -rf demo-data
	if [ "$$CALVE_DEPS" = "$(CURDIR)/.deps" ]; then rm -rf .deps; fi
	echo "calve: distclean done"

, := ,
