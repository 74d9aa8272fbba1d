# `make repro` builds the default experiment, `make test` runs the test suite; both set up .venv first.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export DVC_NO_ANALYTICS ?= 1
BENCHMARKS := noop build open_store dvc_files launch epoch augmented_epoch consistency score tracking compare memory prepare_rows image_costs ddp few_labels validation_size

.PHONY: repro test test-services lint format bench setup lock

repro: setup
	dvc repro
	@sprout result

test: setup
	pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# Builds, trains and reads with real services on this machine: MLflow on PostgreSQL, S3, Optuna's dashboard.
test-services: setup
	pytest --numprocesses 2 --dist loadfile tests/services

lint: setup
	ruff format --check .
	ruff check .
	mypy

format: setup
	ruff format .
	ruff check --fix .

bench: setup
	for name in $(BENCHMARKS); do python -m benchmarks.$$name || exit 1; done
	python -m benchmarks.epoch --batch 32
	for store in absent error slow; do python -m benchmarks.tracking --store $$store || exit 1; done
	$(if $(FASHION),python -m benchmarks.calibration --fashion $(FASHION),@echo 'calibration: skipped, as the sweeps')
	$(if $(FASHION),python -m benchmarks.label_issues $(FASHION),@echo 'label_issues: skipped, as the sweeps')
	$(if $(FASHION),for name in sweep_overhead sweep_pruning; do python -m benchmarks.$$name download.mirror=$(FASHION) || exit 1; done,@echo 'sweep_overhead, sweep_pruning: skipped; to run them: make bench FASHION=/path/to/fashion-mnist (the official files)')
	$(if $(IMAGES),python -m benchmarks.decode $(IMAGES),@echo 'decode: skipped; to run it: make bench IMAGES=cifar10.tar.xz (or a folder of images)')

setup: .venv/ready

# The file is written last, so that an interrupted set-up is repeated.
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sprout needs Python 3.11 or newer; found " + sys.version.split()[0] + " (select another with PYTHON=...)")'
	test -x .venv/bin/pip || $(PYTHON) -m venv --clear .venv
	@echo 'setup 1 of 3: uv, which installs the rest'
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@echo 'setup 2 of 3: the packages of requirements.lock, about 6 GB with CUDA; uv names each as it comes'
	.venv/bin/uv pip install --compile-bytecode --require-hashes --requirement requirements.lock
	@echo 'setup 3 of 3: sprout itself'
	.venv/bin/uv pip install --no-deps --no-build-isolation --editable .
	touch $@

lock: setup
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --group dev pyproject.toml --output-file requirements.lock
