# make demo: set up, then the main job on synthetic films.  make test: set up, then every check.
# make bench-peers: an environment with the libraries that experiments.benchmark compares with.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

PEERS := build/peers

.PHONY: demo test browser lint format bench-peers clean

demo: $(READY)
	$(BIN)/python -m experiments.demo --output_dir=build/demo

test: $(READY) browser lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The report's pages and charts are looked at in a real browser.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; } \
		|| { echo 'make test needs Debian'"'"'s packages chromium and chromium-driver: install them as root.' >&2; exit 1; }

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# One virtual environment with the library, the programs and what the tests need, made anew when the pins change.
$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade 'pip>=24'
	$(BIN)/python -m pip install -qq --editable '.[test]'
	touch $@

bench-peers: $(PEERS)/.ready

$(PEERS)/.ready: experiments/benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -qq --upgrade 'pip>=24'
	$(PEERS)/bin/python -m pip install -qq --requirement experiments/benchmarks/peers.txt
	touch $@

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
