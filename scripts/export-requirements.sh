#!/usr/bin/env bash
# Print the full lock as a requirements file: pip install --no-deps -r requirements.txt
# Usage: export-requirements.sh UV
set -euo pipefail

echo "# Made by 'make lock' from uv.lock. Install with: pip install --no-deps -r requirements.txt"
echo "# (--no-deps, since label-studio-ml 1.0.9 asks for a Flask of 2020; uv.lock overrides that, pip cannot.)"
"$1" export --frozen --quiet --no-emit-project --all-extras --no-dev --no-header --format requirements-txt
