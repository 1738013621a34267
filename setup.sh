#!/bin/sh
# Installs polyrelay into .venv beside this file from the committed locks, then runs one of two things:
#   sh setup.sh demo [--once]   the sandbox vendor, the relay, and one streamed answer
#   sh setup.sh test [ARG ...]  every check and the whole test suite (ARGs go to pytest)
#   sh setup.sh install         nothing more
# Needs git and Python 3.11 or newer. Changes nothing outside this folder, but for Debian packages it says it installs.
set -eu
cd "$(dirname "$0")"

export UV_PYTHON_DOWNLOADS=never PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

# debian_packages NAME... installs Debian packages, or fails saying which command would.
debian_packages() {
    command -v apt-get >/dev/null 2>&1 || die "please install with your package manager: $*"
    say "installing Debian packages: $*"
    as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' sh "$@" >&2 </dev/null ||
        die "cannot; please run: sudo apt-get update && sudo apt-get install -y $*"
}

# speech_program installs espeak-ng, by which the sandbox's speech is spoken rather than beeped; tests pass without it.
speech_program() {
    command -v espeak-ng >/dev/null 2>&1 || (debian_packages espeak-ng) || say "going on without espeak-ng"
}

# missing_programs NAME... prints those not installed; each is also the name of its Debian package.
missing_programs() {
    for name in "$@"; do
        [ -x "/usr/sbin/$name" ] || command -v "$name" >/dev/null 2>&1 || printf '%s ' "$name"
    done
}

# postgresql_server installs Debian's PostgreSQL, whose programs the tests start. The package would make a database
# cluster of its own and start it, which nobody here needs.
postgresql_server() {
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [ ! -x "$initdb" ] || return 0
    done
    # shellcheck disable=SC2016  # root's shell expands it
    as_root sh -c '[ -e "$1" ] || { mkdir -p "${1%/*}" && echo "create_main_cluster = off" >"$1"; }' sh \
        /etc/postgresql-common/createcluster.conf || true
    debian_packages postgresql
}

# newest_python CONDITION prints the newest interpreter for which the Python expression CONDITION holds.
newest_python() {
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        path=$(command -v "$name") || continue
        "$path" -c "import sys, importlib.util as u; sys.exit(not (sys.version_info >= (3, 11) and $1))" 2>/dev/null ||
            continue
        printf '%s\n' "$path"
        return
    done
    return 1
}

make_venv() {
    .venv/bin/python -c 'import pip' 2>/dev/null && return
    can_venv='u.find_spec("venv") and u.find_spec("ensurepip")'
    if ! python=$(newest_python "$can_venv"); then
        newest_python True >/dev/null || die "Python 3.11 or newer is needed and was not found"
        system=$(newest_python True)
        version=$("$system" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        debian_packages "python$version-venv"
        python=$(newest_python "$can_venv") || die "$system still cannot make a virtual environment"
    fi
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

uv_install() {
    .venv/bin/uv pip install --quiet --python .venv/bin/python "$@"
}

# install LOCK installs uv, the locked dependencies and the project; does nothing when that is how things stand.
# The dev lock holds all of the run lock.
install() {
    state="$(cat setup.sh pyproject.toml requirements/*.lock | cksum) $(pwd)"
    make_venv
    for lock in "$1" dev; do
        [ "$(cat ".venv/installed-$lock" 2>/dev/null)" = "$state" ] && return
    done
    say "installing $1 dependencies"
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements/bootstrap.lock
    mirror=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$mirror" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$mirror}"
    uv_install --require-hashes -r "requirements/$1.lock"
    uv_install --no-deps --build-constraints requirements/build.lock -e .
    printf '%s' "$state" >".venv/installed-$1"
}

mode=${1:-demo}
[ $# -eq 0 ] || shift
case $mode in
demo)
    install run
    exec .venv/bin/polyrelay demo "$@"
    ;;
test)
    install dev
    missing=$(missing_programs nginx curl)
    # shellcheck disable=SC2086  # a list of words
    [ -z "$missing" ] || debian_packages $missing
    postgresql_server
    speech_program
    exec sh tools/check.sh "$@"
    ;;
install) install "${1:-run}" ;;
*) die "usage: sh setup.sh demo [--once] | test [ARG ...] | install [run|dev]" ;;
esac
