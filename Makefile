# Two commands matter: `make run` and `make test`. Each first installs what is missing (scripts/setup.sh).

.DEFAULT_GOAL := help
.PHONY: help run demo up test setup lint check e2e steady compose-test picture audit fmt docs clean
# One build at a time: parallel ones would only wait for each other's lock.
.NOTPARALLEL:

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# Tools that scripts/setup.sh builds, such as cargo-deny.
export PATH := $(TARGET)/tools/bin:$(PATH)

# More arguments for server or demo: make run ARGS="--host 0.0.0.0 --port 9091"
ARGS ?=

# Where Label Studio is installed.
VENV := $(or $(LABEL_STUDIO_VENV),.venv)

# Without the second tensor library, which is a third of a first build's time: tests compare the first one with it.
LEAN := --no-default-features

# Together with the tests that need it: alone it would have its libraries compiled once more, with fewer features.
WEBCAM := cargo build --locked -p weathervane -p webcam --bin webcam --test e2e

# Images for the demo in place of the simulated webcam's: make demo DATA=photos
DATA ?=

# And their classes: make demo DATA=photos CLASSES="robin,wren,other"; without, folders photos/CLASS, or it asks
CLASSES ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Set up, build and start the server on http://127.0.0.1:9090, data in ./data
	@scripts/setup.sh build
	cargo build --release --locked $(LEAN)
	$(TARGET)/release/weathervane serve $(ARGS)

demo: ## Try it all: a Label Studio, a simulated webcam or the images of DATA=DIR, and this server
	@scripts/setup.sh demo
	@scripts/label-studio-for-tests.sh database >/dev/null & installing=$$!; \
	cargo build --release --locked $(LEAN) -p weathervane -p webcam; built=$$?; \
	wait $$installing && exit $$built
	$(TARGET)/release/weathervane demo --label-studio-program '$(VENV)/bin/label-studio' \
		--label-studio-database "$$(scripts/label-studio-for-tests.sh database)" \
		$(if $(DATA),--images '$(DATA)') $(if $(CLASSES),--classes '$(CLASSES)') $(ARGS)

# Before version 2 compose asks for BuildKit only where it is told to.
up: ## Start Label Studio, PostgreSQL and this server in containers, settings in .env
	@scripts/compose-env.sh
	DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 \
		$$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) up --detach --build

test: setup lint check e2e compose-test ## Set up and run everything: lint, all tests on both databases, a real Label Studio

setup:
	@scripts/setup.sh test

lint: ## Formatting, clippy, documentation, licences; warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	cargo deny --locked check licenses bans sources

check: ## Unit, integration, architecture, documentation tests; storage on SQLite and PostgreSQL
	WEATHERVANE_REQUIRE_POSTGRES=1 scripts/postgres-for-tests.sh with cargo test --locked

e2e: ## The tests against a real Label Studio, which is installed into .venv, and a real browser
	$(WEBCAM)
	WEATHERVANE_REQUIRE_LABEL_STUDIO=1 WEATHERVANE_REQUIRE_BROWSER=1 \
		scripts/label-studio-for-tests.sh with cargo test --locked --test e2e -- --nocapture

steady: ## Five people who label without pause, on a Label Studio that answers us late: two minutes a run, with figures
	$(WEBCAM)
	WEATHERVANE_STEADY_SECONDS=120 WEATHERVANE_REQUIRE_LABEL_STUDIO=1 WEATHERVANE_REQUIRE_BROWSER=1 \
		scripts/label-studio-for-tests.sh with cargo test --locked --test e2e steady:: -- --nocapture

compose-test: ## docker-compose.yml in an engine of its own, where this runs as root on Debian
	$(WEBCAM)
	scripts/compose-for-tests.sh with $(TARGET)/debug/weathervane tests/compose/compose.py

picture: ## Take the README's pictures: the demo in Label Studio and on the dashboard, in a real browser
	$(WEBCAM)
	WEATHERVANE_PICTURES=$(CURDIR)/docs WEATHERVANE_REQUIRE_BROWSER=1 \
		scripts/label-studio-for-tests.sh with cargo test --locked --test e2e simulated_year -- --nocapture

audit: ## Known vulnerabilities of dependencies; downloads the RustSec database
	@scripts/setup.sh audit
	cargo deny --locked check advisories

fmt: ## Format the sources
	cargo fmt --all

docs: ## Build the crate's documentation
	cargo doc --locked --no-deps

clean: ## Remove what was built; data and .venv stay
	cargo clean
