# Two commands: `make study` and `make test`. `make help` lists the rest.
STUDY ?= demo
THREADS ?= 1
JOBS ?= 0
PROFILE ?= default
PORT ?= 8000
PYTHON ?=

KERAS_BACKEND ?= tensorflow
VENV := .venv$(if $(filter-out tensorflow,$(KERAS_BACKEND)),-$(KERAS_BACKEND))
BIN := $(VENV)/bin/python
RRR := $(VENV)/bin/rrr
READY := $(VENV)/.ready
ifeq ($(filter-out 0 -%,$(THREADS)),)
$(error THREADS must be a whole number of at least 1, but is '$(THREADS)')
endif
LAUNCH = --jobs $(JOBS) --threads $(THREADS) --profile "$(PROFILE)"

# What libraries read to learn how many threads they may use; one each, so that results do not depend on the machine.
export RRR_THREADS = $(THREADS)
export OMP_NUM_THREADS = $(THREADS)
export OPENBLAS_NUM_THREADS = $(THREADS)
export MKL_NUM_THREADS = $(THREADS)
export TF_NUM_INTRAOP_THREADS = $(THREADS)
export TF_NUM_INTEROP_THREADS = $(THREADS)
export KERAS_BACKEND
export TF_CPP_MIN_LOG_LEVEL := 3
export PYTHONHASHSEED := 0

# A file of tests, or a notebook, to each of JOBS processes; in the order of collection, which has the longest first.
SPREAD = $(if $(filter-out 1,$(JOBS)),-n $(if $(filter 0,$(JOBS)),auto,$(JOBS)) --dist loadfile --no-loadscope-reorder)
PHASE = sh workflow/phase.sh
IN_SMOKE = notebooks/01-masking.ipynb notebooks/02-fine-tuning.ipynb notebooks/03-scoring.ipynb

# The unit tests of what a Keras backend computes. XLA takes minutes to compile VGG16 for a processor.
ON_BACKENDS = engine/backends engine/losses_of_gradients engine/passes explainers/grad_cam explainers/occlusion explainers/lime explainers/incremental \
	networks/stack networks/network training/frozen_activations training/fit
TOO_LARGE = not vgg16 and not whole_passes

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help study test check test-backends plan book serve lab notebooks lint lock publish bench bench-quick bench-page bench-peers bench-designs bench-precision bench-intervals relatives torture bits recompute viewer validate venv clean

help: ## this list
	@echo "make study            run the study '$(STUDY)' and build its book; goes on where it was stopped"
	@echo "make test             lint, unit tests, a smoke study, the notebooks, the book: everything is checked"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1|\2/p' Makefile | grep -v '^study|\|^test|' | while IFS='|' read -r name what; do printf 'make %-16s %s\n' "$$name" "$$what"; done
	@echo
	@echo "Variables: STUDY=demo (a file, or the name of one in studies/), JOBS=2 (notebooks at once; 0: one a core), THREADS=1 (of each),"
	@echo "PROFILE=default (of workflow/profiles), KERAS_BACKEND=jax, PYTHON=python3.12, RRR_DATA_DIR (real data), RRR_RUNS (where runs go)"

study: $(READY) ## run a study and build its book
	@$(RRR) study run "$(STUDY)" $(LAUNCH)
	@$(RRR) study book "$(STUDY)"

# A job of the smoke study that has a notebook's defaults is that notebook executed; the others are executed beside its runs.
test: $(READY) ## check everything
	@rm -rf build/phases build/nbval && mkdir -p build/nbval
	@$(PHASE) "Lint" $(MAKE) --no-print-directory lint
	@$(PHASE) "Unit tests" $(BIN) -m pytest tests $(SPREAD)
	@$(PHASE) "The smoke study" $(RRR) study run studies/smoke.yaml $(LAUNCH)
	@$(PHASE) "The notebooks that the smoke study executed: their outputs are compared" $(BIN) -m rrr_utils.study.compared_outputs studies/smoke.yaml $(IN_SMOKE)
	@cp -R "$(or $(RRR_RUNS),runs)/smoke" build/nbval/smoke
	@$(PHASE) "The other notebooks: their outputs are computed again and compared" env RRR_RUNS="$(CURDIR)/build/nbval" TQDM_DISABLE=1 $(BIN) -m pytest --nbval --nbval-current-env --nbval-cell-timeout 900 $(SPREAD) $(filter-out $(IN_SMOKE),$(wildcard notebooks/*.ipynb)) $(wildcard book/*.ipynb)
	@$(PHASE) "The book: every warning is an error" $(RRR) study book
	@$(PHASE) done
	@echo "All tests passed."

check: $(READY) lint ## the inner loop: lint and the fast unit tests
	@echo "== Fast unit tests"
	$(BIN) -m pytest tests -m "not slow" -q $(SPREAD)

test-backends: .venv-jax/.ready ## unit tests with Keras on JAX, in .venv-jax; its maps and losses against TensorFlow's
	KERAS_BACKEND=jax .venv-jax/bin/python -m pytest -m "not slow" -k "$(TOO_LARGE)" $(foreach each,$(ON_BACKENDS),tests/$(dir $(each))test_$(notdir $(each)).py)

plan: $(READY) ## the jobs of a study, what is done, and what the rest costs
	@$(RRR) study plan "$(STUDY)" $(LAUNCH)

book: $(READY) ## build the book as it is committed
	@$(RRR) study book

serve: book ## build the book and show it at http://localhost:8000 (PORT)
	@echo "The book is at http://localhost:$(PORT); stop with Ctrl-C."
	@$(BIN) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lab: $(READY) ## open the notebooks in JupyterLab
	$(BIN) -m jupyterlab notebooks

notebooks: $(READY) ## execute the notebooks in place, in order, with their defaults
	@$(RRR) study notebooks

# Both cores, unless THREADS says otherwise.
bench bench-quick: THREADS = 2

bench: bench-peers ## time the quick ways beside the plain ones and their rivals; most of an hour, on a quiet machine (ONLY="text")
	$(BIN) benchmarks/run.py $(if $(ONLY),--only "$(ONLY)")
	@$(MAKE) --no-print-directory bench-page

bench-quick: bench-peers ## the rows of the benchmark that take less than five minutes together
	$(BIN) benchmarks/run.py --quick

bench-page: $(READY) ## draw the book's page from the results of the benchmark that are there; seconds
	@$(BIN) benchmarks/page.py

bench-peers: .venv-bench/.ready ## the rivals whose pins clash, in an environment of their own (2.8 GB)

# Without a network the rows that need it stand as not run.
.venv-bench/.ready: benchmarks/peers.txt | $(READY)
	@rm -rf .venv-bench && $(BIN) -m venv .venv-bench
	@echo "== Installing the rivals of benchmarks/peers.txt into .venv-bench (about 2.8 GB)"
	@if .venv-bench/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/peers.txt; then touch $@; \
		else rm -rf .venv-bench; echo "They could not be installed; rows that need them will stand as not run."; fi

relatives: bench-peers ## score the same maps with Quantus, and draw the book's page of it; seconds
	.venv-bench/bin/python benchmarks/relatives.py
	@$(BIN) benchmarks/page.py book/relatives.ipynb

bench-designs: $(READY) ## measure LIME's designs of perturbations; needs RRR_DATA_DIR and hours, goes on where it was stopped
	$(BIN) benchmarks/lime_designs.py

bench-precision: $(READY) ## compare LIME's scores in bfloat16 with float32; needs a run of study cpu, half an hour, goes on where it was stopped
	$(BIN) benchmarks/lime_precision.py

bench-intervals: $(READY) ## simulate how often the intervals of the paper's claims hold the truth; ten minutes
	$(BIN) benchmarks/interval_coverage.py

torture: $(READY) ## kill the smoke study at random (COUNT=60, MINUTES=60), and compare what it ends with to the bit
	@$(BIN) benchmarks/torture.py kills --count "$(or $(COUNT),60)" --minutes "$(or $(MINUTES),60)"

bits: $(READY) ## change one bit of each kind of file that is read, cut, delete and exchange it, and list what was noticed
	@$(BIN) benchmarks/torture.py bits

lint: $(READY) ## style, types and what imports what
	@echo "== Style, types and what imports what"
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m mypy
	$(VENV)/bin/lint-imports --no-logo

lock: $(READY) ## resolve requirements.in into requirements.lock
	@PYTHON="$(PYTHON)" sh workflow/setup.sh lock

publish: $(READY) ## copy a study's executed notebooks and tables to where the committed book reads them
	@$(RRR) study publish "$(STUDY)"

recompute: $(READY) ## compute one row of a published table again (STUDY, TABLE, ROW, PLAN=yes); list them, without TABLE
	@$(RRR) study recompute "$(STUDY)" $(if $(TABLE),"$(TABLE)") $(if $(ROW),--row "$(ROW)") $(if $(filter yes,$(PLAN)),--plan)

viewer: $(READY) ## draw the book's viewer from the run of a study (STUDY=viewer); needs RRR_DATA_DIR
	$(RRR) study viewer "$(if $(filter file,$(origin STUDY)),viewer,$(STUDY))" --out book/published/viewer/viewer.html

validate: $(READY) ## compute every notebook and page again and say which outputs were compared
	@$(RRR) study validate

venv: $(READY) ## make .venv with the locked packages

clean: ## delete what was built; runs and .venv stay
	rm -rf _build build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@echo "Runs are in runs/, packages in .venv: delete these folders by hand if you want to."

.venv/.ready: requirements.lock pyproject.toml workflow/setup.sh
	@PYTHON="$(PYTHON)" sh workflow/setup.sh
	@touch $@

.venv-%/.ready: .venv/.ready requirements-%.txt
	@sh workflow/setup.sh backend $*
	@touch $@
