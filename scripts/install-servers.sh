#!/usr/bin/env bash
# Make sure that PostgreSQL's and Redis's servers are there for the tests; through apt where that is allowed.
# Where it is not, the tests that need them are skipped, and the run goes on.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "Not installed: ${missing[*]}. Install them with your system's package manager; their tests are skipped." >&2
    exit 0
fi
as_root=()
if [[ "$(id -u)" -ne 0 ]]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "Not installed, and installing needs root: sudo apt-get install ${missing[*]}. Their tests are skipped." >&2
        exit 0
    fi
    as_root=(sudo -n)
fi
echo "==> ${missing[*]}, through apt"
# The tests start servers of their own: no system service is wanted.
if ! { "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }; then
    echo "Installing ${missing[*]} failed; their tests are skipped." >&2
fi
