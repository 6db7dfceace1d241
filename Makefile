# One command on a fresh clone: `make demo` or `make test`. Everything lives in .venv; `make clean` removes what was made.
# PYTHON=... chooses the interpreter that makes .venv (3.11 or newer).

.DEFAULT_GOAL := help
.PHONY: help install demo demo-ofa demo-gan demo-lite-transformer test test-slow lint bench clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.hwloop-installed
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
SOURCES := sim models benchmarks analysis hwloop tests

help:
	@echo "make demo       simulate two generated matrices, print a table of each, and verify them"
	@echo "make demo-ofa   search a trained supernet for this machine, and measure the network that is found on it"
	@echo "make demo-gan   search trained generators of images for this machine, and show what they make on a page"
	@echo "make demo-lite-transformer"
	@echo "                translate, search a trained supernet for this machine, compress, simulate on SpArch"
	@echo "make test       all tests but the slow ones      make test-slow   the slow ones"
	@echo "make lint       ruff and mypy                    make bench       speed and accuracy figures"
	@echo "make clean      remove .venv and everything that was built"

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
		if "$$python" -c '$(NEW_ENOUGH)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "error: hwloop needs Python 3.11 or newer; $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>&1 || true). Try: make PYTHON=/path/to/python3.11" >&2; \
		exit 2; \
	fi; \
	if ! $(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null; then \
		echo "making $(VENV) with $$("$$found" --version)"; \
		"$$found" -m venv --clear $(VENV) || { echo "error: cannot make $(VENV); on Debian and Ubuntu install python3-venv" >&2; exit 2; }; \
	fi
	@echo "installing the pinned packages"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev,nas,cluster,onnx,gan,text]"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt --no-deps ofa
	@touch $@

install: $(STAMP)

demo: $(STAMP)
	@$(BIN)/hwloop demo

demo-ofa: $(STAMP)
	@$(BIN)/hwloop demo ofa

demo-gan: $(STAMP)
	@$(BIN)/hwloop demo gan

demo-lite-transformer: $(STAMP)
	@$(BIN)/hwloop demo lite-transformer

test: $(STAMP)
	@$(BIN)/python -m pytest

test-slow: $(STAMP)
	@$(BIN)/python -m pytest -m slow

lint: $(STAMP)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy

bench: $(STAMP)
	@$(BIN)/python -m pytest tests/bench -m bench --benchmark-enable --benchmark-only --benchmark-autosave -s

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .benchmarks .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
