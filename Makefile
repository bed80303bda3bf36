# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# `make help` lists the goals. Each does its own set-up: apt packages, a Python environment in .venv and the builds.
# Plain `swift build` and `swift test` work without this file; it turns on the traits that they leave off.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
# SwiftPM takes all processors, and two of it at once wait for each other.
# `demo` builds goals at once of which one alone uses it.
ifndef AT_ONCE
.NOTPARALLEL:
endif

PREFIX ?= /usr/local
# With several architectures on one machine: LIBDIR=/usr/lib/x86_64-linux-gnu.
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
PYTHON ?= python3
SWIFT ?= swift

VENV := $(CURDIR)/.venv
LIB := build/lib
# What the library without a Swift runtime is built for: make lib PLATFORM=...
PLATFORMS := x86_64-linux-gnu aarch64-linux-gnu x86_64-linux-musl aarch64-linux-musl
HOST := $(shell uname -m)-linux-$(if $(wildcard /etc/alpine-release),musl,gnu)
PLATFORM := $(HOST)
ifneq ($(filter lib wheel install,$(MAKECMDGOALS)),)
$(if $(filter $(PLATFORM),$(PLATFORMS)),,$(error PLATFORM is '$(PLATFORM)', expected one of $(PLATFORMS)))
endif
LIBRARY := $(LIB)/$(HOST)/libfdmetrics.so
SWIFT_OBJECT := build/embedded/$(shell uname -m)/FDMetricsC.o
TOOL := build/bin/fdmctl
DEMO_ENGINE := build/demo/demo-engine
ZMQ_PEER := build/tests/zmq-peer
ZMQ_EXAMPLE := build/examples/zmq-example
ZMQ_BENCH := build/bench/zmq-bench
EXPOSITION_BENCH := build/bench/exposition-bench
SWIFT_METRICS_BENCH := build/bench/swift-metrics-bench
SWIFT_SERVER := build/tests/swift-server-example
OLDER_GLIBC := build/older-glibc.o
STATIC_LIBRARIES := build/static
PYTHON_LIBRARY := python/fdmetrics/libfdmetrics.so
# C compiler and linker for every platform.
ZIG := $(VENV)/bin/python -m ziglang
export ZIG_GLOBAL_CACHE_DIR := $(CURDIR)/build/zig-cache
export ZIG_LOCAL_CACHE_DIR := $(CURDIR)/build/zig-cache

SOURCES = Makefile Package.swift $(shell find Sources Include -type f)
# What is in the library.
CORE = scripts/build-library.sh $(shell find Include $(addprefix Sources/,CFDMetricsLinux EmbeddedRuntime FDMetricsStore \
	FDMetrics FDMetricsExposition FDMetricsZMQRecording FDMetricsC) -type f)

# This keeps the layers: no target imports what it does not declare in Package.swift.
CHECK_IMPORTS := --explicit-target-dependency-import-check error
# All optional parts.
SWIFT_OPTIONS := --enable-all-traits $(CHECK_IMPORTS)
# An update is about a dozen instructions, and three more where each function sets up a frame. They fit in one line of the
# cache, and take a tenth longer where they begin in the middle of one: each function is aligned to 2^6 bytes.
RELEASE_OPTIONS := --omit-frame-pointers -Xswiftc -Xllvm -Xswiftc -align-all-functions=6
# A build of its own, with the Swift runtime inside, stripped, and without a path of this machine: neither where libraries
# are looked for, nor __FILE__ in what is C. Nothing looks symbols up in these programs: what only they keep can go. All
# have the same options, or each would compile the modules of the others again.
PREFIX_MAP := -ffile-prefix-map=$(CURDIR)/=
STATIC_OPTIONS := --scratch-path .build/static -Xswiftc -static-stdlib -Xcc $(PREFIX_MAP) -Xcxx $(PREFIX_MAP) \
	-Xswiftc -no-toolchain-stdlib-rpath --disable-local-rpath $(RELEASE_OPTIONS) \
	-Xlinker --gc-sections -Xlinker --no-export-dynamic -Xlinker -s -Xlinker --wrap=hypot -Xlinker --wrap=hypotf \
	-Xlinker $(CURDIR)/$(OLDER_GLIBC) -Xlinker -L$(CURDIR)/$(STATIC_LIBRARIES)

# What the tests, the demo and the benchmarks find in their environment.
RUN_ENVIRONMENT = PATH="$(VENV)/bin:$$PATH" PYTHONPATH="$(CURDIR)/python" \
	FDMETRICS_LIBRARY="$(CURDIR)/$(LIBRARY)" FDMCTL="$(CURDIR)/$(TOOL)" \
	ZMQ_PEER_SWIFT="$(CURDIR)/$(ZMQ_PEER)" ZMQ_EXAMPLE_SWIFT="$(CURDIR)/$(ZMQ_EXAMPLE)" \
	ZMQ_BENCH_SWIFT="$(CURDIR)/$(ZMQ_BENCH)" EXPOSITION_BENCH="$(CURDIR)/$(EXPOSITION_BENCH)" \
	SWIFT_METRICS_BENCH="$(CURDIR)/$(SWIFT_METRICS_BENCH)" SWIFT_SERVER_EXAMPLE="$(CURDIR)/$(SWIFT_SERVER)"
PYTEST = $(RUN_ENVIRONMENT) $(VENV)/bin/python -m pytest -q

.PHONY: help
help: ## list the goals
	@printf 'make GOAL, where GOAL is\n'
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)$$/  \1\t\2/p' Makefile | expand -t 16
	@printf 'with PLATFORM= (lib, wheel, install), PREFIX=, LIBDIR=, DESTDIR= (install), KEEP=1 (demo), FDM_STRESS=N (test: N times\n'
	@printf 'as long), ONLY=, CHECKOUTS= (test-peers), PART=ci (test-wheel, test-dist, test-arm64, test-musl), PYTHON=, SWIFT=\n'

# ----------------------------------------------------------------------------------------------------------------------
# Set-up

.PHONY: packages
packages:
	@scripts/setup.sh packages build

.PHONY: venv
venv: ## the Python environment .venv with what tests and linters need
	@PYTHON="$(PYTHON)" scripts/setup.sh venv "$(VENV)"

# ----------------------------------------------------------------------------------------------------------------------
# Builds

.PHONY: build
build: packages ## a debug build of everything, tests included
	$(SWIFT) build $(SWIFT_OPTIONS) --build-tests

.PHONY: lib
lib: packages venv $(LIB)/$(PLATFORM)/libfdmetrics.so $(LIB)/$(PLATFORM)/pkgconfig/fdmetrics.pc ## the library, shared and static, in build/lib/PLATFORM
	@scripts/check-library.sh $(PLATFORM) $(LIB)/$(PLATFORM)/libfdmetrics.so

# What runs the tests, the demo and the benchmarks: the library that Python carries, and the tool.
.PHONY: library tool
library: packages venv $(PYTHON_LIBRARY)
	@scripts/check-library.sh $(HOST) $(LIBRARY)
tool: packages $(TOOL)

# One for each machine: it knows nothing of the C library.
build/embedded/%/FDMetricsC.o: $(CORE)
	SWIFT="$(SWIFT)" scripts/build-library.sh swift $* $(@D)

# $(1): a platform. $(2): its machine.
define platform_rules
$(LIB)/$(1)/libfdmetrics.so: build/embedded/$(2)/FDMetricsC.o python/requirements-dev.txt | venv
	SWIFT="$(SWIFT)" ZIG="$(ZIG)" scripts/build-library.sh link $(1) $$< $$(@D)
endef
$(foreach platform,$(PLATFORMS),$(eval $(call platform_rules,$(platform),$(firstword $(subst -, ,$(platform))))))

$(OLDER_GLIBC): scripts/older-glibc.c
	mkdir -p $(@D)
	$(CC) -std=c99 -O2 -fPIC -Wall -Wextra -Werror -c $< -o $@

# The linker finds these before the shared ones of the same names, so that the tool needs neither where it runs.
$(STATIC_LIBRARIES)/%.a:
	mkdir -p $(@D)
	ln -sf "$$($(CC) -print-file-name=$(@F))" $@

$(TOOL) $(DEMO_ENGINE) $(ZMQ_PEER) $(SWIFT_SERVER) $(ZMQ_EXAMPLE) \
$(ZMQ_BENCH) $(EXPOSITION_BENCH) $(SWIFT_METRICS_BENCH): \
	$(OLDER_GLIBC) $(STATIC_LIBRARIES)/libsnappy.a $(STATIC_LIBRARIES)/libz.a

$(PYTHON_LIBRARY): $(LIBRARY)
	install -D -m 644 $< $@

$(TOOL): $(SOURCES)
	$(SWIFT) build -c release $(SWIFT_OPTIONS) $(STATIC_OPTIONS) --product fdmctl
	install -D -m 755 .build/static/release/fdmctl $@

# With what it needs alone, and apart from the others: TLS would be most of its build. Where the tool was built, all of
# that is there already.
DEMO_BUILD := $(if $(wildcard $(TOOL)),static,demo)
DEMO_TRAITS_static := --enable-all-traits
DEMO_TRAITS_demo := --traits ZeroMQ,HTTPServer
DEMO_OPTIONS := $(DEMO_TRAITS_$(DEMO_BUILD)) $(CHECK_IMPORTS) $(subst .build/static,.build/$(DEMO_BUILD),$(STATIC_OPTIONS))
$(DEMO_ENGINE): $(SOURCES) $(wildcard examples/demo/engine/*.swift)
	$(SWIFT) build -c release $(DEMO_OPTIONS) --product demo-engine
	install -D -m 755 .build/$(DEMO_BUILD)/release/demo-engine $@

$(ZMQ_PEER): $(SOURCES) $(wildcard Tests/zmq/peer-swift/*.swift)
	$(SWIFT) build -c release $(SWIFT_OPTIONS) $(STATIC_OPTIONS) --product zmq-peer
	install -D -m 755 .build/static/release/zmq-peer $@

$(ZMQ_EXAMPLE): $(SOURCES) $(wildcard examples/zmq/swift/*.swift)
	$(SWIFT) build -c release $(SWIFT_OPTIONS) $(STATIC_OPTIONS) --product zmq-example
	install -D -m 755 .build/static/release/zmq-example $@

$(ZMQ_BENCH): $(SOURCES) $(wildcard Benchmarks/zmq-swift/*.swift)
	$(SWIFT) build -c release $(SWIFT_OPTIONS) $(STATIC_OPTIONS) --product zmq-bench
	install -D -m 755 .build/static/release/zmq-bench $@

$(EXPOSITION_BENCH): $(SOURCES) $(wildcard Benchmarks/exposition-swift/*.swift)
	$(SWIFT) build -c release $(SWIFT_OPTIONS) $(STATIC_OPTIONS) --product exposition-bench
	install -D -m 755 .build/static/release/exposition-bench $@

$(SWIFT_METRICS_BENCH): $(SOURCES) $(wildcard Benchmarks/swift-metrics/*.swift)
	$(SWIFT) build -c release $(SWIFT_OPTIONS) $(STATIC_OPTIONS) --product swift-metrics-bench
	install -D -m 755 .build/static/release/swift-metrics-bench $@

$(SWIFT_SERVER): $(SOURCES) $(wildcard examples/swift-server/*.swift)
	$(SWIFT) build -c release $(SWIFT_OPTIONS) $(STATIC_OPTIONS) --product swift-server-example
	install -D -m 755 .build/static/release/swift-server-example $@

# For use from here, without an installation, by pkg-config and CMake.
$(LIB)/%/pkgconfig/fdmetrics.pc: scripts/write-discovery.sh $(wildcard scripts/fdmetrics*.in) Makefile \
	python/fdmetrics/_version.py Include/fdmetrics.h
	scripts/write-discovery.sh $(LIB)/$* $(CURDIR) $(CURDIR)/Include $(CURDIR)/$(LIB)/$*

# ----------------------------------------------------------------------------------------------------------------------
# Packages

DIST := build/dist
PACK = PYTHON="$(VENV)/bin/python" SWIFT="$(SWIFT)" scripts/dist.sh

# The build hooks (python/hatch_build.py, python-tool/hatch_build.py) call this Makefile for what a package carries.
.PHONY: wheel
wheel: packages venv tool ## the Python wheel of PLATFORM, that of fdmctl and an sdist, in build/dist
	rm -rf $(DIST)
	$(PACK) wheels $(DIST) $(PLATFORM)

.PHONY: dist
dist: packages venv tool ## tarballs and wheels of all platforms, an sdist and SHA256SUMS, in build/dist
	for platform in $(PLATFORMS); do $(MAKE) --no-print-directory lib PLATFORM=$$platform || exit; done
	rm -rf $(DIST)
	$(PACK) tarballs $(DIST) $(PLATFORMS)
	$(PACK) wheels $(DIST) $(PLATFORMS)
	$(PACK) checksums $(DIST)

# Needs no Swift on the machine that uses it. Build first (`make lib tool`) and install as root afterwards;
# nothing is built again then.
TOOL_OF_PLATFORM = $(if $(filter $(HOST),$(PLATFORM)),$(TOOL))
.PHONY: install
install: $(if $(wildcard $(LIB)/$(PLATFORM)/libfdmetrics.so),,lib) $(TOOL_OF_PLATFORM) ## libraries, headers and fdmctl into DESTDIR/PREFIX
	scripts/install-files.sh $(PLATFORM) "$(DESTDIR)" "$(PREFIX)" "$(LIBDIR)"

# ----------------------------------------------------------------------------------------------------------------------
# Checks and runs

.PHONY: lint
lint: packages venv ## swift format, ruff, mypy --strict, the header as C99, C11 and C++17, SPDX lines
	scripts/check-spdx.sh
	scripts/check-headers.sh
	$(SWIFT) format lint --strict --recursive --parallel Package.swift $(wildcard Sources Tests examples Benchmarks)
	$(VENV)/bin/ruff check --config python/pyproject.toml $(PYTHON_SOURCES)
	$(VENV)/bin/ruff format --check --config python/pyproject.toml $(PYTHON_SOURCES)
	cd python && $(VENV)/bin/mypy --strict fdmetrics

PYTHON_SOURCES = $(wildcard python python-tool Tests examples Benchmarks deploy)

.PHONY: format
format: venv ## rewrite the sources as the linters want them
	$(SWIFT) format --in-place --recursive --parallel Package.swift $(wildcard Sources Tests examples Benchmarks)
	$(VENV)/bin/ruff check --fix-only --quiet --config python/pyproject.toml $(PYTHON_SOURCES)
	$(VENV)/bin/ruff format --config python/pyproject.toml $(PYTHON_SOURCES)

# The quick ones first. Each folder of Python tests runs by itself: their conftest modules are not of one package.
.PHONY: test
test: packages venv library tool $(ZMQ_PEER) $(SWIFT_SERVER) ## all tests: Swift, C, Python, browser, processes
	@scripts/setup.sh packages test
	@scripts/setup.sh servers "$(VENV)/bin"
	$(SWIFT) build $(SWIFT_OPTIONS) --build-tests
	$(RUN_ENVIRONMENT) $(SWIFT) test $(SWIFT_OPTIONS) --skip-build
	$(PYTEST) Tests/abi
	$(PYTEST) Tests/format
	$(PYTEST) Tests/exposition
	$(PYTEST) Tests/tools
	$(PYTEST) Tests/deploy
	$(PYTEST) Tests/docs
	$(PYTEST) Tests/http
	$(PYTEST) Tests/push
	$(PYTEST) Tests/page
	$(PYTEST) python/tests
	$(PYTEST) Tests/zmq
	$(PYTEST) Tests/life
	$(PYTEST) Tests/processes
	$(PYTEST) Tests/servers
	@echo 'make test: all passed'

# PART=ci: what continuous integration runs of the next four. It leaves out what takes a minute and more, and is of a kind
# with something that stays.
PART ?= all
only_all = $(if $(filter all,$(PART)),$(1))
only_ci = $(if $(filter ci,$(PART)),$(1))

# Apart from `make test`: it installs into a fresh environment for every Python here, with pip and PyPI.
.PHONY: test-wheel
test-wheel: dist ## installs the wheels of `make dist` for every Python here; no Swift needed there
	$(PYTEST) Tests/wheel $(call only_ci,-k "not one_file or own_api")

.PHONY: test-dist
test-dist: dist ## uses the tarballs of `make dist` from C, C++, Rust, Go and CMake, and packs all of it a second time
	@scripts/setup.sh packages dist
	$(PYTEST) Tests/dist $(call only_ci,-k "not built_again and not (every_platform and aarch64-linux-musl)")

# What compiles and runs the C programs of another platform. C++, too, with `zig cc`: the tests need nothing of C++'s
# library, which `zig c++` would build first.
ELSEWHERE := $(CURDIR)/build/platforms
ZIG_CC := $(VENV)/bin/python -m ziglang cc -target
QEMU := $(ELSEWHERE)/qemu/qemu-aarch64
CC_aarch64-linux-gnu := $(ZIG_CC) aarch64-linux-gnu.2.17
RUN_aarch64-linux-gnu = $(QEMU) -L $(ELSEWHERE)/arm64 $(2)
CC_x86_64-linux-musl := $(ZIG_CC) x86_64-linux-musl -dynamic
RUN_x86_64-linux-musl := $(ELSEWHERE)/musl/lib/ld-musl-x86_64.so.1
CC_aarch64-linux-musl := $(ZIG_CC) aarch64-linux-musl -dynamic
RUN_aarch64-linux-musl := $(QEMU) $(ELSEWHERE)/musl-arm64/lib/ld-musl-aarch64.so.1
PYTEST_ON = $(RUN_ENVIRONMENT) FDMETRICS_LIBRARY="$(CURDIR)/$(call library_of,$(1))" FDM_CC="$(CC_$(1))" \
	FDM_CXX="$(CC_$(1))" FDM_RUN="$(RUN_$(1))" $(VENV)/bin/python -m pytest -q
library_of = $(addprefix $(LIB)/,$(addsuffix /libfdmetrics.so,$(1)))

# A processor of ARMv8.0 has no LSE: its exchanges are loads and stores that are tried again. Of the processes that share
# a store every second one is of this machine. Without test_fork: QEMU has mutexes of its own, and where another thread has
# one at the instant of a fork, the child waits for it forever.
.PHONY: test-arm64
test-arm64: dist $(call library_of,aarch64-linux-gnu $(HOST)) ## C, processes, Python of arm64; mixed stores
	@scripts/platforms.sh arm64
	$(call PYTEST_ON,aarch64-linux-gnu) Tests/abi
	$(call PYTEST_ON,aarch64-linux-gnu,-cpu cortex-a53) Tests/abi -k "contract or infos or signal_handlers"
	FDM_BESIDE="$(CURDIR)/$(call library_of,$(HOST))" $(call PYTEST_ON,aarch64-linux-gnu) Tests/processes \
		--ignore Tests/processes/test_fork.py $(call only_ci,-k "kill or gauges or snapshot")
	$(PYTEST) Tests/platforms
	FDM_PYTHONS="$$(ls $(ELSEWHERE)/arm64/usr/bin/python3.*[0-9])" $(PYTEST) Tests/wheel/in_pythons.py \
		$(call only_ci,-k "development or threads")
	$(call only_all,$(call PYTEST_ON,aarch64-linux-gnu) Tests/processes --ignore Tests/processes/test_fork.py)

.PHONY: test-musl
test-musl: packages venv $(TOOL) $(call library_of,x86_64-linux-musl aarch64-linux-musl) ## C and processes with musl
	@scripts/platforms.sh musl
	$(call PYTEST_ON,x86_64-linux-musl) Tests/abi
	$(call PYTEST_ON,aarch64-linux-musl) Tests/abi $(call only_ci,-k "contract or allocates or fork")
	$(call PYTEST_ON,x86_64-linux-musl) Tests/processes $(call only_ci,-k "kill or fork")

# Some of these Pythons are built, which takes some minutes, once. Each pytest begins with environments of its own. What
# python/tests stand on is not to be had for musl here: prometheus_client imports ssl, which would take an OpenSSL for
# musl, and the libraries in pyzmq's wheel need a newer musl than Debian's.
.PHONY: test-pythons
test-pythons: dist ## the wheels in Pythons 3.9 to 3.14, free-threaded, of musl and arm64, too
	@scripts/platforms.sh pythons arm64
	FDM_PLATFORMS="$(ELSEWHERE)" $(PYTEST) Tests/wheel/test_installed.py
	FDM_PLATFORMS="$(ELSEWHERE)" $(PYTEST) Tests/wheel/in_pythons.py -k "not (musl and part)"

# Apart from `make test`: it fetches other packages and their tests from PyPI. ONLY=SUITE runs one of them; pyzmq's is one, too.
PEERS := $(CURDIR)/build/peers
PEERS_PYTHON := FDMETRICS_LIBRARY="$(CURDIR)/$(LIBRARY)" $(PEERS)/venv/bin/python
PYZMQ_PYTHON := $(PEERS)/pyzmq/venv/bin/python
PEERS_GOALS = $(if $(filter pyzmq,$(ONLY)),,peers-of-prometheus) $(if $(filter-out pyzmq,$(ONLY)),,peers-of-pyzmq)
.PHONY: test-peers peers-of-prometheus peers-of-pyzmq
test-peers: $(PEERS_GOALS) ## other packages' tests, as they are and with fdmetrics in place of what they use

peers-of-prometheus: packages library tool
	@mkdir -p $(PEERS)
	@PYTHON="$(PYTHON)" scripts/setup.sh peers "$(PEERS)/venv"
	$(PEERS_PYTHON) Tests/peers/run.py $(if $(ONLY),--only "$(ONLY)") $(if $(CHECKOUTS),--checkouts "$(CHECKOUTS)")

peers-of-pyzmq: packages library tool
	@mkdir -p $(PEERS)/pyzmq
	@PYTHON="$(PYTHON)" scripts/setup.sh pyzmq-peers "$(PEERS)/pyzmq/venv"
	FDMETRICS_LIBRARY="$(CURDIR)/$(LIBRARY)" $(PYZMQ_PYTHON) Tests/peers/pyzmq/run.py --python $(PYZMQ_PYTHON)

.PHONY: demo
demo: packages ## the main job on real traffic; KEEP=1 leaves it running
	@$(MAKE) --no-print-directory AT_ONCE=1 -j3 venv $(SWIFT_OBJECT) $(DEMO_ENGINE) library
	DEMO_ENGINE="$(CURDIR)/$(DEMO_ENGINE)" $(RUN_ENVIRONMENT) $(VENV)/bin/python examples/demo/run.py $(if $(KEEP),--keep)

.PHONY: bench
bench: venv library tool $(ZMQ_BENCH) $(EXPOSITION_BENCH) $(SWIFT_METRICS_BENCH) ## the figures, each beside its yardstick
	@scripts/setup.sh packages bench
	$(RUN_ENVIRONMENT) $(VENV)/bin/python Benchmarks/run.py

.PHONY: pictures
pictures: packages venv library tool ## the pictures of docs/page.md
	@scripts/setup.sh packages test
	$(PYTEST) Tests/page/test_pictures.py -k "test_pictures and not test_a_service" --pictures

.PHONY: clean
clean: ## remove everything that was built, the Python environment too
	rm -rf .build build .venv Benchmarks/.build examples/*/.build python/build python/dist python-tool/dist $(PYTHON_LIBRARY) \
		.pytest_cache .ruff_cache .mypy_cache python/.pytest_cache python/.ruff_cache python/.mypy_cache
	find python Tests Benchmarks examples -name __pycache__ -prune -exec rm -rf {} + 2> /dev/null || true
