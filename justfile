# Recipes call the tools of .venv; `just install` makes it.
set shell := ["sh", "-eu", "-c"]

# Lists the recipes.
default:
    @just --list --unsorted

# Installs everything for development from the locks.
install:
    sh setup.sh install dev

# The sandbox vendor, the relay, and one streamed answer.
demo *args:
    sh setup.sh demo {{args}}

# What CI runs: every check, then the whole suite.
check *args:
    sh tools/check.sh {{args}}

# Tests only: `just test tests/unit -k sse`.
test *args:
    .venv/bin/python -m pytest -n 2 -q {{args}}

# Formats the code and repairs what ruff can.
fmt:
    .venv/bin/ruff check --fix . && .venv/bin/ruff format .

# Sizes, nesting and the other rules of style, with their percentiles.
tidy:
    .venv/bin/python tools/tidy.py

# Writes docs/configuration.md anew from the settings' own docstrings.
settings-page:
    .venv/bin/python tools/settings_page.py

# Resolves the dependencies anew: `just lock --upgrade`.
lock *args:
    sh tools/lock.sh {{args}}

# Side-by-side benchmark with nginx and the installable peers, into bench/RESULTS.md.
bench *args:
    bash bench/setup.sh && .venv/bin/python bench/run.py {{args}}

# Removes the environment and every cache.
clean:
    rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# kill -9 a relay under load again and again, then prove the books: `just crash --kills 50 --database postgresql`
crash *args:
    cd tests && ../.venv/bin/python -m crash {{args}}
