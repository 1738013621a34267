#!/bin/sh
# Every check of the project, in order, each run even when an earlier one failed; pytest comes last.
# Called by `sh setup.sh test` (and so by .ci/run) and by `just check`. Arguments go to pytest.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH:/usr/sbin"
export PATH
unset PYTHONDONTWRITEBYTECODE # tests start hundreds of processes, which need not compile everything anew

failed=
check() {
    title=$1
    shift
    printf '\n== %s\n' "$title"
    "$@" || failed="$failed $title"
}

check ruff ruff check .
check format ruff format --check .
check layers lint-imports
check tidy python tools/tidy.py
check mypy mypy
check pyright pyright
check pytest python -m pytest -n 2 --dist worksteal -q "$@"

if [ -n "$failed" ]; then
    printf '\nfailed:%s\n' "$failed" >&2
    exit 1
fi
