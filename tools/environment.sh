#!/bin/sh
# Makes the environment of the Makefile's targets in .venv: `demo` is what `saga demo` needs, `test` is what tests and linters
# need, `docs` is what the site needs. `wheel` makes a wheel, `is-of-another` says yes if .venv is of another Python than PYTHON names.
# By uv where it is installed, else by the venv module and pip of a Python >= 3.11. Ends with a stamp that make compares with pyproject.toml.
set -eu
wanted="$1"
cd "$(dirname "$0")/.."

give_up() {
    echo "saga: $1" >&2
    exit 1
}

# Prints the program that a name runs in a folder, if it is a Python >= 3.11.
recent_python() {
    (cd "$2" && "$1" -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)') 2>/dev/null
}

# Says which installation a Python is of; nothing if it cannot run.
installation_of() {
    "$1" -c 'import sys; print(sys.base_prefix, sys.version)' 2>/dev/null
}

# Sets $python to the first that can make environments: the one that PYTHON names and no other, else the newest of those below.
# A name that does not run (a pyenv shim of a version that is not selected) is passed over. They are asked in the root folder as well:
# there our .python-version selects nothing, so a pyenv that lacks that version offers its own choice.
find_python() {
    names="python3.14 python3.13 python3.12 python3.11 python3"
    without_venv=
    for folder in . /; do
        for name in ${PYTHON:-$names}; do
            python="$(recent_python "$name" "$folder")" || continue
            ! "$python" -c 'import venv, ensurepip' 2>/dev/null || return 0
            without_venv="${without_venv:-$python}"
        done
    done
    if [ -n "$without_venv" ]; then
        package="$("$without_venv" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        give_up "$without_venv has no venv module: install your system's package for it first, on Debian and Ubuntu $package (or python3-venv)"
    fi
    [ -z "${PYTHON:-}" ] || give_up "PYTHON=$PYTHON is no Python >= 3.11 that runs"
    give_up "no Python >= 3.11 found (looked for $(echo "$names" | sed 's/ /, /g'); PYTHON=... names another)"
}

# Whether .venv is of another Python than PYTHON names.
is_of_another() {
    [ -n "${PYTHON:-}" ] || return 1
    named="$PYTHON"
    ! command -v uv >/dev/null 2>&1 || named="$(uv python find "$PYTHON" 2>/dev/null)" || named="$PYTHON"
    [ "$(installation_of .venv/bin/python)" != "$(installation_of "$named")" ]
}

make_venv() {
    if recent_python .venv/bin/python . >/dev/null && ! is_of_another; then
        return
    fi
    if command -v uv >/dev/null 2>&1; then
        rm -rf .venv
        uv venv --quiet --python "${PYTHON:->=3.11}" .venv
    else
        find_python
        rm -rf .venv
        "$python" -m venv .venv
    fi
}

# Installs with uv or pip, whichever is there; pip learns --group (PEP 735) in 25.1.
install() {
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --compile-bytecode --python .venv/bin/python "$@"
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

case "$wanted" in
    wheel)
        make_wheel
        exit
        ;;
    is-of-another)
        ! is_of_another || echo yes
        exit
        ;;
esac

make_venv
echo "saga: installing what make needs for '$wanted' into .venv (a minute the first time)" >&2
case "$wanted" in
    demo) install -e '.[demo]' ;;
    test)
        install -e '.[dev]' --group test
        touch .venv/.made-demo
        ;;
    docs) install --group docs ;;
    *) give_up "no such environment: $wanted" ;;
esac
touch ".venv/.made-$wanted"
