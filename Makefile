# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Each target is a newcomer's possible first command: it sets up what it needs, once, outside the checkout.

# exec: a make that is told to end tells the tool itself, not a shell before it
RUN = @exec $${PYTHON:-$$(sh tests/tools/python.sh)}

.DEFAULT_GOAL := help
.PHONY: help demo test cluster cluster-down install lint types sanity unit docs build integration

help:
	@sed -n 's/^## \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

## incident.distroless: debug containers for shell-less pods, and their files brought home
##
##   make demo                 set up, start a cluster, and bring a file home from a shell-less pod
##   make test                 set up, run every test on that cluster, end with pytest's closing line
##   make cluster              a real one-node Kubernetes; its kubeconfig is .cluster/kubeconfig
##   make cluster-down         stop it and leave nothing behind
##   make install VENV=<dir>   an Ansible environment with the collection installed, as a user has it
##
## One part of `make test` at a time:
##
##   make lint                 ruff, yamllint, ansible-lint, reuse
##   make types                mypy --strict
##   make sanity               ansible-test sanity on the lowest and the newest ansible-core
##   make unit                 unit tests on each Python found, with each ansible-core (ARGS= for pytest)
##   make docs                 the documentation and the changelog, checked
##   make build                the collection's tarball, and galaxy-importer's opinion of it
##   make integration          the tests on the cluster, lowest and newest (ARGS= for pytest)

demo test:
	$(RUN) tests/tools/run.py $@

lint types sanity unit docs build integration:
	$(RUN) tests/tools/run.py $@ -- $(ARGS)

cluster:
	$(RUN) tests/cluster/cluster.py up

cluster-down:
	$(RUN) tests/cluster/cluster.py down

install:
	$(RUN) tests/tools/install.py "$(VENV)"
