#!/usr/bin/env bash
# Print the path of a Python 3.11 or 3.12 that really runs (a version manager's shim may exist and refuse).
# Usage: find-python.sh [INTERPRETER]
set -euo pipefail

probe='import sys; print(sys.executable) if (3, 11) <= sys.version_info[:2] <= (3, 12) else sys.exit(1)'

if [[ -n "${1:-}" ]]; then
    if ! "$1" -c "$probe" 2>/dev/null; then
        echo "PYTHON=$1 is not a Python 3.11 or 3.12 that runs: name another, or leave PYTHON out." >&2
        exit 1
    fi
    exit 0
fi

for candidate in python3.11 python3.12 python3 python; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "$probe" 2>/dev/null; then
        exit 0
    fi
done

echo "Python 3.11 or 3.12 is needed and neither was found on PATH: install one, or name it: make PYTHON=/path/to/python3.12 …" >&2
exit 1
