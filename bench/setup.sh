#!/usr/bin/env bash
# Installs what bench/run.py measures against, into bench/.cache (git-ignored): each peer in a place of its own, at a pinned version.
# Safe to run again: a peer that is already there is left alone. Versions may be overridden from the environment.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="$here/.cache"
tensorzero_version="${TENSORZERO_VERSION:-2026.6.0}"
litellm_version="${LITELLM_VERSION:-1.106.2}"
portkey_version="${PORTKEY_VERSION:-1.15.2}"
mkdir -p "$cache"

debian_tools() {
  local missing=()
  command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
  command -v wrk >/dev/null || missing+=(wrk)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  [ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)
  [ "${#missing[@]}" -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing: ${missing[*]}; run as root, or: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# The distribution's own interpreter where it is recent enough, for every Python contender alike: one that somebody compiled
# without profile-guided optimisation, as version managers do, is slower.
distribution_python() {
  /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo /usr/bin/python3 || echo python3
}

# python_peer FOLDER PACKAGE...: a virtual environment holding one peer. The stamp is written last, so a half install is redone.
python_peer() {
  local python folder="$cache/$1"
  python="$(distribution_python)"
  local wanted="$python ${*:2}"
  [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$folder"
  if command -v uv >/dev/null; then
    uv venv -q --no-python-downloads --python "$python" "$folder"
    uv pip install -q --python "$folder/bin/python" "${@:2}"
  else
    "$python" -m venv "$folder"
    "$folder/bin/pip" install -q "${@:2}"
  fi
  echo "$wanted" >"$folder/installed"
}

# Portkey's published bundle answers every stream with 500 (TypeError: immutable) under newer releases of its own server
# library, which its version range lets in; the override is the newest that works.
portkey_peer() {
  local folder="$cache/portkey" wanted="@portkey-ai/gateway@$portkey_version"
  [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$folder"
  mkdir -p "$folder"
  printf '{"private":true,"dependencies":{"@portkey-ai/gateway":"%s"},"overrides":{"@hono/node-server":"1.13.8"}}\n' \
    "$portkey_version" >"$folder/package.json"
  (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund)
  echo "$wanted" >"$folder/installed"
}

polyrelay_itself() {
  local python folder="$cache/polyrelay"
  python="$(distribution_python)"
  "$here/../.venv/bin/uv" venv -q --allow-existing --no-python-downloads --python "$python" "$folder"
  "$here/../.venv/bin/uv" pip sync -q --python "$folder/bin/python" --require-hashes "$here/../requirements/run.lock"
  echo "$here/../src" >"$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/polyrelay.pth"
}

debian_tools
polyrelay_itself
gcc -O2 -Wall -Wextra -o "$cache/pacer" "$here/load/pacer.c" -lssl -lcrypto
python_peer tensorzero "tensorzero==$tensorzero_version"
python_peer litellm "litellm[proxy]==$litellm_version"
portkey_peer
python_peer profiler py-spy==0.4.3
echo "peers are ready in $cache"
