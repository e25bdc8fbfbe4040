# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Each target is a newcomer's possible first command: it sets up what it needs, once, outside the checkout.

# exec: a make that is told to end tells the tool itself, not a shell before it
RUN = @exec $${PYTHON:-$$(sh tests/tools/python.sh)}

.DEFAULT_GOAL := help
.PHONY: help demo test test-matrix cluster cluster-down install lint types sanity unit docs build browser integration bench faults site release

help:
	@sed -n 's/^## \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

## incident.distroless: debug containers for shell-less pods, and their files brought home
##
##   make demo                 set up, start a cluster, say what is wrong with two pods, and bring files home from one without a shell
##   make test                 set up, run every test on that cluster, end with pytest's closing line
##   make cluster              a real one-node Kubernetes; its kubeconfig is .cluster/kubeconfig
##   make cluster-down         stop it and leave nothing behind
##   make bench                side by side with the peers, on that cluster: BENCHMARKS.md (ARGS=--quick: in minutes)
##   make install VENV=<dir>   an Ansible environment with the collection installed, as a user has it
##
##   make test RETRY=1         the same; of the tests on the cluster one may run again at the end, and is written down as unstable
##   COVERAGE=1                to any of these: which branches of plugins/ were taken, in whatever process
##
## One part of `make test` at a time:
##
##   make lint                 ruff, yamllint, ansible-lint, reuse, and pylint for what stands twice
##   make types                mypy --strict
##   make sanity               ansible-test sanity on the lowest and the newest ansible-core
##   make unit                 unit tests on each Python found, with each ansible-core (ARGS= for pytest)
##   make docs                 the documentation and the changelog, checked
##   make site                 the documentation site, every page of it; says where it is
##   make build                the collection's tarball, and galaxy-importer's opinion of it
##   make browser              the report in a real browser, and its accessibility
##   make integration          the tests on the cluster, lowest and newest (ARGS= for pytest)
##   make test-matrix          the smoke tests with other versions, debug images and a slow line, and the page about them; and the site
##                             (ARGS="kubernetes-1.29 core-2.19": these cells alone)
##   make release              the tarball of galaxy.yml's version with its changelog, tried by the demo; sums and bill of materials
##   make faults               1,012 fetches over connections that fail, and the page about them (FAULT_TRIALS=, FAULT_SEED=)

demo test release:
	$(RUN) tests/tool.py run $@

bench faults test-matrix lint types sanity unit docs build browser integration site:
	$(RUN) tests/tool.py run $@ -- $(ARGS)

cluster:
	$(RUN) tests/cluster/cluster.py up

cluster-down:
	$(RUN) tests/cluster/cluster.py down

install:
	$(RUN) tests/tool.py install "$(VENV)"
