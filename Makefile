# ferrule: one non-recursive Makefile.  V=1 shows the commands, VARIANT=san builds with
# ASan and UBSan; everything goes to build/$(VARIANT)/.
VARIANT ?= release
B       := build/$(VARIANT)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PREFIX  ?= /usr/local
DESTDIR ?=
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$@';)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wcast-qual \
	-Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough \
	-Wswitch-enum
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
OPT      := -O2 $(HARDEN)
LDOPT    := -pie -Wl,-z,relro,-z,now
ifeq ($(VARIANT),san)
OPT      := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDOPT    := -fsanitize=address,undefined
endif
CPPFLAGS := -I. -D_GNU_SOURCE -DFERRULE_VERSION='"$(VERSION)"'
CFLAGS   ?= -g
STRICT   := -std=gnu11 $(WARNINGS)
COMPILE   = $(CC) $(STRICT) $(CPPFLAGS) $(OPT) $(CFLAGS) -MMD -MP
LIBS     := -lssl -lcrypto -lcrypt -lcurl -luring -lconfig -pthread
# A faster AES-GCM where the distribution has it; `make IPSEC_MB=` builds without.
IPSEC_MB := $(firstword $(wildcard /usr/include/intel-ipsec-mb.h /usr/local/include/intel-ipsec-mb.h))
ifneq ($(IPSEC_MB),)
CPPFLAGS += -DFERRULE_IPSEC_MB
LIBS     += -lIPSec_MB
endif

MODULES  := config ktls pki proxy
SOURCES  := $(foreach m,$(MODULES),$(wildcard $(m)/*.c))
OBJECTS  := $(SOURCES:%.c=$(B)/%.o)
LIBRARY  := $(filter-out $(B)/proxy/main.o,$(OBJECTS))
UNIT     := $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/*.c) tests/suite.c)
E2E      := $(patsubst %.c,$(B)/%.o,$(wildcard tests/e2e/*.c) tests/suite.c)
PKI_CA   := $(patsubst %.c,$(B)/%.o,$(wildcard tests/pki/responder/*.c))
# The suites lean on what the end-to-end tests lean on.
PKI      := $(patsubst %.c,$(B)/%.o,$(wildcard tests/pki/*.c) tests/suite.c \
	$(filter-out tests/e2e/main.c tests/e2e/suite_%.c,$(wildcard tests/e2e/*.c)))
FUZZ     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH    := load ceiling records splice_relay
BENCH_OBJECTS := $(patsubst %.c,$(B)/%.o,$(wildcard bench/*.c))
# Seams for tests that make a system call or an allocation fail; inert unless armed.
WRAPS    := conf_memory_resize setsockopt getsockopt sendmsg recvmsg openat mkdirat write \
	fsync symlinkat renameat unlinkat readlinkat flock time

.PHONY: all run test test-unit test-e2e test-browser test-pki test-bench test-guest test-tools \
	san check analyze fuzz bench install clean FORCE
.DELETE_ON_ERROR:
.SUFFIXES:

all: $(B)/ferrule $(BENCH:%=$(B)/bench/%)

$(B)/ferrule: $(OBJECTS)
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ $(LIBS)

# Changes when the library comes, goes or is not wanted any more.
$(B)/ipsec-mb: FORCE
	@mkdir -p $(@D)
	@echo '$(IPSEC_MB)' | cmp -s - $@ || echo '$(IPSEC_MB)' >$@
FORCE:

$(B)/%.o: %.c Makefile $(B)/ipsec-mb
	@mkdir -p $(@D)
	$(call say,CC)$(COMPILE) -c -o $@ $<

# What drives a proxy in `ferrule bench`.
$(B)/bench/load: $(B)/bench/load.o $(B)/bench/client.o $(B)/bench/process.o
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ -lssl -lcrypto

$(B)/bench/ceiling: $(B)/bench/ceiling.o
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ -lssl -lcrypto

$(B)/bench/records: $(B)/bench/records.o $(filter $(B)/ktls/%,$(OBJECTS))
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ $(LIBS)

$(B)/bench/splice_relay: $(B)/bench/splice_relay.o
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^

# ---- the demonstration ------------------------------------------------------------------

run:
	$(Q)scripts/setup build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo $(B)/ferrule

# ---- tests ------------------------------------------------------------------------------

test:
	$(Q)scripts/setup test
	$(Q)$(MAKE) --no-print-directory all test-tools
	$(Q)scripts/test unit e2e browser pki bench guest

$(B)/test-unit: $(UNIT) $(LIBRARY)
	$(call say,LD)$(CC) $(LDOPT) $(addprefix -Wl$(comma)--wrap=,$(WRAPS)) -o $@ $^ $(LIBS) -lcunit
comma := ,

$(B)/test-e2e: $(E2E)
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ -lssl -lcrypto -lcunit -lpthread

$(B)/test-pki: $(PKI)
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ -lssl -lcrypto -lcunit -lpthread

$(B)/pki-responder: $(PKI_CA)
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ -lssl -lcrypto -lpthread

test-tools: $(B)/test-unit $(B)/test-e2e $(B)/test-pki $(B)/pki-responder $(FUZZ:%=$(B)/replay-%)

test-browser: all
	$(Q)VARIANT=$(VARIANT) scripts/test browser

test-unit test-e2e test-pki test-bench test-guest: all test-tools
	$(Q)VARIANT=$(VARIANT) KERNEL=$(KERNEL) scripts/test $(@:test-%=%)

san:
	$(Q)scripts/setup test
	$(Q)$(MAKE) --no-print-directory VARIANT=san all test-tools
	$(Q)VARIANT=san scripts/test unit e2e pki

# ---- fuzzing: `make fuzz` builds libFuzzer targets, the tests replay their corpora ---------

.SECONDARY: $(FUZZ:%=$(B)/tests/fuzz/fuzz_%.o) $(B)/tests/fuzz/replay.o
$(B)/replay-%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(LIBRARY)
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ $(LIBS)

fuzz:
	$(Q)scripts/setup check
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz CC=clang \
		OPT='-O1 -fsanitize=address,undefined,fuzzer-no-link' \
		LDOPT='-fsanitize=address,undefined,fuzzer' $(FUZZ:%=build/fuzz/fuzz-%)

$(B)/fuzz-%: $(B)/tests/fuzz/fuzz_%.o $(LIBRARY)
	$(call say,LD)$(CC) $(LDOPT) -o $@ $^ $(LIBS)

# ---- checks ------------------------------------------------------------------------------

CHECKED := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

check:
	$(Q)scripts/setup check
	$(Q)$(MAKE) --no-print-directory CC=gcc VARIANT=check-gcc CFLAGS='-g -Werror' all test-tools
	$(Q)$(MAKE) --no-print-directory CC=clang VARIANT=check-clang CFLAGS='-g -Werror' all test-tools
	$(Q)clang-format --dry-run --Werror $(CHECKED)
	$(Q)scripts/check-layers.sh
	$(Q)CPPFLAGS="-I. -D_GNU_SOURCE" CFLAGS="$(STRICT) -Werror" scripts/check-headers.sh
	$(Q)scripts/check-functions.sh
	$(Q)scripts/check-docs.sh
	$(Q)shellcheck -x $$(git ls-files scripts bench tests/browser .ci | xargs grep -lE '^#!.*\b(ba)?sh')
	$(Q)$(MAKE) --no-print-directory analyze

analyze:
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
		--suppress=missingIncludeSystem --suppress=legacyUninitvar -I. $(SOURCES)
	$(Q)printf '%s\n' $(SOURCES) | xargs -P 2 -I{} \
		clang-tidy --quiet {} -- -std=gnu11 $(CPPFLAGS) 2>/dev/null

# ---- the rest ------------------------------------------------------------------------------

bench: all
	$(Q)scripts/setup bench
	$(Q)$(B)/ferrule bench peers

LIBEXEC  := $(PREFIX)/libexec/ferrule/bench

install: all
	install -D -m 755 $(B)/ferrule $(DESTDIR)$(PREFIX)/bin/ferrule
	install -d $(DESTDIR)$(LIBEXEC)/peers
	install -m 755 bench/harness $(BENCH:%=$(B)/bench/%) $(DESTDIR)$(LIBEXEC)
	install -m 644 bench/*.py bench/results.schema.json $(DESTDIR)$(LIBEXEC)
	install -m 644 bench/peers/* $(DESTDIR)$(LIBEXEC)/peers
	install -D -m 644 man/ferrule-bench.1 $(DESTDIR)$(PREFIX)/share/man/man1/ferrule-bench.1
	install -D -m 644 man/ferrule.1 $(DESTDIR)$(PREFIX)/share/man/man1/ferrule.1
	install -D -m 644 man/ferrule-pki.1 $(DESTDIR)$(PREFIX)/share/man/man1/ferrule-pki.1
	install -D -m 644 man/ferrule.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/ferrule.conf.5
	install -D -m 644 share/ferrule.conf.sample $(DESTDIR)$(PREFIX)/share/doc/ferrule/ferrule.conf.sample
	install -D -m 644 share/ferrule.service $(DESTDIR)$(PREFIX)/lib/systemd/system/ferrule.service

clean:
	rm -rf build

-include $(OBJECTS:.o=.d) $(BENCH_OBJECTS:.o=.d) $(UNIT:.o=.d) $(E2E:.o=.d) $(PKI:.o=.d) $(PKI_CA:.o=.d)
