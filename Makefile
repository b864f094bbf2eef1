# The same commands as dev.py, for those who type make. `make help` lists them.
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help run test lint bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## the whole product on this machine, against a simulated Microsoft cloud (ARGS="--port 7072")
	@$(PYTHON) dev.py run $(ARGS)

test: ## the tests (ARGS="tests/store -x" goes to pytest)
	@$(PYTHON) dev.py test $(ARGS)

lint: ## ruff and mypy
	@$(PYTHON) dev.py lint

bench: ## a benchmark (ARGS="<name> ..."); without ARGS their names
	@$(PYTHON) dev.py bench $(ARGS)

clean: ## remove packages, caches and local state
	@$(PYTHON) dev.py clean
