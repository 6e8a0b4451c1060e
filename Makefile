# make demo: set up, then the main job on synthetic films.  make test: set up, then every check.
# make bench-peers: an environment with the libraries that experiments.benchmark compares with.
# make kserve: an environment with KServe, for experiments/serving/kserve_server.py.
# make fuzz MINUTES=30: hostile input into every reader of outside bytes; findings in build/fuzz.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

PEERS := build/peers
KSERVE := build/kserve
MINUTES ?= 30

.PHONY: demo test debian lint format fuzz bench-peers kserve clean

demo: $(READY)
	$(BIN)/python -m experiments.demo --output_dir=build/demo

test: $(READY) debian lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# What the tests use beside Python: a browser that looks at the reports, a PACS, validators of DICOM objects.
PROGRAMS := chromium chromedriver Orthanc dciodvfy dcmp2pgm
PLUGIN := /usr/share/orthanc/plugins/libOrthancDicomWeb.so
PACKAGES := chromium chromium-driver orthanc orthanc-dicomweb dicom3tools dcmtk
debian:
	@{ (for program in $(PROGRAMS); do command -v $$program >/dev/null || exit 1; done) && test -e $(PLUGIN); } \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(PACKAGES); } \
		|| { echo 'make test needs Debian'"'"'s packages $(PACKAGES): install them as root.' >&2; exit 1; }

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

fuzz: $(READY)
	$(BIN)/python -m pip install -qq --editable '.[test,fuzz]'
	$(BIN)/python tests/fuzz --minutes=$(MINUTES)

bench-peers: $(PEERS)/.ready

$(PEERS)/.ready: experiments/benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -qq --upgrade 'pip>=24'
	$(PEERS)/bin/python -m pip install -qq --requirement experiments/benchmarks/peers.txt
	touch $@

kserve: $(KSERVE)/.ready

$(KSERVE)/.ready: experiments/serving/kserve.txt
	$(PYTHON) -m venv $(KSERVE)
	$(KSERVE)/bin/python -m pip install -qq --upgrade 'pip>=24'
	$(KSERVE)/bin/python -m pip install -qq --requirement experiments/serving/kserve.txt
	touch $@

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
