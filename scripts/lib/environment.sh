# The environment that the scripts run in: .venv in the checkout, made when it is missing or stale.
#
# Sourced by the scripts beside this folder, once they have set `root` to the checkout. What a part
# (runtime, test, fuzz) was installed from is kept in .venv/PART.stamp; equal content means ready, so
# a start with nothing to do compares files and needs neither Python nor the network.
# shellcheck shell=sh disable=SC2154 # `root` comes from the sourcing script

venv=$root/.venv
made=$venv/made-by-bindpost   # line 1: the checkout it belongs to; line 2: the PYTHON asked for
complete=$venv/complete       # absent while anything is changing: what lacks it is made anew

say() {
    printf 'bindpost: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# prepare PART...: have these parts of the environment ready, or end the script with the reason.
prepare() {
    if intact && ready "$@"; then return; fi
    find_python
    (
        cd "$root" && mkdir -p .cache && exec 9>.cache/set-up.lock || exit
        lock || exit
        if intact && ready "$@"; then exit; fi
        set_up "$@"
    ) || exit
}

# Whether .venv is complete, was made in this place, and with the Python that is now asked for.
# Virtual environments hold absolute paths: one that was moved or copied doesn't work.
intact() {
    [ -x "$venv/bin/python" ] && [ -e "$complete" ] && [ -r "$made" ] || return 1
    { IFS= read -r place && IFS= read -r asked; } <"$made" || return 1
    [ "$place" = "$root" ] && [ "${PYTHON:-$asked}" = "$asked" ]
}

ready() {
    for part; do
        recipe "$part" | cmp -s - "$venv/$part.stamp" || return 1
    done
}

recipe() {
    cat "$root/constraints/$1.txt" "$root/pyproject.toml"
}

# Set `python` to a Python that bindpost runs on, by the path of its real file: a link such as
# python3 may come to mean another version, and .venv would not notice.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11
    fi
    rejected=
    for candidate; do
        if python=$("$candidate" -c '
import os, sys
fits = sys.version_info >= (3, 11)
print(os.path.realpath(sys.executable) if fits else "%d.%d" % sys.version_info[:2])
sys.exit(not fits)' 2>/dev/null); then
            return
        fi
        rejected="$rejected, $candidate is ${python:-not there}"
    done
    fail "no Python 3.11 or newer: ${rejected#, }; install one, or name it: PYTHON=/path/to/python3"
}

# Take the lock on file descriptor 9. It belongs to the open file, which this shell shares with the
# Python that takes it, and ends when the shell and all that it started are gone, however they end.
lock() {
    "$python" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("bindpost: waiting for the set-up that another start is doing", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)'
}

set_up() {
    if [ -e "$venv/pyvenv.cfg" ] && [ ! -e "$made" ]; then
        fail "$venv was not made by these scripts: move it away or delete it, then start again"
    fi
    if intact; then
        say "bringing .venv up to date"
    else
        say "setting up .venv with $python, once; this takes a moment"
        make_environment
    fi
    rm -f "$complete"
    for part; do
        if ready "$part"; then continue; fi
        recipe "$part" >"$venv/$part.new"
        "install_$part"
        mv "$venv/$part.new" "$venv/$part.stamp"
    done
    : >"$complete"
}

make_environment() {
    rm -rf "$venv"
    mkdir "$venv" || exit
    printf '%s\n' "$root" "${PYTHON:-}" >"$made"
    if "$python" -m venv "$venv" >/dev/null 2>&1; then return; fi
    # Debian keeps ensurepip in a package of its own; its pip can fill the environment from outside.
    quietly "$python" -m venv --without-pip "$venv" && quietly pip --version ||
        fail "$python can make no virtual environment; on Debian and Ubuntu install python3-venv"
}

install_runtime() {
    # No wheel of uvloop fits every platform, and bindpost runs without it.
    rm -f "$venv/most.txt" "$venv/uvloop.txt"
    awk -v rest="$venv/most.txt" -v uvloop="$venv/uvloop.txt" '
        /^[^ #]/ { file = /^uvloop==/ ? uvloop : rest }
        file { print >file }' constraints/runtime.txt
    install --require-hashes -r "$venv/most.txt"
    install --no-build-isolation -e .
    # pip leaves that to the first start, which it would make twice as long.
    quietly "$venv/bin/python" -m compileall -q bindpost config proxy server
    if [ -e "$venv/uvloop.txt" ]; then
        pip install --no-deps --require-hashes --only-binary :all: -r "$venv/uvloop.txt" \
            >/dev/null 2>&1 || say "uvloop can't be had here; going on with asyncio's own loop"
    fi
}

install_test() {
    install --require-hashes -r constraints/test.txt
}

install_fuzz() {
    install --require-hashes --only-binary :all: -r constraints/fuzz.txt
}

# Everything needed is pinned, so pip has no dependency to look for.
install() {
    quietly pip install --no-deps "$@" || fail "pip could not install the dependencies (see above)"
}

pip() {
    if [ -x "$venv/bin/pip" ]; then
        "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
    else
        "$python" -m pip --disable-pip-version-check --no-input --python "$venv/bin/python" "$@"
    fi
}

# quietly COMMAND...: run it; what it prints is shown only if it fails.
quietly() {
    output=$("$@" 2>&1) && return
    printf '%s\n' "$output" >&2
    return 1
}
