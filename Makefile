# The two commands of a newcomer are `make run` and `make test`.
VENV ?= .venv
PYTHON ?= python3
STAMP = $(VENV)/.installed
DATA ?= mailhub-lab

.PHONY: run test lint soak clean

$(STAMP): setup.cfg pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	@# Twisted finds plugins along sys.path, where an editable install does not put the checkout.
	@$(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' | \
	    (read site && echo "$(CURDIR)" > "$$site/mailhub-checkout.pth")
	touch $(STAMP)

run: $(STAMP)
	$(VENV)/bin/mailhub lab --data $(DATA)

test: $(STAMP)
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(VENV)/bin/ruff check mailhub twisted tests
	$(VENV)/bin/ruff format --check mailhub twisted tests
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# Kills servers 200 times and lets every disk operation fail in every way: minutes. Says at the end what it counted.
soak: $(STAMP)
	MAILHUB_SOAK=1 $(VENV)/bin/python -m pytest -s tests/maildir/test_crash.py tests/maildir/test_two_servers.py \
	    tests/maildir/test_killed.py

clean:
	rm -rf $(VENV) build dist *.egg-info
