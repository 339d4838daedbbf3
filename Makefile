# `make demo` and `make test` do all set-up themselves: python3 with venv, and make, are enough.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO_OUT ?= result/digits
# What may lose a result or leave a process behind: every branch of it is tested.
COVERED = attempts directory endings fields journal notices nvml placement safety scheduler state stopping trials \
    tuner verdict visible whereabouts
COVERED_FILES = $(COVERED:%=autofinetune/%.py) autofinetune/runner/*.py \
    $(patsubst %,autofinetune/executors/%.py,card_memory cards devices forks hand_over lease local records reports slots)

.PHONY: demo demo-text test coverage lint bench faults torture clean

demo: $(VENV)/.demo
	rm -rf $(DEMO_OUT)
	$(BIN)/autofinetune demo/digits/train.py --param_file=demo/digits/hparam.yaml \
	    --gpu=cpu:2 --popsize=5 --round=10 --output_dir=$(DEMO_OUT) --seed=0

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
	$(BIN)/pytest --cov --cov-branch --cov-report= tests/runner tests/executors $(wildcard $(COVERED:%=tests/test_%.py))
	$(BIN)/coverage report --show-missing --fail-under=100 \
	    --include="$$(echo $(COVERED_FILES) | tr ' ' ,)"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.throughput busy --trials=60 --slots=2
	$(BIN)/python -m benchmarks.startup

$(VENV)/.demo: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.dev: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.demo

faults: $(VENV)/.dev
	$(BIN)/pytest tests/faults

torture: $(VENV)/.dev
	$(BIN)/python -m benchmarks.torture --jobs=2 \
	    --json=docs/reliability.json --markdown=docs/reliability.md

clean:
	rm -rf $(VENV) result build *.egg-info
