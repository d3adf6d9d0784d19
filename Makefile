# Nightstand: one Makefile for all. `make help` lists what there is.
#
# A folder is a layer: whatever .c file stands in it is built into that layer's
# archive, with only the include paths to its right:
#   firmware > board > drivers > lib/{phone,vault,web,update} > lib/util
# tools/phonesim sees lib/util only: it has its own protocol code.

BOARD ?= host
SAN   ?= 0
# The images of the virtual machine and of the Raspberry Pi hold one program,
# so what is tried in the one is what runs on the other.
IMAGE := $(filter qemu-arm64 rpi-arm64,$(BOARD))
ifneq ($(IMAGE),)
override BOARD := arm64
endif
ifeq ($(BOARD),arm64)
CC := aarch64-linux-gnu-gcc
endif
CC    ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
B     := $(if $(O),$(O),build)/$(BOARD)$(if $(filter 1,$(SAN)),-san)$(if $(filter clang%,$(CC)),-clang)$(if $(FUZZER),-fuzz)
IMAGE_WORK  = $(if $(O),$(O),build)/image/work
IMAGE_OUT   = $(if $(O),$(O),build)/image/$(IMAGE)
IMAGE_CACHE = $(CACHE)/image
# Whose updates an image takes that is built here; made when there is none.
UPDATE_KEY ?= $(if $(XDG_CONFIG_HOME),$(XDG_CONFIG_HOME),$(HOME)/.config)/nightstand/update-key.pem
CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/nightstand

# The processor that the compiler builds for: x86_64, aarch64.
CPU := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
VERSION := $(shell sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGES.md 2>/dev/null | head -1)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wswitch-enum -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla \
	-Wformat=2 -Wundef
ifeq ($(WERROR),1)
WARN += -Werror
endif
OPT := -O2 -g
HARD := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ifeq ($(SAN),1)
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
HARD := -fPIE
LDSAN := -fsanitize=address,undefined
endif
ifeq ($(FUZZER),1) # with SAN=1 CC=clang; `make fuzz` says so
OPT  += -fsanitize=fuzzer-no-link
endif
CSTD := -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
CFLAGS_ALL = $(CROSS) $(CSTD) $(OPT) $(HARD) $(WARN) -ffunction-sections -fdata-sections \
	-DNIGHTSTAND_VERSION='"$(VERSION)"' -MMD -MP $(CFLAGS)
ifeq ($(BOARD),arm64)
# Against the libraries of the image, and nothing of this machine: its own
# cross libraries would be found first. Where it is built must not show.
SYSROOT := $(IMAGE_WORK)/sysroot
CROSS := --sysroot=$(SYSROOT) -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	-isystem $(SYSROOT)/usr/include/aarch64-linux-gnu -isystem $(SYSROOT)/usr/include \
	-ffile-prefix-map=$(CURDIR)/= -ffile-prefix-map=$(B)/=
CROSS_LD := --sysroot=$(SYSROOT) -B$(SYSROOT)/usr/lib/aarch64-linux-gnu \
	-L$(SYSROOT)/usr/lib/aarch64-linux-gnu -Wl,--build-id=none
endif
LDFLAGS_ALL = $(CROSS_LD) -pie -Wl,-z,relro,-z,now -Wl,--gc-sections $(LDSAN) $(LDFLAGS)

# One short line a step; V=1 shows the commands.
ifeq ($(V),1)
say =
else
say = @printf '  %-5s %s\n' $(1) '$(patsubst $(B)/%,%,$(2))';
endif

# --- layers -----------------------------------------------------------------
UTIL_SRC  := $(wildcard lib/util/*.c)
PHONE_SRC := $(wildcard lib/phone/*.c)
VAULT_SRC := $(wildcard lib/vault/*.c)
WEB_SRC   := $(wildcard lib/web/*.c)
UPDATE_SRC := $(wildcard lib/update/*.c)
DRV_SRC   := $(wildcard drivers/*/*.c)
ifeq ($(BOARD),arm64) # the image has a network of its own, not a computer's
DRV_SRC   := $(filter-out drivers/nic/nic_slirp.c,$(DRV_SRC))
INC_slirp := -DNIC_NO_SLIRP
else
LIBS_slirp := -lslirp
endif
FW_SRC    := $(wildcard firmware/*.c) $(wildcard board/$(BOARD)/*.c)
SIM_SRC   := $(wildcard tools/phonesim/*.c)
DUMP_SRC  := $(wildcard tools/vaultdump/*.c)

INC_util  := -Ilib/util
INC_phone := -Ilib/phone $(INC_util)
INC_vault := -Ilib/vault $(INC_util)
LWIP_SRCDIR = $(B)/src/lwip
LLHTTP_DIR  = $(B)/src/llhttp
BLAKE3_DIR  = $(B)/src/blake3
INC_update := -Ilib/update $(INC_util)
INC_lwip  = -Ilib/web/lwip -isystem $(LWIP_SRCDIR)/src/include
ifeq ($(SAN),1) # each piece of lwIP's memory is malloc's: what lies behind it is seen
INC_lwip += -DMEM_LIBC_MALLOC=1 -DMEMP_MEM_MALLOC=1
endif
INC_web   = -Ilib/web $(INC_util) $(INC_lwip) -isystem $(LLHTTP_DIR) -I$(B)/gen
INC_drv   = $(patsubst %/.,-I%,$(wildcard drivers/*/.)) $(INC_util) $(INC_lwip)
INC_fw    = -Ifirmware -Iboard $(INC_drv) -Ilib/phone -Ilib/vault -Ilib/web -Ilib/update
INC_sim   := -Itools/phonesim $(INC_util)
INC_tests = -Itests $(INC_fw) $(INC_web)

BLAKE3_cpu_x86_64  := sse2_x86-64_unix sse41_x86-64_unix avx2_x86-64_unix avx512_x86-64_unix
BLAKE3_cpu_aarch64 := neon
BLAKE3_OBJ = $(patsubst %,$(B)/src/blake3/%.o,blake3 blake3_dispatch blake3_portable \
	$(BLAKE3_cpu_$(CPU):%=blake3_%))

LIBS_util  := -lcrypto
LIBS_phone = -limobiledevice-1.0 -lusbmuxd-2.0 -lplist-2.0 -lssl
LIBS_vault = -lsqlite3 -lplist-2.0 -lxxhash -laio
LIBS_web   = $(LIBS_slirp) -lcjson -lssl
LIBS_drv   = -lusb-1.0 -lplist-2.0
LIBS_all   = $(LIBS_phone) $(LIBS_vault) $(LIBS_web) $(LIBS_drv) -lseccomp -linih -lblkid $(LIBS_util) -lpthread -lm
LIBS_sim   = -lusbredirparser -lssl -lcrypto -lplist-2.0 -lsqlite3 -lpthread -lm

obj = $(patsubst %.c,$(B)/%.o,$(1))

.PHONY: all
all: $(B)/nightstand $(B)/phonesim $(B)/vaultdump ## the program, the simulated iPhone, the inspector

$(B)/nightstand: $(call obj,$(FW_SRC)) $(B)/libdrv.a $(B)/libphone.a $(B)/libvault.a $(B)/libweb.a $(B)/libupdate.a $(B)/libutil.a $(B)/liblwip.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(call obj,$(FW_SRC)) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_all)

$(B)/phonesim: $(call obj,$(SIM_SRC)) $(B)/libutil.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_sim)

$(B)/vaultdump: $(call obj,$(DUMP_SRC)) $(B)/libvault.a $(B)/libutil.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_vault) -lcjson $(LIBS_util) -lpthread

$(B)/libutil.a: $(call obj,$(UTIL_SRC)) $(BLAKE3_OBJ)
$(B)/libphone.a: $(call obj,$(PHONE_SRC))
$(B)/libvault.a: $(call obj,$(VAULT_SRC))
$(B)/libupdate.a: $(call obj,$(UPDATE_SRC))
$(B)/libweb.a: $(call obj,$(WEB_SRC)) $(B)/src/llhttp/llhttp.o $(B)/src/llhttp/api.o $(B)/src/llhttp/http.o
$(B)/libdrv.a: $(call obj,$(DRV_SRC))
$(B)/lib%.a:
	@rm -f $@
	$(call say,AR,$@)ar rcs $@ $^

$(B)/lib/util/%.o: INC = $(INC_util) -isystem $(BLAKE3_DIR)
$(B)/lib/phone/%.o: INC = $(INC_phone)
$(B)/lib/vault/%.o: INC = $(INC_vault)
$(B)/lib/update/%.o: INC = $(INC_update)
$(B)/lib/web/%.o: INC = $(INC_web)
$(B)/drivers/%.o: INC = $(INC_drv)
# No clock of a box can be right that stands before this (see wall.h).
BUILT := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null))
$(B)/gen/built: FORCE # changes with it alone, and what is built from it, too
	@mkdir -p $(@D)
	@echo '$(BUILT)' | cmp -s - $@ || echo '$(BUILT)' >$@
.PHONY: FORCE
FORCE:
$(B)/drivers/clock/wall_linux.o: $(B)/gen/built
$(B)/firmware/update_keys.o: $(B)/gen/built $(B)/gen/update_keys_gen.h
$(B)/firmware/update_keys.o: CFLAGS_ALL += -I$(B)/gen $(if $(BUILT),-DNIGHTSTAND_BUILT=$(BUILT)LL)
$(B)/drivers/clock/%.o: CFLAGS_ALL += $(if $(BUILT),-DNIGHTSTAND_BUILT=$(BUILT)LL)
$(B)/firmware/%.o: INC = $(INC_fw)
$(B)/board/%.o: INC = $(INC_fw)
$(B)/tools/phonesim/%.o: INC = $(INC_sim)
$(B)/tools/vaultdump/%.o: INC = -Itools/vaultdump $(INC_vault)
$(B)/tests/%.o: INC = $(INC_tests)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS_ALL) $(INC) -c -o $@ $<

# --- unit tests: one program a file, linked against the archives -------------
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libdrv.a $(B)/libphone.a $(B)/libvault.a $(B)/libweb.a $(B)/libupdate.a $(B)/libutil.a $(B)/liblwip.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lcmocka $(LIBS_all)

# The program with a key for updates that the tests can sign with.
KEYED := $(B)/tests/keyed/nightstand
$(KEYED): $(B)/tests/keyed/update_keys.o $(filter-out $(B)/firmware/update_keys.o,$(call obj,$(FW_SRC))) $(B)/libdrv.a $(B)/libphone.a $(B)/libvault.a $(B)/libweb.a $(B)/libupdate.a $(B)/libutil.a $(B)/liblwip.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_all)

# The one test of two sides that share nothing: it holds the simulator's, too.
$(B)/tests/unit/test_mux_model.o: INC = -Itools/phonesim $(INC_drv)

# The power-cut proof: one program of several files.
POWER := $(B)/tests/power/power_cut
$(B)/tests/power/%.o: INC = -Itests/unit $(INC_tests)
WRAP := malloc calloc realloc strdup asprintf
$(POWER): LDFLAGS_ALL += $(WRAP:%=-Wl,--wrap=%)
$(POWER): $(call obj,$(wildcard tests/power/*.c)) $(B)/libvault.a $(B)/libutil.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lcmocka $(LIBS_vault) $(LIBS_util) -lpthread

# The fuzzers: one program a target. Without libFuzzer each plays its corpus.
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/tests/fuzz/%.o: INC = -Itests/unit $(INC_tests)
CLOCK := clock_gettime time getrandom
LWIP_MEM := memp_malloc memp_free memp_malloc_pool memp_free_pool mem_malloc \
	mem_calloc mem_free
$(B)/tests/fuzz/fuzz_http: LDFLAGS_ALL += $(CLOCK:%=-Wl,--wrap=%)
$(B)/tests/fuzz/fuzz_frames: LDFLAGS_ALL += $(CLOCK:%=-Wl,--wrap=%) $(LWIP_MEM:%=-Wl,--wrap=%)
$(FUZZ): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(if $(FUZZER),,$(B)/tests/fuzz/replay.o) $(B)/libdrv.a $(B)/libphone.a $(B)/libvault.a $(B)/libweb.a $(B)/libupdate.a $(B)/libutil.a $(B)/liblwip.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) $(if $(FUZZER),-fsanitize=fuzzer) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_all)

-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

# --- what a person types --------------------------------------------------------
# Packages by name; quiet when they are there. With NO_DEPS=1 nothing is looked
# for (a package build, a machine without apt).
.PHONY: deps-build deps-demo deps-check deps-fuzz deps-bench deps-browser deps-image deps-usb
deps-build deps-demo deps-check deps-fuzz deps-bench deps-browser deps-image deps-usb:
	$(if $(NO_DEPS),,@tools/deps/install.sh build $(filter-out build,$(@:deps-%=%)))

.PHONY: demo
demo: deps-demo ## three nights in about a minute (NIGHTS=3 SIZE=1G PORT=8080)
	@$(MAKE) --no-print-directory -j2 all
	@NIGHTSTAND_BUILD=$(abspath $(B)) tools/demo/demo.sh $(if $(NIGHTS),--nights $(NIGHTS)) \
		$(if $(SIZE),--size $(SIZE)) $(if $(PORT),--port $(PORT))

.PHONY: image
LEVEL ?= 19
image: deps-image ## BOARD=rpi-arm64 or qemu-arm64: the whole firmware (UPDATE=1: newest packages; CARD=/dev/NAME: write it)
	$(if $(IMAGE),,@echo 'image: which one? BOARD=rpi-arm64 or BOARD=qemu-arm64' >&2; exit 2)
	@tools/image/update.py key --key $(UPDATE_KEY)
	@tools/image/fetch.sh $(IMAGE_CACHE) $(if $(UPDATE),update)
	@tools/image/build.py sysroot --cache $(IMAGE_CACHE) --work $(IMAGE_WORK)
	@$(MAKE) --no-print-directory BOARD=arm64 $(B)/nightstand
	@tools/image/build.py image --cache $(IMAGE_CACHE) --work $(IMAGE_WORK) --board $(IMAGE) \
		--program $(B)/nightstand --version $(VERSION) --out $(IMAGE_OUT) --level $(LEVEL)
	$(if $(CARD),@tools/image/write-card.sh $(IMAGE_OUT)/card.img $(CARD))

.PHONY: update
update: image ## … and an update file for boxes that run already (UPDATE_KEY=PEM signs it)
	@tools/image/update.py make --key $(UPDATE_KEY) --board $(IMAGE) --version $(VERSION) --build $(or $(BUILT),0) \
		--out $(IMAGE_OUT)/nightstand.update $$(cat $(IMAGE_OUT)/slot.list)

.PHONY: check-image
check-image: ## the image in a virtual machine: phone, disks, settings, power cuts (K=TEXT, CUTS=200)
	@$(MAKE) --no-print-directory image BOARD=qemu-arm64
	@$(MAKE) --no-print-directory image BOARD=rpi-arm64
	@$(MAKE) --no-print-directory -j2 BOARD=host all
	@$(if $(CUTS),CUTS=$(CUTS)) NIGHTSTAND_UPDATE_KEY=$(abspath $(UPDATE_KEY)) NIGHTSTAND_BUILD=$(abspath $(if $(O),$(O),build)/host) NIGHTSTAND_IMAGE=$(abspath $(if $(O),$(O),build)/image/qemu-arm64) \
		tests/image/run.py $(if $(K),-k $(K)) $(if $(KEEP),--keep) $(if $(RESULTS),--results $(abspath $(RESULTS)))

.PHONY: units check check-all check-units check-e2e check-tree
units: $(UNIT) $(POWER) $(FUZZ) $(KEYED)

check: deps-check ## everything that proves it: units, peers, faults (SAN=1: sanitizers)
	@$(MAKE) --no-print-directory -j2 all units
	@NIGHTSTAND_BUILD=$(abspath $(B)) NIGHTSTAND_SAN=$(SAN) NIGHTSTAND_CACHE=$(abspath $(CACHE)) \
		tests/check.sh $(if $(RESULTS),--results $(abspath $(RESULTS))) $(if $(K),-k $(K)) $(UNIT) $(POWER) $(FUZZ)

.PHONY: check-lan
check-lan: ## the box alone on a network port: names, HTTPS, time, MQTT (root)
	@$(MAKE) --no-print-directory check K=lan.,tls.,clock.,hook.,mqtt.

.PHONY: check-browser screenshots
check-browser: deps-browser ## the page in Chromium, by hand, eye and axe-core
	@$(MAKE) --no-print-directory check K=browser.

screenshots: deps-browser ## … and what it looks like, into build/host/screenshots
	@NIGHTSTAND_PICTURES=$(abspath $(B))/screenshots $(MAKE) --no-print-directory check K=browser.nothing_is_cut
	@echo "the pictures are in $(B)/screenshots"

.PHONY: check-nights
N ?= 30
SEED ?= 1
check-nights: deps-check ## N nights that go wrong by lot (SEED), each compared with the phone
	@$(MAKE) --no-print-directory -j2 all
	@NIGHTSTAND_BUILD=$(abspath $(B)) python3 tests/nights/nights.py -n $(N) --seed $(SEED)

.PHONY: fuzz check-fuzz
T ?= 600
fuzz: deps-fuzz ## the fuzzers, with clang's libFuzzer (build/host-san-clang-fuzz)
	@$(MAKE) --no-print-directory -j2 fuzz-programs SAN=1 CC=clang FUZZER=1

.PHONY: fuzz-programs
fuzz-programs: $(FUZZ)

check-fuzz: fuzz ## … each for T=600 seconds, two side by side (K="mux usb": those)
	@T=$(T) K="$(K)" tests/fuzz/run.sh $(if $(O),$(O),build)/$(BOARD)-san-clang-fuzz/tests/fuzz

.PHONY: check-usb
check-usb: deps-check deps-usb ## the driver on a real USB stack, in a virtual machine (USB='--plugs 1000')
	@$(MAKE) --no-print-directory -j2 all $(B)/src/kernel
	@NIGHTSTAND_BUILD=$(abspath $(B)) python3 tests/usb/check_usb.py $(USB)

.PHONY: bench-usb
bench-usb: deps-check deps-usb ## our USB driver against Debian's usbmuxd, same virtual machine, same phone, in turn
	@$(MAKE) --no-print-directory -j2 all $(B)/src/kernel $(B)/src/usbmuxd
	@NIGHTSTAND_BUILD=$(abspath $(B)) python3 tests/usb/bench_usb.py $(BENCH)

$(B)/src/kernel $(B)/src/usbmuxd: tools/deps/fetch-source.sh
	@tools/deps/fetch-source.sh $(@F) $@ $(CACHE)
	@touch $@

check-all: check ## … and 100,000 power cuts and each failing call (half an hour)
	NIGHTSTAND_SCALE=300000 $(B)/tests/unit/test_scale
	$(POWER) --full

check-tree: ## the rules of style that a compiler does not see
	@tools/check-tree.sh

.PHONY: bench bench-phonesim bench-web
bench: deps-check ## nightstand against idevicebackup2, same phone, in turn
	@$(MAKE) --no-print-directory -j2 all $(B)/tests/bench/bench_sink
	@NIGHTSTAND_BUILD=$(abspath $(B)) python3 tests/bench/bench.py $(BENCH)

bench-phonesim: deps-check ## what the simulated phone streams to a client that throws it away
	@$(MAKE) --no-print-directory -j2 all $(B)/tests/bench/bench_sink
	@NIGHTSTAND_BUILD=$(abspath $(B)) python3 tests/bench/bench.py --only phonesim

bench-web: deps-check deps-bench ## the page against nginx, and beside a crowd, in network namespaces (root)
	@$(MAKE) --no-print-directory -j2 all
	@NIGHTSTAND_BUILD=$(abspath $(B)) python3 tests/bench/bench_web.py $(BENCH)

$(B)/tests/bench/bench_sink: $(call obj,$(wildcard tests/bench/*.c)) $(B)/libphone.a $(B)/libutil.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_phone) $(LIBS_util) -lpthread

.PHONY: docs check-docs
docs: all ## what is printed from the program's own tables
	$(B)/nightstand legend --svg >drivers/led/legend.svg
	@{ printf '# The states of a phone\n\nPrinted by `make docs` from the table in `phone_fsm.c`.\n\n```mermaid\n'; \
	$(B)/nightstand states; printf '```\n\n# What the box says\n\nPrinted likewise, from the table in `lib/util/words_table.c`; {…} is filled in.\n\n'; \
	$(B)/nightstand states --words; } >firmware/states.md

check-docs: all ## … and whether they still say the same
	@$(B)/nightstand legend --svg | cmp -s - drivers/led/legend.svg || { echo 'check-docs: the legend is old: make docs'; exit 1; }
	@{ $(B)/nightstand states; $(B)/nightstand states --words; } | while IFS= read -r line; do \
	grep -qxF -- "$$line" firmware/states.md || { echo "check-docs: firmware/states.md lacks: $$line"; exit 1; }; done

.PHONY: format clean help
format: ## clang-format over all C files
	@clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

clean: ## removes what was built, not what was fetched
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

# --- dependencies compiled from Debian's sources: lwIP, llhttp, BLAKE3 ---------
# The stamps are what objects wait for (order-only: a stamp is not an input).
# With LWIP_SRCDIR, LLHTTP_DIR or BLAKE3_DIR given, those sources are taken as they are.
define fetched # NAME, VARIABLE
ifeq ($$(origin $(2)),file)
$(B)/src/.$(1): tools/deps/fetch-source.sh
	@tools/deps/fetch-source.sh $(1) $$($(2)) $$(CACHE)
	@touch $$@
else
$(B)/src/.$(1):
	@mkdir -p $$(@D) && touch $$@
endif
endef
$(eval $(call fetched,lwip,LWIP_SRCDIR))
$(eval $(call fetched,llhttp,LLHTTP_DIR))
$(eval $(call fetched,blake3,BLAKE3_DIR))

LWIP_SRC := core/altcp core/altcp_alloc core/altcp_tcp core/def core/inet_chksum \
	core/init core/ip core/mem core/memp core/netif core/pbuf core/stats \
	core/tcp core/tcp_in core/tcp_out core/timeouts core/udp core/dns netif/ethernet \
	$(addprefix core/ipv4/,acd autoip dhcp etharp icmp igmp ip4 ip4_addr) \
	$(addprefix core/ipv6/,ethip6 icmp6 inet6 ip6 ip6_addr mld6 nd6) \
	$(addprefix apps/mdns/,mdns mdns_domain mdns_out) apps/mqtt/mqtt \
	apps/sntp/sntp
# Other people's code: our warnings say nothing about it. Its checksums and
# headers read through casts that are fine on the CPUs that we build for.
THIRD = $(CROSS) $(CSTD) $(OPT) $(HARD) -w -ffunction-sections -fdata-sections -MMD -MP \
	$(if $(filter 1,$(SAN)),-fno-sanitize=alignment) $(CFLAGS)

$(B)/liblwip.a: $(LWIP_SRC:%=$(B)/lwip/%.o)
$(B)/lwip/%.o: $(B)/src/.lwip lib/web/lwip/lwipopts.h lib/web/lwip/arch/cc.h
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(THIRD) $(INC_lwip) -c -o $@ $(LWIP_SRCDIR)/src/$*.c
$(B)/src/llhttp/%.o: $(B)/src/.llhttp
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(THIRD) -I$(LLHTTP_DIR) -c -o $@ $(LLHTTP_DIR)/$*.c

$(B)/src/blake3/%.o: $(B)/src/.blake3
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(THIRD) -c -o $@ $$(ls $(BLAKE3_DIR)/$*.[cS])

# Dependency files come with the objects; no built-in rule is to make them.
$(B)/%.d: ;

# The page as an array; od and sed are on every system.
$(B)/gen/page_html.h: lib/web/page.html
$(B)/gen/openapi_json.h: lib/web/openapi.json
# The keys that updates are signed with: those of every image, and the builder's.
$(B)/gen/update_keys_gen.h: FORCE
	@mkdir -p $(@D)
ifeq ($(BOARD),arm64)
	@tools/image/update.py header --list board/arm64/update-keys.txt --key $(UPDATE_KEY) >$@.new
else
	@echo 'static const struct update_keys built_in = { 0 };' >$@.new
endif
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(B)/gen/%.h:
	@mkdir -p $(@D)
	@{ echo 'static const unsigned char $*[] = {'; \
	od -An -v -tx1 $< | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'; \
	echo '};'; } >$@.new && mv $@.new $@

$(call obj,$(UTIL_SRC)): | $(B)/src/.blake3
$(call obj,$(WEB_SRC)): | $(B)/src/.lwip $(B)/src/.llhttp
$(B)/lib/web/page_frame.o: $(B)/gen/page_html.h
$(B)/lib/web/site.o: $(B)/gen/openapi_json.h
$(call obj,$(wildcard drivers/nic/*.c) $(FW_SRC)): | $(B)/src/.lwip
$(B)/drivers/nic/%.o: INC = $(INC_drv) -Ilib/web $(INC_slirp)
$(patsubst %.c,$(B)/%.o,$(wildcard tests/*/*.c)): | $(B)/src/.lwip $(B)/src/.llhttp
