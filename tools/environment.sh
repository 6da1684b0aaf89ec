#!/bin/sh
# Makes the environment of the Makefile's targets in .venv: `demo` is what `saga demo` needs, `test` is everything. `wheel` makes a wheel.
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

can_make_environments() {
    "$1" -c 'import venv, ensurepip' 2>/dev/null
}

# Every program of this name that the PATH leads to, the first first.
everywhere() {
    case "$1" in */*) echo "$1" ;; *) echo "$PATH" | tr : '\n' | sed "s|\$|/$1|" ;; esac
}

# Prints how many microseconds a little work takes, the best of three.
slowness() {
    "$1" -c 'import timeit; print(int(1e6 * min(timeit.repeat("{str(n): n for n in range(3000)}", number=10, repeat=3))))'
}

# Sets $python to the quickest of this name that can make environments, if any can. Two of one version differ by their build: a Python
# compiled at home without --enable-optimizations is up to a fifth slower than the distribution's, in every test and every figure.
find_quickest() {
    least=
    for candidate in $(everywhere "$1"); do
        recent_enough "$candidate" || continue
        if ! can_make_environments "$candidate"; then
            without_venv="$candidate"
            continue
        fi
        took="$(slowness "$candidate")" || continue
        if [ -z "$least" ] || [ "$took" -lt "$least" ]; then
            python="$candidate" least="$took"
        fi
    done
}

# Sets $python: of the newest name that there is.
find_python() {
    python= without_venv=
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        find_quickest "$name"
        [ -z "$python" ] || return 0
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

# A wheel of this tree in dist/.
make_wheel() {
    rm -rf dist
    if command -v uv >/dev/null 2>&1; then
        uv build --quiet --wheel --out-dir dist
    else
        .venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
    fi
    ls dist/*.whl
}

if [ "$wanted" = wheel ]; then
    make_wheel
    exit 0
fi

make_venv
echo "saga: installing what make needs for '$wanted' into .venv (a minute the first time)" >&2
case "$wanted" in
    demo) install -e '.[demo]' ;;
    test) install -e '.[dev]' --group test ;;
    *) give_up "no such environment: $wanted" ;;
esac
[ "$wanted" = demo ] || touch .venv/.made-demo
touch ".venv/.made-$wanted"
