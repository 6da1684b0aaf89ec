# Everything a newcomer or the CI runs. Each target makes its own environment in .venv first: only Python >= 3.11, make and git are
# needed. The environments are marked by stamps that are newer than pyproject.toml, so a second run does not look again.

# Much of a test is waiting for real parts: four at a time keep two cores busy. They share one Kafka, and each has a PostgreSQL of its own.
WORKERS ?= 4
# Files are handed out in this order: those that take long first, and the many short ones fill what is left at the end.
SUITES := $(wildcard tests/integration tests/contract tests/simulation tests/unit)
# A worker that a hanging test ends is not replaced: where it was at its last file, the run would wait for its successor for ever.
AT_ONCE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --one-kafka

# Each of the four workers, and each of the hundreds of processes that tests start, would else rewrite and compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

# PYTHON=python3.13 names the Python of .venv. One of another Python is made anew, whatever its stamps say.
export PYTHON
OTHER_PYTHON := $(if $(PYTHON),$(if $(shell PYTHON='$(PYTHON)' tools/environment.sh is-of-another),other-python))

# JSON=FILE keeps what a benchmark found.
KEPT := $(if $(JSON),--json '$(JSON)')

.PHONY: help other-python demo wheel docs test coverage test-e2e test-console test-first-day test-apicurio test-go-mutants bench bench-peers bench-short bench-docs bench-growth bench-console bench-schedules screenshots lint types env jaeger compiled payment-go kafka-classes

help:
	@echo "make demo       twenty orders through the whole system, embedded; some seconds"
	@echo "make wheel      a wheel in dist/, for projects of your own"
	@echo "make docs       the docs as a site, with the reference of the API, in site/"
	@echo "make test       all tests but e2e and the console, on a real Kafka, PostgreSQL and Jaeger; some minutes"
	@echo "make coverage   the same tests, and how much of each folder they have run; best on Python 3.12 or newer"
	@echo "make test-e2e   whole processes, killed in the middle of the work; some minutes"
	@echo "make test-console  the console in the system's Chromium, over whole processes; some minutes"
	@echo "make test-first-day   docs/first-day.md, typed from a fresh clone; some minutes"
	@echo "make test-apicurio   a real Apicurio as the schema registry, from Maven; a minute"
	@echo "make test-go-mutants  what the check of participants finds in payment-go with a mistake; some minutes"
	@echo "make bench      the coordinator beside the least that the same saga can cost; twenty minutes"
	@echo "make bench-peers  the same with DTM and Restate beside it; half an hour, and some minutes more the first time"
	@echo "make bench-short  two cells of it, with generous limits; two minutes"
	@echo "make bench-docs the tables and plots of docs/performance.md, from benchmarks/performance.json"
	@echo "make bench-growth  what it costs at rest, and as sagas, steps and instances grow; half an hour"
	@echo "make bench-console  the console's pages over 110,000 sagas; some minutes"
	@echo "make bench-schedules  10,000 schedules at rest, and a tick beside a start; some minutes"
	@echo "make screenshots  the pictures of the docs, from a running system; some minutes"
	@echo "make lint       ruff, the import layers, the sizes of files and functions"
	@echo "make types      mypy, strict"
	@echo "make env        only the environment, in .venv; PYTHON=python3.13 names its Python, here and with every other target"
	@echo "make jaeger     the Jaeger of the tests, built once a machine and cached; about 4 minutes on two cores"
	@echo "make payment-go the demo's payment in Go, of examples/payment-go, built once a version of it and cached; about a minute"

demo: .venv/.made-demo
	@.venv/bin/saga demo

wheel: .venv/.made-demo
	@tools/environment.sh wheel

docs: .venv/.made-docs
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

test: .venv/.made-test jaeger payment-go compiled kafka-classes
	.venv/bin/python -m pytest --nothing-skipped $(AT_ONCE) $(SUITES)

# Apart from `test`: coverage's tracer costs most of the time again before Python 3.12, whose monitoring is what sysmon uses.
coverage: .venv/.made-test jaeger payment-go compiled kafka-classes
	COVERAGE_CORE=sysmon .venv/bin/python -m pytest --nothing-skipped $(AT_ONCE) --cov --cov-report= $(SUITES)
	@.venv/bin/python tools/coverage_by_package.py

# In two groups side by side: what keeps two cores busy, one test after the other, and what mostly waits. All say at the end what they saw.
test-e2e: .venv/.made-test jaeger compiled kafka-classes
	.venv/bin/python -m pytest --nothing-skipped --timeout 1800 -n 2 --dist loadgroup --max-worker-restart 0 -raP tests/e2e

# Apart from `test`: it needs a Chromium, which comes with the system and not by pip. One system serves all: one file after the other.
test-console: .venv/.made-test compiled kafka-classes
	.venv/bin/python -m pytest --nothing-skipped tests/console

test-first-day: .venv/.made-test
	.venv/bin/python -m pytest --nothing-skipped --timeout 1800 -s tests/first_day

# Apart from `test`: 160 MB come from Maven, once.
test-apicurio: .venv/.made-test
	.venv/bin/python -m pytest --nothing-skipped tests/apicurio

# Apart from `test`: each mutant is a program to build, and a participant to start.
test-go-mutants: .venv/.made-test
	.venv/bin/python -m pytest --nothing-skipped tests/go_mutants

bench: .venv/.made-test compiled
	.venv/bin/python benchmarks/bench.py $(KEPT)

# Apart from `bench`: the peers' programs come from elsewhere, and are built or installed once, before the run.
bench-peers: .venv/.made-test compiled
	@cd benchmarks && ../.venv/bin/python -m peers.programs
	.venv/bin/python benchmarks/bench.py --peers $(KEPT)

bench-short: .venv/.made-test compiled
	.venv/bin/python benchmarks/bench.py --short $(KEPT)

bench-docs: .venv/.made-test
	.venv/bin/python tools/generate_docs.py

bench-growth: .venv/.made-test compiled
	.venv/bin/python benchmarks/growth.py

bench-console: .venv/.made-test compiled kafka-classes
	.venv/bin/python benchmarks/console_pages.py $(KEPT)

bench-schedules: .venv/.made-test compiled
	.venv/bin/python benchmarks/schedules.py $(KEPT)

screenshots: .venv/.made-test compiled kafka-classes
	.venv/bin/python tools/screenshots.py

lint: .venv/.made-test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/lint-imports
	.venv/bin/python tools/check_sizes.py

types: .venv/.made-test
	.venv/bin/mypy

env: .venv/.made-test

# Before the tests, so that its minutes are not theirs. Done when the program is in the user's cache.
jaeger: .venv/.made-test
	@[ -n "$$SAGA_TEST_JAEGER" ] || .venv/bin/saga dev jaeger --build-only

# Likewise. Tests that run before it is there build it themselves.
payment-go: .venv/.made-test
	@cd tests && ../.venv/bin/python -m support.payment_go

# Before the processes of the tests start, side by side.
compiled: .venv/.made-test
	@.venv/bin/python -m compileall -q schemas messaging coordinator participants

# Likewise, in ten seconds, once an environment: some twenty Kafkas of the tests start with half of the CPU then.
kafka-classes: .venv/.made-test
	@[ -e .venv/kafka-classes.aot ] || (cd tests && ../.venv/bin/python -m support.kafka_classes)

.venv/.made-%: pyproject.toml tools/environment.sh $(OTHER_PYTHON)
	@tools/environment.sh $*
