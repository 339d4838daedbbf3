# `make demo` and `make test` do all set-up themselves: python3 with venv, and make, are enough.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO_OUT ?= result/digits
# What may lose a result or leave a process behind: every branch of it is tested.
COVERED = config/placement config/safety core/fields core/scheduler core/state core/trials \
    store/directory store/journal store/journal_files run/attempts run/candidates run/control \
    run/endings run/notices run/reports run/stopping run/tuner run/verdict run/whereabouts visible
COVERED_ROOMS = runner preload executors/devices executors/files executors/local
COVERED_FILES = $(COVERED:%=autofinetune/%.py) $(COVERED_ROOMS:%=autofinetune/%/*.py)
COVERED_TESTS = tests/runner tests/preload tests/executors \
    $(wildcard $(foreach file,$(COVERED),tests/$(dir $(file))test_$(notdir $(file)).py))

# The versions that demo, test and CI install; `make lock` renews them.
LOCKS = requirements
WANTED = $(PYTHON) tools/requirements.py
COMPILE = $$uv/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
    --no-annotate --no-header --no-emit-index-url --only-binary :all: -
# Installed beside the lock of tests/strangers: its newest wheels bring gigabytes of CUDA with them.
TORCH = torch==2.13.0
# The oldest supported Python that is installed.
OLDEST_PYTHON ?= $(or $(shell for minor in 10 11 12 13; do \
    python3.$$minor -c '' 2>/dev/null && echo python3.$$minor && break; done),$(PYTHON))

.PHONY: demo demo-slurm demo-ray demo-text test test-latest test-oldest test-slow test-strangers test-integrations test-recipes test-cluster strangers-page lock coverage lint bench faults torture clean

demo: $(VENV)/.demo
	rm -rf $(DEMO_OUT)
	$(BIN)/autofinetune demo/digits/train.py --param_file=demo/digits/hparam.yaml \
	    --gpu=cpu:2 --popsize=5 --round=10 --output_dir=$(DEMO_OUT) --seed=0

# The same on a Slurm cluster of two nodes, which lives as long as the command.
demo-slurm: $(VENV)/.demo
	rm -rf result/digits_slurm
	$(BIN)/python tools/mini_slurm.py \
	    $(BIN)/autofinetune demo/digits/train.py --param_file=demo/digits/hparam.yaml \
	    --executor=slurm --sbatch="--gres=gpu:1" --max_parallel=2 --popsize=5 --round=3 \
	    --output_dir=result/digits_slurm --seed=0

# The same on a Ray cluster of two nodes, which share no files with it where there are the rights.
demo-ray: $(VENV)/.demo
	rm -rf result/digits_ray
	MINI_RAY_PYTHON=$$($(PYTHON) tools/environment.py $(LOCKS)/ray.txt)/bin/python \
	    $(BIN)/python tools/mini_ray.py \
	    $(BIN)/autofinetune demo/digits/train.py --param_file=demo/digits/hparam.yaml \
	    --executor=ray:{address} --ray_python={python} --gpu=cpu --popsize=5 --round=3 \
	    --output_dir=result/digits_ray --seed=0

demo-text: $(VENV)/.demo
	rm -rf result/text
	$(BIN)/autofinetune demo/text_classification/train.py \
	    --param_file=demo/text_classification/hparam.yaml \
	    --gpu=cpu:2 --popsize=4 --round=3 --output_dir=result/text --seed=0 max_seq_len 64

# Compiled first: where Python may not write bytecode, each of the many processes would do it.
test: lint
	$(BIN)/python -m compileall -q autofinetune benchmarks tests
	$(BIN)/pytest

coverage: $(VENV)/.dev
	$(BIN)/pytest -m "not cluster" --cov --cov-branch --cov-report= $(COVERED_TESTS)
	$(BIN)/coverage report --show-missing --fail-under=100 \
	    --include="$$(echo $(COVERED_FILES) | tr ' ' ,)"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.throughput busy --trials=60 --slots=2
	$(BIN)/python -m benchmarks.startup

$(VENV)/.demo: $(LOCKS)/demo.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: $(LOCKS)/dev.txt $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	touch $@

# uv resolves for all Pythons at once; installing needs pip alone.
lock:
	uv=$$($(PYTHON) tools/environment.py $(LOCKS)/uv.txt) && \
	$(WANTED) demo | $(COMPILE) --upgrade -o $(LOCKS)/demo.txt && \
	$(WANTED) dev | $(COMPILE) --upgrade --constraint $(LOCKS)/demo.txt -o $(LOCKS)/dev.txt && \
	$(WANTED) dev | $(COMPILE) --upgrade --resolution lowest-direct -o $(LOCKS)/oldest.txt && \
	($(WANTED) demo; cat $(LOCKS)/strangers.in) | $(COMPILE) --upgrade \
	    --no-binary antlr4-python3-runtime --override $(LOCKS)/strangers.without \
	    -o $(LOCKS)/strangers.txt && \
	($(WANTED) demo; cat $(LOCKS)/recipes.in) | $(COMPILE) --upgrade \
	    --no-binary emoji --no-binary wget --override $(LOCKS)/strangers.without \
	    -o $(LOCKS)/recipes.txt && \
	($(WANTED) demo; cat $(LOCKS)/cluster.in) | $(COMPILE) --upgrade -o $(LOCKS)/cluster.txt && \
	($(WANTED) demo; echo "ray[client]") | $(COMPILE) --upgrade --constraint $(LOCKS)/demo.txt \
	    -o $(LOCKS)/ray.txt && \
	echo uv | $(COMPILE) --upgrade -o $(LOCKS)/uv.txt

# The tests with the newest versions that setup.cfg allows, on $(PYTHON).
test-latest:
	mkdir -p build
	uv=$$($(PYTHON) tools/environment.py $(LOCKS)/uv.txt) && \
	$(WANTED) dev | $(COMPILE) --upgrade -o build/latest.txt
	$(call test-with,$(PYTHON),build/latest.txt)

# The tests with the oldest versions that setup.cfg allows, on the oldest Python that is installed.
test-oldest:
	$(call test-with,$(OLDEST_PYTHON),$(LOCKS)/oldest.txt)

# The tests in an environment of their own: a Python, a lock file, the options of pytest.
test-with = environment=$$($(1) tools/environment.py $(2)) && \
    AUTOFINETUNE_SOURCE=$(CURDIR) $$environment/bin/pytest $(3)

# Scripts for other tools, run with their libraries (3 GB below ~/.cache/autofinetune).
test-strangers: $(VENV)/.dev
	$(BIN)/python -m compileall -q autofinetune
	python=$$($(PYTHON) tools/environment.py $(LOCKS)/strangers.txt $(TORCH))/bin/python && \
	STRANGERS_PYTHON=$$python $(BIN)/pytest tests/strangers

# What `--log_to` writes, read back with the libraries of each tool, in the same environment, and
# what users of those libraries import.
test-integrations: $(VENV)/.dev
	$(BIN)/python -m compileall -q autofinetune
	python=$$($(PYTHON) tools/environment.py $(LOCKS)/strangers.txt $(TORCH))/bin/python && \
	STRANGERS_PYTHON=$$python $(BIN)/pytest tests/sinks_with_libraries && \
	WITH_LIBRARIES=1 AUTOFINETUNE_SOURCE=$(CURDIR) $$python -m pytest tests/integration

# Data recipes, by the real Data-Juicer, which has an environment of its own (2 GB).
test-recipes: $(VENV)/.dev
	$(BIN)/python -m compileall -q autofinetune
	python=$$($(PYTHON) tools/environment.py $(LOCKS)/recipes.txt $(TORCH))/bin/python && \
	WITH_LIBRARIES=1 AUTOFINETUNE_SOURCE=$(CURDIR) $$python -m pytest tests/recipe_with_library

# Real clusters on this machine, where their packages are installed (Debian: slurmctld, slurmd,
# slurm-client, munge); Ray comes from a lock file, as does the S3 server that `--store` is tried on.
test-cluster: $(VENV)/.dev
	$(BIN)/python -m compileall -q autofinetune tests
	python=$$($(PYTHON) tools/environment.py $(LOCKS)/cluster.txt)/bin/python && \
	AUTOFINETUNE_SOURCE=$(CURDIR) $$python -m pytest tests/store_with_s3
	MINI_RAY_PYTHON=$$($(PYTHON) tools/environment.py $(LOCKS)/ray.txt)/bin/python \
	    $(BIN)/pytest -m "cluster and not slow" --numprocesses=2

# As test-strangers, and docs/strangers.md anew.
strangers-page: $(VENV)/.dev
	python=$$($(PYTHON) tools/environment.py $(LOCKS)/strangers.txt $(TORCH))/bin/python && \
	STRANGERS_JSON=docs/strangers.json STRANGERS_PYTHON=$$python $(BIN)/pytest tests/strangers
	$(BIN)/python tools/strangers_page.py docs/strangers.json docs/strangers.md

# Faults of whole runs: kills, power cuts, broken files and others, as many of each as a change must
# pass; pages in a browser; figures over many seeds.
test-slow: $(VENV)/.dev
	$(BIN)/python -m compileall -q autofinetune benchmarks tests
	$(BIN)/pytest -m "slow and not cluster"

faults: $(VENV)/.dev
	$(BIN)/pytest -m slow tests/faults

torture: $(VENV)/.dev
	MINI_RAY_PYTHON=$$($(PYTHON) tools/environment.py $(LOCKS)/ray.txt)/bin/python \
	    $(BIN)/python -m benchmarks.torture --jobs=2 \
	    --json=docs/reliability.json --markdown=docs/reliability.md

clean:
	rm -rf $(VENV) result build *.egg-info
