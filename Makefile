# Every target sets up what it needs: a fresh machine with Python 3.11 or newer and make is enough.
#   make install   the package, its extras and the development tools, in .venv
#   make demo      a first look, from data to report
#   make test      all tests               make check   style, types, layers, docstrings, examples, pages
#   make bench     speed and quality against peers, in .venv-bench
#   make docs      these pages as a site, in build/site; make links asks the addresses they name
#   make notebooks runs examples/ and keeps what comes out
#   make lock      renew constraints.txt (needs uv)
#   make clean     remove everything made here, but not runs/

PYTHON ?= python3
EXTRAS := all,docs,dev

BIN := .venv/bin
ENV := .venv/.installed
BENCH_BIN := .venv-bench/bin
BENCH_ENV := .venv-bench/.installed
SPHINX := $(BIN)/python -m sphinx -q -W --keep-going -c docs # a warning is an error
WEB := web/node_modules/.installed

# pythae is installed without its dependencies: it asks for the PyPI package "dataclasses", a copy
# of the standard library's from Python 3.6. What it does need is listed here.
PEERS := jax==0.10.2 flax==0.12.8 optax==0.2.8 lightning==2.6.6
PYTHAE := pythae==0.1.2
PYTHAE_NEEDS := cloudpickle imageio "pydantic>=2"

.DELETE_ON_ERROR:
.PHONY: install demo test check docs links bench notebooks lock clean browser

install: $(ENV)

demo: $(ENV)
	$(BIN)/latentia demo

# One thread for each worker, and one worker more than cores: many tests wait for a process or a page. Each begins
# with its part of the list, so that what a file's tests share is made once, and takes over what others have left.
test: export OMP_NUM_THREADS = 1
test: $(ENV) browser $(WEB)
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: export OMP_NUM_THREADS = 1
check: export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1
check: $(ENV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(BIN)/pydoclint src
	$(BIN)/python -m pytest --doctest-modules src
	$(SPHINX) -b html . build/site

bench: $(BENCH_ENV)
	$(BENCH_BIN)/python -m benchmarks.run

# In place, with outputs and without times, so that what changes is what came out.
notebooks: $(ENV)
	$(BIN)/python -m jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False \
	  $(or $(NOTEBOOK),examples/*.ipynb)

# Links inside the site are checked as it is built.
docs: $(ENV)
	$(SPHINX) -b html . build/site
	@echo "the site: build/site/docs/index.html"

links: $(ENV)
	$(SPHINX) -b linkcheck . build/links

lock:
	uv pip compile -q pyproject.toml | grep -vE '^(nvidia|cuda|triton)' > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf .venv .venv-bench web/node_modules build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define new_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "latentia needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
$(PYTHON) -m venv $(@D)
endef

$(ENV): pyproject.toml constraints.txt
	$(new_venv)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

$(BENCH_ENV): pyproject.toml constraints.txt
	$(new_venv)
	$(BENCH_BIN)/python -m pip install -q -c constraints.txt -e '.[images,tables]' $(PEERS) $(PYTHAE_NEEDS)
	$(BENCH_BIN)/python -m pip install -q --no-deps $(PYTHAE)
	@touch $@

# The explorer's tests drive a real browser, and npm brings what a page without a server decodes with.
APT := apt-get update -q && apt-get install -q -y
define from_apt
elif command -v apt-get && [ "$$(id -u)" = 0 ]; then DEBIAN_FRONTEND=noninteractive sh -c '$(APT) $(1)'; \
elif command -v apt-get && command -v sudo; then sudo DEBIAN_FRONTEND=noninteractive sh -c '$(APT) $(1)'
endef

browser:
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then :; \
	$(call from_apt,chromium); \
	else echo 'The tests need Chromium: put chromium, chromium-browser or google-chrome on the PATH.' >&2; exit 1; \
	fi >/dev/null

$(WEB): web/package.json web/package-lock.json
	@if command -v npm; then :; \
	$(call from_apt,--no-install-recommends nodejs npm); \
	else echo 'The tests need npm (https://nodejs.org) on the PATH.' >&2; exit 1; \
	fi >/dev/null
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
