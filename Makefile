# make run    build the environment, run every notebook in order, print the comparison
# make test   lint, unit tests, some notebooks in a small way; SLOW=1 adds every one and the long runs
# make lab    open JupyterLab at the first notebook
# make predict CLIP=holiday.mp4 [OUT=folder] [VIDEO=1] [ADAPT=1]   what faces and voices display in a clip of yours
# make results   recompute the tables and figures of modeling/published/README.md, in seconds
# make reproduce EXPERIMENT=audio_yamnet DATA=/path/to/ravdess   train one published row again
#
# make demo    a page on this machine: give it a clip or a camera, see what is displayed
#
# make run CORPUS=ravdess DATA=/path/to/ravdess   another corpus
# make run ONLY=4                                 only the notebooks whose number begins with 4: voices
# make run P="EPOCHS=5 N_FRAMES=12"               other parameters
# make run FOLDS=all                              every fold, not the first alone
# make run JOBS=1                                 one notebook after the other, in less memory
# make run SCHEDULER=tcp://10.0.0.1:8786          clips (and folds) on a Dask cluster

PYTHON ?= python3
CORPUS ?= drawn
DATA ?=
ONLY ?=
P ?=
FOLDS ?=
SCHEDULER ?=
JOBS ?=
SLOW ?=
EXPERIMENT ?=
CLIP ?=
OUT ?=
VIDEO ?=
ADAPT ?=
BY ?= window
BIN = .venv/bin

.PHONY: run test lab predict results reproduce notebooks install install-dev

run: install
	@$(BIN)/python -m modeling.pipeline --corpus "$(CORPUS)" --data "$(DATA)" --only "$(ONLY)" --parameters "$(P)" \
		--folds "$(FOLDS)" $(if $(JOBS),--jobs $(JOBS)) --scheduler "$(SCHEDULER)"

test: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 $(if $(SLOW),,-m "not slow")

lab: install
	$(BIN)/jupyter lab preprocessing/10_corpus.ipynb

# CLIP may be a film, a recording, a picture, a folder or a URL.
predict: install
	@$(BIN)/python -m modeling.predict "$(CLIP)" --by "$(BY)" $(if $(OUT),--out "$(OUT)") $(if $(VIDEO),--video) $(if $(ADAPT),--adapt)

results: install
	@$(BIN)/python -m modeling.publishing.report

# With no EXPERIMENT it says which there are.
reproduce: install
	@$(BIN)/python -m modeling.publishing.experiments reproduce "$(EXPERIMENT)" --data "$(DATA)" --parameters "$(P)"

# Executes the notebooks themselves, on the embedded corpus, for committing.
notebooks: install
	@$(BIN)/python -m modeling.pipeline --only "$(ONLY)" --in-place

# Serves this machine alone; PORT=... takes another port.
.PHONY: demo install-demo
demo: PORT ?= 8765
demo: install-demo
	@$(BIN)/python -m modeling.predict.page --port "$(PORT)"

install: .venv/installed

install-dev: .venv/installed-dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; found " + sys.version.split()[0] + ". Use: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt requirements-demo.txt .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

install-demo: .venv/installed-demo

.venv/installed-demo: requirements-demo.txt .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-demo.txt
	@touch $@
