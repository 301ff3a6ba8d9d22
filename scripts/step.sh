#!/usr/bin/env bash
# Run a command whose own output is of no interest: say what is done, that it still goes on, and how long it took.
# What the command wrote is shown only if it fails. Usage: step.sh TEXT COMMAND…
set -euo pipefail

text="$1"
shift
echo "==> $text"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
"$@" >"$log" 2>&1 &
command=$!
trap 'kill "$command" 2>/dev/null; rm -f "$log"' INT TERM
while kill -0 "$command" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS > 0 && SECONDS % 5 == 0 && SECONDS != ${said:-0})); then
        said=$SECONDS
        echo "    $text: $SECONDS s"
    fi
done
if ! wait "$command"; then
    cat "$log" >&2
    echo "$text failed; what went wrong is above." >&2
    exit 1
fi
