# cloudd. `make help` lists what there is; everything runs as root on Debian 12.

STATE    ?= /var/lib/cloudd
CONFIG   ?= /etc/cloudd/cloudd.conf
LISTEN   ?= 127.0.0.1:5000
OUTBOUND ?=
PREFIX   ?= /opt/cloudd
DESTDIR  ?=
CORES    ?= $(shell nproc)
T        ?= tests/guest tests/fault tests/api tests/unit
TESTS    ?=
WORK     := build
VENV     := .venv
PY       := $(VENV)/bin/python
GUEST    := $(WORK)/testguest/testguest.qcow2
LVMGUEST := $(WORK)/lvmguest/root.img
export STATE CONFIG LISTEN OUTBOUND PREFIX DESTDIR
export PYTHONUNBUFFERED := 1

RUN_PACKAGES  := python3 python3-venv python3-dev gcc pkg-config libvirt-dev libvirt-daemon libvirt-daemon-system \
                 libvirt-clients qemu-system-x86 qemu-utils seabios ipxe-qemu nftables libnftables1 iproute2 dnsmasq-base \
                 conntrack genisoimage procps kmod cpio fdisk mtools dosfstools e2fsprogs syslinux syslinux-common openssh-client \
                 ca-certificates curl
TEST_PACKAGES := postgresql iputils-ping iputils-arping netcat-openbsd dnsutils busybox-static tcpdump chromium git slapd ldap-utils

.DEFAULT_GOAL := help
.PHONY: help run stop clean packages venv guest lvmguest consoles install test test-packages lint coverage map routes conformance bench migration

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: packages venv guest consoles ## install everything, bring the cloud up, boot a first guest
	@sh etc/make/run.sh

stop: ## stop the daemon; guests and their network go on
	@sh etc/make/stop.sh

clean: stop ## stop the daemon, destroy its guests and networks, delete its state
	@sh etc/make/clean.sh

install: ## install as a systemd service, in PREFIX (/opt/cloudd)
	@sh etc/make/install.sh

packages: $(WORK)/packages.stamp
$(WORK)/packages.stamp: Makefile
	@sh etc/make/packages.sh $(RUN_PACKAGES)
	@mkdir -p $(WORK) && touch $@

venv: $(WORK)/venv.stamp
$(WORK)/venv.stamp: setup.cfg pyproject.toml $(WORK)/packages.stamp
	@echo "== virtual environment $(VENV)"
	@test -x $(PY) || /usr/bin/python3 -m venv $(VENV)
	@$(PY) -m pip install --disable-pip-version-check -e '.[client]'
	@mkdir -p $(WORK) && touch $@

guest: $(GUEST)
$(GUEST): $(shell find cloudd/testguest -type f) $(WORK)/packages.stamp
	@echo "== test guest from Debian packages (about 20 s)"
	@bash cloudd/testguest/build-guest.sh $(WORK)/testguest $(WORK)/testguest-cache

lvmguest: $(LVMGUEST)
$(LVMGUEST): tests/guest/lvm/build-root.sh tests/guest/lvm/guest-init $(GUEST)
	@echo "== Debian guest with LVM from Debian packages (about 20 s)"
	@bash tests/guest/lvm/build-root.sh $(WORK)/lvmguest $(WORK)/lvmguest-cache $(WORK)/testguest $(WORK)/testguest-cache

consoles: ## fetch the browser consoles (noVNC, xterm.js)
	@if [ -f package.json ]; then sh etc/make/consoles.sh; fi

test-packages: packages venv
	@sh etc/make/packages.sh $(TEST_PACKAGES)
	@test -e $(WORK)/test.stamp -a $(WORK)/test.stamp -nt setup.cfg || \
	    { echo "== test requirements"; $(PY) -m pip install --disable-pip-version-check -e '.[test]' && touch $(WORK)/test.stamp; }

test: test-packages guest lvmguest consoles ## install what tests need, run them (T=path for some)
	@sh etc/make/libvirt.sh
	@$(PY) -m pytest -n $(CORES) $(T)

lint: test-packages ## style: ruff, and the rules of the house
	@$(VENV)/bin/ruff check cloudd tests migrations
	@$(PY) -m pytest tests/unit/test_rules.py

coverage: venv ## operations served, against OpenStack's (tests/conformance/operations.tsv)
	@$(PY) -m tests.conformance.coverage $(ARGS)

map: venv ## write the map of modules, rooms and addresses (docs/map.md)
	@$(PY) -m tests.map

routes: venv ## every operation: method, path, action, versions, policy, file
	@$(PY) -m cloudd routes

conformance: test-packages guest consoles ## OpenStack's own Tempest against a cloud in namespaces (TESTS='regex')
	@sh etc/make/libvirt.sh
	@$(PY) -m tests.conformance.run $(if $(TESTS),--tests '$(TESTS)') $(ARGS)

bench: test-packages guest lvmguest ## figures as ratios to a measured peer
	@sh etc/make/libvirt.sh
	@sh etc/make/nginx.sh
	@$(PY) -m tests.bench.run $(ARGS)

migration: venv ## write a migration from the models (m="what it does")
	@$(PY) -m cloudd db revision --message "$(m)"
