#!/bin/sh
# Make .venv with exactly the packages of requirements.lock, and this project in it; with the argument `lock`, resolve
# requirements.in into requirements.lock; with `backend jax`, make .venv-jax, which has JAX in TensorFlow's place.
# Started by `make`, in the project's folder. $PYTHON chooses the interpreter.
set -eu

suits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11, 4) <= sys.version_info[:3] < (3, 14))' 2>/dev/null
}

# pip's own settings (an index, a folder of packages) hold for uv as well.
option() {
    "$bin" -m pip config list 2>/dev/null | sed -n "s/^[^.]*\(:env:\)\{0,1\}\.$1='\(.*\)'\$/\2/p" | tail -n 1
}

set_uv() {
    eval "value=\${$1:-}"
    if [ -z "$value" ] && [ -n "$2" ]; then export "$1=$2"; fi
}

pip_settings() {
    set_uv UV_DEFAULT_INDEX "$(option index-url)"
    set_uv UV_INDEX "$(option extra-index-url)"
    set_uv UV_FIND_LINKS "$(option find-links | tr ' ' ',')"
    # Every file has its hash in the lock, so it does not matter which index it comes from.
    export UV_INDEX_STRATEGY=unsafe-best-match
}

# uv keeps what it has fetched in the home; where that cannot be written, beside what it installs.
writable_cache() {
    cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}/uv}
    if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
        UV_CACHE_DIR=$PWD/.venv/.uv-cache
        export UV_CACHE_DIR
    fi
}

bin=.venv/bin/python
writable_cache
if [ "${1:-}" = lock ]; then
    pip_settings
    exec "$bin" -m uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --no-header \
        --no-annotate --quiet -o requirements.lock
fi

if [ "${1:-}" = backend ]; then
    pip_settings
    other=.venv-$2
    echo "== Making $other: the packages of requirements.lock with those of requirements-$2.txt in TensorFlow's place"
    "$bin" -m uv venv --quiet --clear --python "$bin" "$other"
    sed '/^tensorflow\(-cpu\)\{0,1\}==/,/[^\\]$/d' requirements.lock | cat - "requirements-$2.txt" > "$other/requirements.lock"
    "$bin" -m uv pip sync --quiet --python "$other/bin/python" --require-hashes "$other/requirements.lock"
    exec "$bin" -m uv pip install --python "$other/bin/python" --quiet --offline --no-deps --no-build-isolation -e .
fi

if [ ! -x .venv/bin/python ] || ! suits .venv/bin/python; then
    chosen=""
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
        if suits "$candidate"; then
            chosen=$candidate
            break
        fi
    done
    if [ -z "$chosen" ]; then
        echo "No Python 3.11 (3.11.4 or later), 3.12 or 3.13 with the modules venv and ensurepip was found (tried: ${PYTHON:-python3.11 python3.12 python3.13 python3 python})." >&2
        echo "Install one, for example \`sudo apt install python3.12 python3.12-venv\`, or name one: make PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    echo "== Making .venv with $("$chosen" --version)"
    rm -rf .venv
    "$chosen" -m venv .venv
fi

echo "== Installing the packages of requirements.lock (about 2.5 GB; the first time takes one to three minutes)"
# uv installs them ten times faster than pip. It comes from the same lock, with the same hashes.
sed -n '/^uv==/,/[^\\]$/p' requirements.lock > .venv/uv.lock
quiet=""
if [ ! -t 2 ]; then quiet=--quiet; fi
pip_settings
if "$bin" -m pip install -qq --disable-pip-version-check --require-hashes -r .venv/uv.lock &&
    "$bin" -m uv pip sync $quiet --python "$bin" --require-hashes requirements.lock; then
    :
else
    echo "uv did not install them; trying pip, which takes longer."
    # Like uv: an upper limit on Python that a package has set for itself does not count, the lock has been resolved.
    "$bin" -m pip install -qq --disable-pip-version-check --ignore-requires-python --require-hashes -r requirements.lock
fi
echo "== Installing this project into .venv"
"$bin" -m uv pip install --python "$bin" --quiet --offline --no-deps --no-build-isolation -e . ||
    "$bin" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
