# What starts or proves something first brings the environment up to date; looking and stopping use what is there.
# `make PYTHON=python3.12 …` chooses the Python of the environment, which then stays.
PYTHON ?= python3
BIN := .venv/bin
STACK := $(BIN)/python -m scripts.stack

.DEFAULT_GOAL := help
.PHONY: help env installed up down status logs reset test check gates gates-of-python gates-of-sql bench fmt types generate lock

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

env: ## create or update .venv and node_modules
	@$(PYTHON) scripts/bootstrap.py $(if $(filter file,$(origin PYTHON)),,--with-this-python)

installed:
	@test -x $(BIN)/python || { echo "Nothing is installed here. Run 'make env' first." >&2; exit 1; }

up: env ## start the stack; GROUNDWORK_PORT and GROUNDWORK_STATE move it
	@$(STACK) up

down: installed ## stop it; data stays
	@$(STACK) down

status: installed ## what runs; fails unless everything does
	@$(STACK) status

logs: installed ## its logs; PART=edge for one, FOLLOW=1 to go on
	@$(STACK) logs $(PART) $(if $(FOLLOW),--follow)

reset: env ## drop its data and start afresh
	@$(STACK) reset

test: gates ## everything that proves the project
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

check: gates ## the quick half of it: static gates and the tests of the architecture
	$(BIN)/python -m pytest tests/architecture

gates: env
	@$(MAKE) --no-print-directory --jobs=2 gates-of-python gates-of-sql

gates-of-python:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	scripts/policies check

gates-of-sql:
	$(BIN)/squawk supabase/migrations/*.sql
	$(BIN)/sqlfluff lint --disable-progress-bar supabase

bench: env ## what the promises cost, against doing without; GROUP=audit for one
	$(BIN)/python -m scripts.bench $(GROUP) $(OPTIONS)

fmt: env ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

types: env ## generate the client types from the schema
	scripts/generate types

generate: env ## generate types, access contract and the table of ERRORS.md
	scripts/generate

lock: env ## pin what pyproject.toml and package.json ask for
	$(BIN)/uv pip compile pyproject.toml --quiet --group dev --universal --python-version 3.11 --generate-hashes -o requirements.lock
	$(BIN)/npm install --package-lock-only
