# Sourced by run.sh and test.sh: makes .venv with the locked versions, and says what to type when it cannot.
# usage: . scripts/setup.sh; setup ROOT requirements.lock

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

apt_install() {
    # Only as root and only Debian's own packages; otherwise the user is told the one line to type.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing $* with apt-get ..."
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } \
            >/dev/null 2>&1 && return 0
    fi
    return 1
}

make_venv() {
    rm -rf .venv
    "$1" -m venv .venv >/dev/null 2>&1 && [ -x .venv/bin/pip ] && return 0
    rm -rf .venv
    return 1
}

usable() {
    [ -x .venv/bin/pip ] && .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        [ "$(cat .venv/.place 2>/dev/null)" = "$1" ]
}

setup() (
    cd "$1" || return 3
    lock=$2
    stamp=$(cat "$lock" pyproject.toml scripts/setup.sh | cksum)
    if usable "$1" && [ "$(cat ".venv/.$lock" 2>/dev/null)" = "$stamp" ]; then return 0; fi
    if ! python=$(find_python); then
        if apt_install python3 python3-venv && python=$(find_python); then :; else
            say "MiniFactory needs Python 3.11 or newer. Please type this line, then the same command again:"
            say "    sudo apt-get update && sudo apt-get install -y python3 python3-venv"
            return 3
        fi
    fi
    if ! usable "$1" && ! make_venv "$python"; then
        if apt_install python3-venv && make_venv "$python"; then :; else
            say "This Python cannot make virtual environments. Please type this line, then the same command again:"
            say "    sudo apt-get update && sudo apt-get install -y python3-venv"
            return 3
        fi
    fi
    say "Installing the locked dependencies into .venv (once; about a minute) ..."
    .venv/bin/python -m pip --disable-pip-version-check install --quiet --no-input \
        --only-binary :all: --require-hashes --requirement "$lock" >&2 || {
        say "The dependencies could not be installed. Check the network, then run the same command again."
        return 3
    }
    .venv/bin/python -m pip --disable-pip-version-check install --quiet --no-input \
        --no-deps --no-build-isolation --editable . >&2 || return 3
    printf '%s' "$1" >.venv/.place
    printf '%s' "$stamp" >".venv/.$lock"
)
