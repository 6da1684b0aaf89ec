#!/bin/sh
# Makes the environment of the Makefile's targets in .venv: `demo` is what `saga demo` needs, `test` is everything.
# By uv where it is installed, else by the venv module and pip of a Python >= 3.11. Ends with a stamp that make compares with pyproject.toml.
set -eu
wanted="$1"
cd "$(dirname "$0")/.."

give_up() {
    echo "saga: $1" >&2
    exit 1
}

recent_enough() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Sets $python: one that can make environments, if any can.
find_python() {
    python= without_venv=
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        recent_enough "$candidate" || continue
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            python="$candidate"
            return
        fi
        without_venv="$candidate"
    done
    [ -z "$without_venv" ] && give_up "no Python >= 3.11 found (looked for python3.13, python3.12, python3.11, python3; PYTHON=... names another)"
    package="$("$without_venv" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    give_up "$without_venv has no venv module: install your system's package for it first, on Debian and Ubuntu $package (or python3-venv)"
}

make_venv() {
    if .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        return
    fi
    rm -rf .venv
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python '>=3.11' .venv
    else
        find_python
        "$python" -m venv .venv
    fi
}

# Installs with uv or pip, whichever is there; pip learns --group (PEP 735) in 25.1.
install() {
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python .venv/bin/python "$@"
    else
        .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
        pip="$(.venv/bin/python -c 'import importlib.metadata as m; print("%d%02d" % tuple(map(int, m.version("pip").split(".")[:2])))')"
        [ "$pip" -ge 2501 ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
        .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
    fi
}

make_venv
echo "saga: installing what make needs for '$wanted' into .venv (a minute the first time)" >&2
case "$wanted" in
    demo) install -e '.[demo]' ;;
    test) install -e '.[dev]' --group test ;;
    *) give_up "no such environment: $wanted" ;;
esac
[ "$wanted" = demo ] || touch .venv/.made-demo
touch ".venv/.made-$wanted"
