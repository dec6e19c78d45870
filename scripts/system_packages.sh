#!/usr/bin/env bash
# Sees to the system packages that pip cannot bring, on Debian and its relatives.
#
#   scripts/system_packages.sh python    what "python3 -m venv" needs
#   scripts/system_packages.sh window    the libraries of a Qt and OpenGL window
#   scripts/system_packages.sh xvfb      the same, and a display in memory for tests
#
# Installs what is missing when run as root, else prints the one line that does. Found
# on a minimal Debian 12 by hiding each library in turn: none of them can be left out.
set -euo pipefail

window=(libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libxkbcommon-x11-0
        libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0)

# Debian 13 and Ubuntu 24.04 renamed some libraries to ...t64.
is_installed() {
    local name
    for name in "$1" "$1t64"; do
        if dpkg-query -W -f='${Status}\n' "$name" 2>/dev/null | grep -q '^install ok'; then
            return 0
        fi
    done
    return 1
}

require() {
    local missing=() name
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "not a Debian system: taking for granted what it calls $*" >&2
        return 0
    fi
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "system packages are missing; install them, then run make again:" >&2
        echo "    sudo apt-get install --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
    echo "installing system packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

python_is_ready() {
    local python=${PYTHON:-python3}
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "Python 3.11 or later is needed, $python is $("$python" -V 2>&1):" \
             "say which with make PYTHON=..." >&2
        return 1
    fi
    # Debian splits ensurepip, without which no environment can be made, from python3.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        require python3-venv
        "$python" -c 'import ensurepip, venv'
    fi
}

case "${1:-}" in
    python) python_is_ready ;;
    window) require "${window[@]}" ;;
    xvfb) require xvfb xauth "${window[@]}" ;;
    *) echo "usage: $0 python|window|xvfb" >&2; exit 2 ;;
esac
