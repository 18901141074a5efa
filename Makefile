# Two commands do everything: `make demo` and `make test`. Either may come first; both fill .venv.
PYTHON ?= python3
BIN := .venv/bin

# The only path outside the project: data sets for tests and benchmarks, skipped where absent.
DATA := $(abspath ../shared/data)
ifneq ($(wildcard $(DATA)/README.md),)
export KERASNAS_DATA ?= $(DATA)
endif

.PHONY: demo test test-all test-backends lint stubs docs bench clean

demo: .venv/.package
	$(BIN)/python examples/quickstart.py

test: .venv/.tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: .venv/.tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -m ""

# The usual PyTorch wheel brings CUDA, so it is not among the test dependencies.
test-backends: .venv/.tests
	$(BIN)/python -m pip install --quiet torch
	KERAS_BACKEND=torch $(BIN)/python -m pytest tests/test_backends.py

lint: .venv/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What type checkers and editors see of the oracles and tuners that the registry makes.
stubs: .venv/.tests
	$(BIN)/python tests/test_stubs.py

# The tutorials of the site are run anew each time, each page in a process of its own.
docs: .venv/.docs
	$(BIN)/sphinx-build -E -W --keep-going -j 2 docs docs/_build/html

bench: .venv/.bench
	$(BIN)/python benchmarks/cost_model.py

# Each stamp is one extra installed into the same environment, at the locked versions.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "kerasnas needs Python 3.11 to 3.13; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/.tests: EXTRA := test
.venv/.lint: EXTRA := lint
.venv/.docs: EXTRA := docs
.venv/.bench: EXTRA := bench
.venv/.package .venv/.tests .venv/.lint .venv/.docs .venv/.bench: .venv/.python setup.cfg constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.$(if $(EXTRA),[$(EXTRA)])'
	touch $@

clean:
	rm -rf .venv build docs/_build docs/_figures *.egg-info
