# Two commands are all that a new machine needs: `make demo` and `make test`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help demo test soak bench check format docs clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## Train a real PPO policy on EUR/USD, explain it, and watch it; q ends it.
	$(BIN)/fxwatch demo

test: $(READY)  ## Run all tests, on two cores.
	$(BIN)/pytest --numprocesses 2 --dist loadfile

soak: $(READY)  ## Run the long tests: bursts, kills, 10,000 checkpoints, 165,000 odd inputs, deliberate mistakes; their figures are in docs/reliability.md.
	$(BIN)/pytest -m soak --timeout 3600 -s

bench: $(READY)  ## Measure speed beside Captum and SHAP, memory, latency, growth: half an hour on an idle machine.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	for one in floor guide_config against_captum against_shap memory latency stages growth cluster; do \
		echo "== $$one"; $(BIN)/python -m benchmarks.$$one || exit 1; done

check: $(READY)  ## Lint, types, import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright --project tests/typing --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(READY)  ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch comes first and alone: the version that is pinned for the machine at hand, before anything asks for another
$(READY): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,distributed,export,serve,wandb]' --group test --group check
	touch $@

docs: $(READY)  ## Write docs/reference.md and config.toml from the program, and the site into site/.
	$(BIN)/python docs/write_reference.py
	$(BIN)/mkdocs build --strict --quiet

clean:  ## Remove what was installed and cached.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis site
