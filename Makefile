PYTHON ?= .venv/bin/python

.PHONY: venv qa format test torture fuzz fuzz-native bench wheel wheels ci clean
venv: ; python3.11 -m venv .venv && $(PYTHON) -m pip install -e ".[test,train,peers,dev]"
qa: ; $(PYTHON) -m ruff check && $(PYTHON) -m ruff format --check && $(PYTHON) -m mypy && $(dir $(PYTHON))lint-imports
format: ; $(PYTHON) -m ruff check --fix && $(PYTHON) -m ruff format
test: ; $(dir $(PYTHON))pytest
torture: ; PYTHONPATH=tests $(PYTHON) -m torture --report docs/reliability.md
fuzz: ; PYTHONPATH=tests $(PYTHON) -m fuzz --seconds 600
fuzz-native: ; PYTHONPATH=tests $(PYTHON) -m fuzz.native --seconds 600
bench: ; $(dir $(PYTHON))sarcodec bench --quick -o runs/bench -f
wheel: ; $(PYTHON) -m pip wheel --no-deps -w dist .
wheels: ; for target in linux-x86_64 linux-aarch64 macos-arm64 windows-x86_64 any; do \
	SARCODEC_TARGET=$$target env -u CC $(PYTHON) -m hatchling build -t wheel -d dist || exit 1; done
ci: ; .ci/run
clean: ; rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
