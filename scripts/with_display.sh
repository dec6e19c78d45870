#!/usr/bin/env bash
# Runs a command with a display (one in memory when there is none) and with napari's
# settings in a folder that is thrown away: napari's test fixtures reset the real ones.
#
#   scripts/with_display.sh COMMAND ARGUMENT...
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export NAPARI_CONFIG="$scratch/napari.yaml"
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    mkdir -m 700 "$scratch/runtime"
    export XDG_RUNTIME_DIR="$scratch/runtime"
fi

# macOS and Windows have a display of their own.
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname -s)" != Linux ]; then
    "$@"
else
    QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
fi
