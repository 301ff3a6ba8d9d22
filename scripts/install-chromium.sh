#!/usr/bin/env bash
# Make sure that a Chromium is there for the browser tests and the screenshots; through apt where that is allowed.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done

if command -v apt-get >/dev/null; then
    as_root=()
    if [[ "$(id -u)" -ne 0 ]]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            echo "Chromium is missing and installing it needs root: sudo apt-get install chromium" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
    echo "==> Chromium, through apt"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
    exit 0
fi

echo "Chromium is missing: install it with your system's package manager so that 'chromium' is on PATH." >&2
exit 1
