#!/bin/sh
# Writes requirements/*.lock anew with the uv of .venv. Arguments go to uv (`--upgrade`, `--upgrade-package NAME`).
# The locks carry versions and hashes but no address, so they work with any mirror; see docs/adr/0001.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv

lock() {
    file=requirements/$1.lock
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --output-file "$file" "$@"
}

lock bootstrap "$@" requirements/bootstrap.in
lock build "$@" requirements/build.in
lock run "$@" pyproject.toml
lock dev "$@" --constraints requirements/run.lock --group dev pyproject.toml
