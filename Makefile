# The two commands: `make rehearse` and `make test`. Both set up .venv once, from the locked requirements.
PYTHON ?= python3
BIN := .venv/bin
SCHOOLS ?= all
CYCLE ?= 2012-01

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GX_ANALYTICS_ENABLED := false

# Which parts of the benchmark: speed, engine, register, growth, exceptions, pages; all where none is named.
PART ?=

# How all is handed over that `make crash` plays: folders, sftp, soap.
VIA ?= folders

# How long `make fuzz` takes, in seconds.
SECONDS ?= 120

.PHONY: ways letters states rehearse test long engine screenshots properties crash fuzz bench bench-guard bench-guard-write check lint format types lock clean

.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Several cycles, one after the other on one data root, in which learners grow older, leave and join: CYCLE="2011-09 2012-01 2013-01".
rehearse: .venv/ready
	@for cycle in $(CYCLE); do echo "$(BIN)/uln rehearse --cycle $$cycle --schools $(SCHOOLS)"; $(BIN)/uln rehearse --cycle $$cycle --schools $(SCHOOLS) || exit; done

# A rehearsal by each way, in data roots below build/ways, and whether all end in the same snapshots: twenty-five minutes for all
# Wales. Needs Debian's openssh-server.
WAYS := files sftp s3 soap
ways: .venv/ready
	@for way in $(WAYS); do rm -rf build/ways/$$way; echo "uln rehearse --via $$way"; $(BIN)/uln rehearse --via $$way --schools $(SCHOOLS) --data build/ways/$$way || exit; done
	$(BIN)/python -m tests.support.same_snapshots build/ways $(WAYS)

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not engine and not long"

# Whole censuses played through many faults, runs killed and made up for, flows on the engine: ten minutes.
long: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "long and not engine"

# Microsoft's stand-in for Azure's storage, on which tests/unit/io/test_folders_over_objects.py puts; newer ones need a newer node than
# Debian's.
AZURITE := build/azurite/3.35.0

$(AZURITE):
	npm install --prefix build/azurite --no-save --no-package-lock --no-audit --no-fund --loglevel=error azurite@$(notdir $@)
	@touch $@

# Real servers, workers, PostgreSQL and Chromium: twenty minutes. Needs Debian's postgresql, chromium, nodejs and npm, as .ci/run
# installs them.
engine: .venv/ready $(AZURITE)
	$(BIN)/python -m pytest -m engine --durations=10

# The pictures in the docs, of synthetic runs: Prefect's pages and those of a cycle; needs what `make engine` needs.
screenshots: .venv/ready
	$(BIN)/python -m tests.engine.screenshots
	$(BIN)/python -m tests.pages.screenshots

# Fifty times as many examples of whatever may come in as the everyday tests take.
properties: .venv/ready
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/hostile/test_any_input.py

# Coverage-guided fuzzing of what reads others' files; failing inputs are left in build/fuzz/failures.
fuzz: .venv/ready
	$(BIN)/python -m tests.fuzz $(SECONDS)

# All Wales, a country twenty times its size and a register of 13 million: half an hour and more, some 6 GB under build/bench.
bench: .venv/ready
	$(BIN)/python -m tests.bench $(PART)

# What CI runs: have the stages become dearer by more than a quarter than tests/bench/guard.json says?
bench-guard: .venv/ready
	$(BIN)/python -m tests.bench.guard

bench-guard-write: .venv/ready
	$(BIN)/python -m tests.bench.guard --write --rounds 9

# What each letter becomes in the form for the LRS, from the code, into docs/letters.md.
letters: .venv/ready
	$(BIN)/python -m tests.docs.letters

# The picture of a batch's states, from the table of allowed moves, into docs/reference/batch-states.md.
states: .venv/ready
	$(BIN)/python -m tests.docs.batch_states

check: lint format types

lint: .venv/ready
	$(BIN)/ruff check .

format: .venv/ready
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

# Needs uv; leaves no index address in the files.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate --quiet -o requirements/run.txt
	uv pip compile pyproject.toml --extra machines --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate --quiet -o requirements/machines.txt
	uv pip compile pyproject.toml --extra ways --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate --quiet -o requirements/ways.txt
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate --quiet -o requirements/dev.txt

# Runs of the service killed, torn and left without disk at every point where they change the data root, or with VIA=sftp the
# folders on another machine, with VIA=soap the LRS by its web service: an hour and a half.
crash: .venv/ready
	$(BIN)/python -m tests.crash --via $(VIA)

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
