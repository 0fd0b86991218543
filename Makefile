# SPDX-License-Identifier: MIT
# One makefile for everything. `make help` lists the targets.
#   V=asan|tsan|cov|mhd1   another build beside the usual one, in build/$V
#   CC=clang          either compiler; WERROR=1 makes warnings errors (make check does)
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VERSION := $(shell cat VERSION)
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
V ?=
B := build$(if $(V),/$(V))
O := build/$(or $(V),release)

# Where check-mhd1 unpacks another libmicrohttpd.
MHD1_ROOT := build/mhd1-root

PREFIX ?= /usr/local
# The shell leaves the ~ of an argument to us.
override PREFIX := $(patsubst ~/%,$(HOME)/%,$(PREFIX))
# Below one's home nothing of the system is touched: units of the user's own, no settings in /etc.
SCOPE ?= $(if $(filter $(HOME)/%,$(PREFIX)),user,system)
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
LIBEXECDIR ?= $(PREFIX)/libexec
SYSCONFDIR ?= /etc
DESTDIR ?=
STRIP ?= strip
Q := $(if $(VERBOSE),,@)
# The outer targets build in parallel also when make was called without -j.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# ---- sources: found, not listed; FLOORS is the inventory and the lint compares ----
SHARED_SRC := $(wildcard shared/*.c shared/*/*.c)
AGENT_SRC := $(wildcard agent/*.c agent/*/*.c)
CONSOLE_SRC := $(wildcard console/*.c console/*/*.c)
VENDORD_SRC := $(wildcard tests/vendord/*.c)
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_HELP_SRC := $(wildcard tests/unit/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard tests/bench/*.c)

obj = $(patsubst %.c,$(O)/%.o,$(1))
SHARED_OBJ := $(call obj,$(SHARED_SRC))
AGENT_OBJ := $(call obj,$(filter-out agent/main.c,$(AGENT_SRC)))
CONSOLE_OBJ := $(call obj,$(filter-out console/main.c,$(CONSOLE_SRC)))
UNIT_HELP_OBJ := $(call obj,$(UNIT_HELP_SRC))
LIBSHARED := $(O)/libshared.a
LIBAGENT := $(O)/libagent.a
LIBCONSOLE := $(O)/libconsole.a

PROGRAMS := $(if $(wildcard agent/main.c),$(B)/yijiand) $(if $(wildcard console/main.c),$(B)/yijian)
VENDORD := $(if $(VENDORD_SRC),$(B)/vendord)
UNIT_BIN := $(patsubst tests/unit/%.c,$(O)/tests/%,$(UNIT_SRC))
BENCH_BIN := $(patsubst tests/bench/%.c,$(O)/bench/%,$(BENCH_SRC))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(FUZZ_SRC))

# ---- flags ----
# Targets that must work before a compiler is there, or that need none.
BARE := help deps clean uninstall run check check-full check-clients check-mhd1 check-lab bench asan tsan cov \
	fuzz mutate deb rpm campaign
FLAGS_MK := build/flags-$(notdir $(firstword $(CC))).mk
ifneq ($(filter-out $(BARE),$(or $(MAKECMDGOALS),all)),)
include $(FLAGS_MK)
pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)
AGENT_PC := libcurl jansson sqlite3 libsodium libmicrohttpd zlib libzstd openssl
CONSOLE_PC := ncursesw libcurl jansson readline yaml-0.1 libsodium
ALL_PC := $(sort $(AGENT_PC) $(CONSOLE_PC))
PC_CFLAGS := $(call pkg,--cflags,$(ALL_PC))
AGENT_LIBS := $(call pkg,--libs,$(AGENT_PC)) -lpthread -lm
CONSOLE_LIBS := $(call pkg,--libs,$(CONSOLE_PC)) -lpthread -lm
VENDORD_LIBS := $(call pkg,--libs,jansson libcurl libsodium) -lpthread -lm
TEST_LIBS = $(call pkg,--libs,$(ALL_PC) cmocka) -lpthread -lm
ifeq ($(V),mhd1)
MHD1_LIB := $(CURDIR)/$(MHD1_ROOT)/usr/lib/$(shell $(CC) -print-multiarch)
PC_CFLAGS := -isystem $(MHD1_ROOT)/usr/include $(PC_CFLAGS)
LDFLAGS += -L$(MHD1_LIB) -Wl,-rpath,$(MHD1_LIB)
endif
endif

# Calls without a stub, as all names are bound at the start anyhow.
OPT := -O2 -g -fno-plt
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_tsan := -fsanitize=thread -fno-omit-frame-pointer
SAN_cov := --coverage
SAN_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
OPT_asan := -O1 -g
OPT_tsan := -O1 -g
OPT_cov := -O0 -g
OPT_fuzz := -O1 -g
SAN := $(SAN_$(V))
# Fortified functions hide overflows from the sanitizers, so it is one or the other.
HARDEN = $(if $(SAN),,$(PROBED_HARDEN) $(PROBED_FORTIFY))
DEFS := -D_GNU_SOURCE -DYJ_VERSION='"$(VERSION)"'
BASE_CFLAGS = -std=gnu17 -I. $(DEFS) $(PC_CFLAGS) $(PROBED_WARN) $(HARDEN) \
	$(or $(OPT_$(V)),$(OPT)) $(SAN) -fPIE -ffunction-sections -fdata-sections \
	-ffile-prefix-map=$(CURDIR)=. $(CFLAGS) $(CPPFLAGS)
# What every request passes: -O3 saves 3 % of its instructions there, and everywhere 100 KB of room.
HOT := $(if $(filter release,$(notdir $(O))),-O3)
HOT_DIRS := core state decide upstream web call gateway
$(foreach d,$(HOT_DIRS),$(O)/agent/$(d)/%.o): MORE_CFLAGS = $(HOT)
# What an operator's call passes, or nothing but the clock: small.
COLD := $(if $(filter release,$(notdir $(O))),-Os)
COLD_DIRS := api monitor store tasks handover
$(foreach d,$(COLD_DIRS),$(O)/agent/$(d)/%.o): MORE_CFLAGS = $(COLD)
$(O)/agent/protocol/openai.o $(O)/agent/protocol/request.o: MORE_CFLAGS = $(HOT)
# Beside what is hot, but passed once a start, a reload or a refusal.
RARE := platform ending succession notify state_dir core/settings core/settings_out core/clock_watch \
	gateway/count gateway/models protocol/image_comfyui protocol/image_openai protocol/image_sdwebui \
	protocol/image_wanx record/keep upstream/resolve web/cors web/denials web/hold web/inherit \
	web/keyless web/listen web/mhd web/pass web/tls_map web/tls_pair
$(RARE:%=$(O)/agent/%.o): MORE_CFLAGS = $(COLD)
# The codecs and containers everybody trusts are also held to explicit conversions.
$(O)/shared/%.o: MORE_CFLAGS = $(PROBED_CONVERSION) $(HOT)
$(O)/shared/rows/%.o $(O)/shared/http.o $(O)/shared/conf.o $(O)/shared/urlx.o: \
	MORE_CFLAGS = $(PROBED_CONVERSION) $(COLD)
ALL_CFLAGS = $(BASE_CFLAGS) $(MORE_CFLAGS) $(if $(WERROR),-Werror)
# Bound at the start, too: a name that is bound later has all registers put on the stack, secrets with them.
SAN_LD := -Wl,--as-needed -Wl,-z,now
ALL_LDFLAGS = -pie $(SAN) $(if $(SAN),$(SAN_LD),$(PROBED_LDHARDEN)) $(LDFLAGS)
comma := ,

# ---- build ----
.DEFAULT_GOAL := all
all: $(PROGRAMS) $(VENDORD) ## build the agent, the console and the simulated vendors (default)
	$(Q)test -f agent/main.c || echo 'note: agent/main.c is not there yet, yijiand skipped'
	$(Q)test -f console/main.c || echo 'note: console/main.c is not there yet, yijian skipped'

$(FLAGS_MK): packaging/deps/probe-flags.sh
	@mkdir -p build
	@packaging/deps/probe-flags.sh '$(CC)' >$@.new && mv $@.new $@

# Changed flags rebuild; -Werror alone does not, it says nothing about the object.
FLAGS_STAMP := $(O)/flags.stamp
$(FLAGS_STAMP): FORCE
	@mkdir -p $(O)
	@printf '%s\n' "$$FLAGS_TEXT" | cmp -s - $@ || printf '%s\n' "$$FLAGS_TEXT" >$@
$(FLAGS_STAMP): export FLAGS_TEXT = $(CC) $(BASE_CFLAGS) $(PROBED_CONVERSION) $(ALL_LDFLAGS)
FORCE:

$(O)/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(if $(VERBOSE),,@echo '  CC   $(if $(V),$(V) )$<')
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define archive
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)
endef
# An archive is made anew when its list of members changes, or a deleted source would linger.
members = $(O)/$(1).members
$(O)/%.members: FORCE
	@mkdir -p $(O)
	@printf '%s\n' $(MEMBERS) | cmp -s - $@ || printf '%s\n' $(MEMBERS) >$@
$(call members,shared): MEMBERS = $(SHARED_OBJ)
$(call members,agent): MEMBERS = $(AGENT_OBJ)
$(call members,console): MEMBERS = $(CONSOLE_OBJ)
$(LIBSHARED): $(SHARED_OBJ) $(call members,shared)
	$(archive)
$(LIBAGENT): $(AGENT_OBJ) $(call members,agent)
	$(archive)
$(LIBCONSOLE): $(CONSOLE_OBJ) $(call members,console)
	$(archive)

define link
	@mkdir -p $(@D)
	$(if $(VERBOSE),,@echo '  LD   $@')
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(1)
endef
$(B)/yijiand: $(O)/agent/main.o $(LIBAGENT) $(LIBSHARED)
	$(call link,$(AGENT_LIBS))
$(B)/yijian: $(O)/console/main.o $(LIBCONSOLE) $(LIBSHARED)
	$(call link,$(CONSOLE_LIBS))
$(B)/vendord: $(call obj,$(VENDORD_SRC)) $(LIBSHARED)
	$(call link,$(VENDORD_LIBS))
$(UNIT_BIN): $(O)/tests/%: $(O)/tests/unit/%.o $(UNIT_HELP_OBJ) $(LIBCONSOLE) $(LIBAGENT) $(LIBSHARED)
	$(call link,$(TEST_LIBS))
# Counts what a refusal costs.
AUTH_LDFLAGS := -Wl,--wrap=seal_token_hash,--wrap=seal_same
$(O)/tests/web/test_auth: private ALL_LDFLAGS += $(AUTH_LDFLAGS)
# Counts how often a start looks whether it is its turn.
$(O)/tests/web/test_listen: private ALL_LDFLAGS += -Wl,--wrap=poll
$(BENCH_BIN): $(O)/bench/%: $(O)/tests/bench/%.o $(LIBAGENT) $(LIBSHARED)
	$(call link,$(AGENT_LIBS))
$(FUZZ_BIN): $(O)/fuzz/%: $(O)/tests/fuzz/%.o $(LIBCONSOLE) $(LIBAGENT) $(LIBSHARED)
	$(call link,-fsanitize=fuzzer $(call pkg,--libs,$(ALL_PC)) -lpthread -lm)

.PHONY: programs tests-bin bench-bin fuzz-bin
programs: $(PROGRAMS) $(VENDORD)
# Benches are built with the tests, so that they go on building.
tests-bin: programs $(LIBSHARED) $(LIBAGENT) $(LIBCONSOLE) $(UNIT_BIN) $(BENCH_BIN)
bench-bin: programs $(BENCH_BIN)
fuzz-bin: $(FUZZ_BIN)
.SECONDARY:

-include $(patsubst %.o,%.d,$(SHARED_OBJ) $(AGENT_OBJ) $(CONSOLE_OBJ) \
	$(call obj,agent/main.c console/main.c $(VENDORD_SRC) $(UNIT_SRC) $(UNIT_HELP_SRC) \
	$(FUZZ_SRC) $(BENCH_SRC)))

# ---- run and test ----
# What does not build is one failure; the rest is tested all the same.
define suite
	@$(MAKE) $(PARALLEL) -k tests-bin $(1) || unbuilt=--unbuilt; tests/run.py $(2) $${unbuilt:-}
endef
deps: ## install what the build and the tests need (apt or dnf)
	@packaging/deps/install.sh build test

run: ## the platform on this machine: agent, simulated vendors, traffic, console
	@packaging/deps/install.sh build run
	@$(MAKE) $(PARALLEL) all
	@packaging/run.sh

check: ## install what the tests need, build, run every test
	@packaging/deps/install.sh build test
	$(call suite,WERROR=1)

check-full: ## make check, and what takes longer: sanitizers, coding clients, libmicrohttpd 1.0, packages
	@failed=; for part in check asan tsan check-clients check-mhd1 check-lab; do \
	$(MAKE) $$part || failed+=" $$part"; done; \
	test -z "$$failed" || { echo "check-full: failed:$$failed" >&2; exit 1; }

check-clients: ## coding clients (800 MiB of npm packages), and odd answers cut at every byte
	@packaging/deps/install.sh build test
	@$(MAKE) $(PARALLEL) programs WERROR=1
	@YIJIAN_TEST_CODING_CLIENTS=1 YIJIAN_TEST_EVERY_BYTE=1 /usr/bin/python3 -m pytest -q \
		-p no:cacheprovider tests/sdk/test_coding_clients.py tests/torture

check-mhd1: ## the suites of HTTP against libmicrohttpd 1.0 of Debian 13, in a root of its own
	@packaging/deps/install.sh build test
	@packaging/deps/install.sh full || true
	@if ! why=$$(tests/mhd1.sh $(MHD1_ROOT)); then echo "check-mhd1: skipped: $$why"; exit 0; fi; \
	$(MAKE) $(PARALLEL) programs V=mhd1 WERROR=1 && tests/run.py --variant mhd1 && \
	echo 'the build for the older library, run with this one:' && $(MAKE) $(PARALLEL) programs && \
	LD_LIBRARY_PATH=$$(echo $(CURDIR)/$(MHD1_ROOT)/usr/lib/*/) /usr/bin/python3 -m pytest -q \
		-p no:cacheprovider -n 2 tests/api/test_framing.py tests/api/test_connections.py \
		tests/api/test_preconditions.py tests/api/test_services.py tests/api/test_keys.py

check-lab: ## the packages tried in a booted Debian of its own (root, systemd-nspawn, debootstrap)
	@packaging/deps/install.sh build deb
	@packaging/deps/install.sh lab || true
	@$(MAKE) $(PARALLEL) programs
	@packaging/lab.sh || test $$? = 77

lint: ## floors, headers, forbidden calls, sizes beside the anchors
	@$(MAKE) $(PARALLEL) $(O)/libshared.a $(O)/libagent.a $(O)/libconsole.a
	@tests/lint/run.py

fmt: ## every C source as .clang-format says, which the lint checks (clang-format 19)
	git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-19 -i

bench: ## product figures beside nginx, as ratios of medians
	@packaging/deps/install.sh build test bench
	@$(MAKE) $(PARALLEL) bench-bin
	@tests/bench/run.py

asan: ## the suite under AddressSanitizer and UBSan
	$(call suite,V=asan,--variant asan)

tsan: ## the agent's tests under ThreadSanitizer
	$(call suite,V=tsan,--variant tsan)

cov: ## the suite with coverage, and its table
	$(call suite,V=cov,--variant cov)

FUZZ_SECONDS ?= 60
fuzz: ## each fuzzer for FUZZ_SECONDS (needs clang)
	@packaging/deps/install.sh build fuzz
	@$(MAKE) $(PARALLEL) fuzz-bin V=fuzz CC=$(CLANG)
	@tests/run.py --fuzz $(FUZZ_SECONDS)

MUTATE ?=
mutate: ## small mistakes planted in the rules, and how many the tests find (MUTATE_MINUTES=20)
	@packaging/deps/install.sh build test
	@$(MAKE) $(PARALLEL) tests-bin
	@$(MAKE) mutants

# A mutant is compiled and linked as everything is.
mutants: export MUTATE_CC = $(CC)
mutants: export MUTATE_CFLAGS = $(BASE_CFLAGS)
mutants: export MUTATE_LDFLAGS = $(ALL_LDFLAGS)
mutants: export MUTATE_AUTH_LDFLAGS = $(AUTH_LDFLAGS)
mutants: export MUTATE_TEST_LIBS = $(TEST_LIBS)
mutants: export MUTATE_AGENT_LIBS = $(AGENT_LIBS)
mutants:
	@tests/mutate/run.py $(MUTATE)

# ---- documents ----
# tests/cli holds the list to what the program says (yijian help --man-list).
MAN_PAGES := $(shell sed -n 's|.* build/man/\([^ ]*\) .*|\1|p' packaging/files)
man_cmd = $(if $(filter yijiand.8,$(1)),$(B)/yijiand --man,$(if $(filter yijiand.env.5,$(1)),$(B)/yijiand \
	--man | packaging/man-env.sh,$(B)/yijian help --man $(1)))
MAN_FILES := $(addprefix $(B)/man/,$(MAN_PAGES))
man: $(MAN_FILES) ## manual pages, spliced from the tables

$(B)/man/%: $(PROGRAMS) $(wildcard man/*)
	@mkdir -p $(@D)
	$(Q)$(call man_cmd,$*) | packaging/man-splice.sh man/$*.prose >$@

# The scripts ask the program for candidates, so they change only with the shells.
SHELLS := bash zsh fish
COMPLETION_FILES := $(addprefix completions/yijian.,$(SHELLS))
completions: $(COMPLETION_FILES) ## shell completion, which asks the command table
$(O)/console/cmd/help.o: $(COMPLETION_FILES)

# ---- install ----
FILES = $(if $(STRIP),STRIP='$(STRIP)') SCOPE=$(SCOPE) B='$(B)' DESTDIR='$(DESTDIR)' $(foreach \
	d,PREFIX BINDIR SBINDIR LIBEXECDIR DATADIR MANDIR SYSCONFDIR,$(d)='$($(d))') packaging/files.sh
install: all man completions ## what packaging/files lists, under DESTDIR and PREFIX
	@$(FILES) install
	@$(if $(DESTDIR),,packaging/after-install.sh $(SCOPE) '$(PREFIX)')

uninstall: ## take away what make install put there (same PREFIX); state and edited settings stay
	@$(FILES) uninstall

# What a package's number is after VERSION.
REVISION ?= 1
deb: ## two Debian packages, in build/deb
	@packaging/deps/install.sh build deb
	@packaging/deb.sh '$(VERSION)' '$(REVISION)'

rpm: ## the source rpm and the binary ones, in build/rpm
	@packaging/deps/install.sh build rpm
	@packaging/rpm.sh '$(VERSION)' '$(REVISION)'

CAMPAIGN ?=
campaign: ## the long runs: soak, kills, leavers, watched mixes (CAMPAIGN="--quick", "--only soak")
	@packaging/deps/install.sh build test campaign
	@$(MAKE) $(PARALLEL) tests-bin
	@tests/campaign/run.py $(CAMPAIGN)

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F':.*## ' '/^[a-z][a-z0-9 .-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: all deps run check check-full check-clients check-mhd1 check-lab lint fmt bench man completions install uninstall deb rpm asan \
	tsan cov fuzz mutate campaign help clean FORCE
