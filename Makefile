# `make` lists what there is. Every target sets up .venv itself: with uv when it is installed,
# with venv and pip otherwise. Settings come from the environment or from a file called .env.

-include .env
export

USE_CASES ?= titanic iris aurora housing
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
LOCKED := titanic iris aurora housing

# uv reads none of pip's settings. Where they name a folder of wheels, it holds what fits this
# machine better than the registry's: of torch, a build without CUDA.
ifndef UV_FIND_LINKS
UV_FIND_LINKS := $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null)
endif

.DEFAULT_GOAL := help
.PHONY: help daily whisper apps serve test test-whisper lint environments format lock bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

daily: $(VENV)/.daily ## run the day of each use case (USE_CASES="titanic iris") on the embedded project
	@$(RUN) -m fti daily $(USE_CASES)

whisper: .venv-whisper ## train a small Whisper on WHISPER_SOURCE (otherwise on generated speech), and use it
	@.venv-whisper/bin/python -m whisper --source $${WHISPER_SOURCE:-sample}

apps: $(VENV)/.whisper-apps ## serve all web apps at one address, http://127.0.0.1:7860
	PYTHONPATH=. $(RUN) spaces/hub/app.py

serve: $(VENV)/.server ## serve the embedded project to the real Hopsworks client, on this machine
	$(RUN) -m fti serve

test: $(VENV)/.dev .venv-hopsworks ## run the tests, those of the real Hopsworks client in its own environment
	$(RUN) -m pytest -n auto --dist worksteal

test-whisper: .venv-whisper/.tested ## run the tests that train Whisper, in its own environment with torch
	.venv-whisper/bin/python -m pytest -n auto --dist worksteal tests/whisper/training

lint: $(VENV)/.dev ## check style and formatting
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

environments: $(VENV)/.dev ## install each requirements file into an empty environment and import what runs there
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(RUN) .ci/environments

format: $(VENV)/.dev ## write the code as lint wants it
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: $(VENV)/.dev .venv-hopsworks .venv-whisper ## measure what the README claims
	$(RUN) benchmarks/embedded_store.py
	$(RUN) benchmarks/daily_run.py
	$(RUN) benchmarks/daily_run.py --use-case iris
	$(RUN) benchmarks/daily_run.py --use-case aurora
	$(RUN) benchmarks/titanic_model.py
	$(RUN) benchmarks/iris_model.py
	$(RUN) benchmarks/aurora_model.py --source $${AURORA_SOURCE:-sample}
	$(RUN) benchmarks/aurora_labels.py
	$(RUN) benchmarks/housing.py --source $${HOUSING_SOURCE:-sample}
	$(RUN) benchmarks/housing_scale.py
	$(RUN) benchmarks/apps.py
	.venv-whisper/bin/python benchmarks/whisper_features.py
	.venv-whisper/bin/python benchmarks/whisper_training.py
	.venv-whisper/bin/python benchmarks/whisper_inference.py
	$(RUN) benchmarks/hopsworks_faces.py --client-python .venv-hopsworks/bin/python

# Without --upgrade the compiler keeps the pins it finds, so an unchanged pyproject.toml gives
# unchanged files. Every file agrees with dev.txt on the versions they share, but for AutoGluon's,
# which caps pyarrow lower.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	$(UPGRADE) pyproject.toml

lock: ## write requirements/*.txt from pyproject.toml (UPGRADE=--upgrade for newer versions)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv"; exit 1; }
	$(COMPILE) --group embedded $(LOCKED:%=--group %) --group whisper --group whisper-apps \
		--group modal --group server --group test -o requirements/dev.txt
	$(COMPILE) -c requirements/dev.txt --group embedded $(LOCKED:%=--group %) \
		-o requirements/daily.txt
	$(COMPILE) -c requirements/dev.txt --group modal -o requirements/modal.txt
	$(COMPILE) -c requirements/dev.txt --group embedded --group server -o requirements/server.txt
	$(COMPILE) -c requirements/dev.txt --group hopsworks $(LOCKED:%=--group %) \
		-o requirements/hopsworks-client.txt
	@for group in $(LOCKED) apps whisper whisper-apps whisper-training; do \
		$(COMPILE) -c requirements/dev.txt --group embedded --group $$group \
			-o requirements/$$group.txt && \
		$(COMPILE) -c requirements/dev.txt -c requirements/hopsworks-client.txt \
			--group hopsworks --group $$group \
			-o requirements/$$group-hopsworks.txt || exit 1; \
	done
	$(COMPILE) --group embedded --group housing-automl -o requirements/housing-automl.txt

clean: ## remove the environment and caches; the project in .fti stays
	rm -rf $(VENV) .venv-hopsworks .venv-whisper build .pytest_cache .ruff_cache .hypothesis

# One environment serves all targets but `environments`: dev.txt holds daily.txt and the tools, at the same versions.
$(VENV)/.%: requirements/%.txt
	@$(MAKE) --no-print-directory $(RUN)
ifdef UV
	@echo "Installing $< with uv"
	@$(UV) pip install --quiet --python $(RUN) -r $<
else
	@echo "Installing $< with pip"
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(RUN) -m ensurepip >/dev/null
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r $<
endif
	@touch $@

# The real client brings a module that clashes with the embedded store's.
.venv-hopsworks: requirements/hopsworks-client.txt
	@echo "Installing $< into $@"
ifdef UV
	@$(UV) venv --quiet --clear --python '>=3.11,<3.15' $@
	@$(UV) pip install --quiet --python $@ -r $<
else
	@$(PYTHON) -m venv --clear $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check -r $<
endif
	@touch $@

.venv-whisper: requirements/whisper-training.txt
	@echo "Installing $< into $@"
ifdef UV
	@$(UV) venv --quiet --clear --seed --python '>=3.11,<3.15' $@
	@$(UV) pip install --quiet --python $@ -r $<
else
	@$(PYTHON) -m venv --clear $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check -r $<
endif
	@touch $@

.venv-whisper/.tested: requirements/dev.txt requirements/modal.txt .venv-whisper
	@.venv-whisper/bin/python -m pip install --quiet --disable-pip-version-check -c $< \
		-r requirements/modal.txt hypothesis psutil pytest pytest-timeout pytest-xdist
	@touch $@

$(RUN):
ifdef UV
	@$(UV) venv --quiet --python '>=3.11,<3.15' $(VENV)
else
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: name it with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
endif
