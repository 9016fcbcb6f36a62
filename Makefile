# Shortcuts for contributors; CONTRIBUTING.md describes them. Every target but `setup` and `lock`
# uses the environment in .venv.

PYTHON ?= python3
BIN := .venv/bin
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
	--no-annotate --generate-hashes --custom-compile-command "make lock"
PINNED = $(COMPILE) --constraint constraints.txt

.PHONY: help setup check fast coverage e2e bench campaign console docs wheel lock upgrade

help: ## List the targets
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: ## Make .venv with everything that development needs, at pinned versions with hashes
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install --require-hashes -r requirements/dev.txt
	$(PYTHON) -m pip --python $(BIN)/python install --no-deps --no-build-isolation -e .

check: ## Run the linters, the type checker and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: ## Run the unit tests
	$(BIN)/python -m pytest tests/unit

coverage: ## Run the unit tests and check the coverage floor
	$(BIN)/coverage run -m pytest tests/unit
	$(BIN)/coverage report --skip-covered

e2e: ## Run the tests that start the product and use real clients
	$(BIN)/python -m pytest tests/e2e

bench: ## Run one benchmark: make bench NAME=searching
	$(BIN)/python -m tests.bench.$(or $(NAME),searching)

campaign: ## Attack the product at random: make campaign MINUTES=10
	$(BIN)/python -m tests.campaign --minutes $(or $(MINUTES),2)

console: ## Build the console's files again after its sources in console/ have changed; needs Node
	cd console && npm ci --ignore-scripts --no-audit --no-fund && npm run check && npm run build

docs: ## Build the documentation site into site/; broken links are errors
	$(BIN)/mkdocs build --strict

wheel: ## Build the source distribution and the wheel into dist/
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/pip install --require-hashes -r requirements/release.txt
	.venv-release/bin/python -m build --no-isolation
	.venv-release/bin/twine check --strict dist/*

lock: ## Write constraints.txt and requirements/*.txt again after pyproject.toml has changed
	$(COMPILE) --all-extras --group build --no-header pyproject.toml -o constraints.txt
	$(PINNED) --extra local --group build pyproject.toml -o requirements/local.txt
	$(PINNED) --extra test --group build pyproject.toml -o requirements/test.txt
	$(PINNED) --extra infra --group build pyproject.toml -o requirements/infra.txt
	$(PINNED) --extra dev --group build pyproject.toml -o requirements/dev.txt
	$(COMPILE) --group release --group build -o requirements/release.txt
	$(COMPILE) --group sam -o requirements/sam.txt
	$(COMPILE) --group emulator -o requirements/emulator.txt

upgrade: ## The same as lock, but with the newest versions that pyproject.toml allows
	$(MAKE) lock COMPILE='$(COMPILE) --upgrade'
