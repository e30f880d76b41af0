# A thin front to tools/setup and the CMake presets. Everything is written below build/; packages are the exception.
.DEFAULT_GOAL := build
.PHONY: build demo test test-release test-asan test-fuzz bench clean help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

JOBS := $(shell nproc 2>/dev/null || echo 2)
ifndef GINNEL_STARTED
GINNEL_STARTED := $(shell date +%s)
endif
ifndef GINNEL_COMPILER_LAUNCHER
GINNEL_COMPILER_LAUNCHER := $(shell command -v ccache)
endif
CCACHE_DIR ?= $(CURDIR)/build/ccache
CTEST_PARALLEL_LEVEL ?= $(JOBS)
export GINNEL_STARTED GINNEL_COMPILER_LAUNCHER CCACHE_DIR CTEST_PARALLEL_LEVEL

step := @tools/step
results := build/results

define build_release
	$(step) "Configuring (preset release)" cmake --preset release $(1)
	$(step) "Building ginnel, optimised" cmake --build --preset release --parallel $(JOBS) --target ginnel
endef
# After `make test` the same folder stays configured with its tests.
keep_or_no_tests := $$(test -f build/CMakeCache.txt || echo -DBUILD_TESTING=OFF)

build: ## build/ginnel, optimised (the default)
	$(step) "Set-up: packages for the build" tools/setup build
	$(call build_release,$(keep_or_no_tests))
	@echo; echo "build/ginnel is ready: build/ginnel --help"

demo: ## the main job on this machine: two homes behind NATs, a download from one to the other
	$(step) "Set-up: packages for the demo" tools/setup demo
	$(call build_release,$(keep_or_no_tests))
	$(step) "Demo" build/ginnel lab demo

test: ## every test: unit, scenarios, lab; the first two again under sanitizers; short fuzz runs
	@rm -rf $(results) && mkdir -p $(results)
	$(step) "Set-up: packages for the tests" tools/setup test
	@$(MAKE) test-release test-asan test-fuzz
	@tools/tally $(results)

test-release: ## ... only the optimised build: unit, scenarios, lab
	@mkdir -p $(results)
	$(step) "Configuring (preset release)" cmake --preset release -DBUILD_TESTING=ON
	$(step) "Building ginnel and its tests, optimised" cmake --build --preset release --parallel $(JOBS)
	$(step) "Tests: unit, scenarios, lab" ctest --preset release --output-junit $(CURDIR)/$(results)/release.xml

test-asan: ## ... only unit and scenarios under AddressSanitizer and UndefinedBehaviorSanitizer
	@mkdir -p $(results)
	$(step) "Configuring (preset asan)" cmake --preset asan
	$(step) "Building unit and scenario tests with sanitizers" cmake --build --preset asan --parallel $(JOBS)
	$(step) "Tests under sanitizers: unit, scenarios" ctest --preset asan --output-junit $(CURDIR)/$(results)/asan.xml

test-fuzz: ## ... only the fuzz targets, a short run each
	@mkdir -p $(results)
	$(step) "Configuring (preset fuzz, clang)" cmake --preset fuzz
	$(step) "Building the fuzz targets" cmake --build --preset fuzz --parallel $(JOBS)
	$(step) "Fuzz targets, a short run each" ctest --preset fuzz --output-junit $(CURDIR)/$(results)/fuzz.xml

bench: ## the comparison table (needs network namespaces)
	@JOBS=$(JOBS) bench/run

clean: ## removes build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
