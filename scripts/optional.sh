# Sourced by test.sh: tools of which a few tests make use, and without which those are skipped with a reason.

install_optional_tools() {
    # node and npm: an OPC UA client of another implementation. PostgreSQL: the record on a server.
    wanted=
    if ! { command -v node && command -v npm; } >/dev/null 2>&1; then
        offered=$(apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\).*/\1/p')
        [ "${offered:-0}" -lt 20 ] || wanted="nodejs npm"
    fi
    [ -n "${MINIFACTORY_POSTGRES:-}" ] || postgres_bin >/dev/null || wanted="$wanted postgresql"
    [ -z "$wanted" ] && return 0
    # shellcheck disable=SC2086
    apt_install $wanted || say "Without $wanted a few tests are skipped (apt-get as root would install it)."
}

postgres_bin() {
    # The folder of PostgreSQL's programs: on the path, or where Debian puts them.
    if command -v initdb >/dev/null 2>&1; then
        dirname "$(command -v initdb)"
        return 0
    fi
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && { printf '%s\n' "$folder"; return 0; }
    done
    return 1
}

as_postgres() {
    # PostgreSQL refuses to run as root.
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

start_postgres() {
    # A server of our own in a scratch folder, reached over a socket only; gone when the tests end.
    [ -n "${MINIFACTORY_POSTGRES:-}" ] && return 0
    programs=$(postgres_bin) || return 0
    [ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1 || return 0
    scratch=$(mktemp -d) || return 0
    chmod 711 "$scratch"
    mkdir "$scratch/data" "$scratch/socket"
    [ "$(id -u)" != 0 ] || chown -R postgres "$scratch"
    if as_postgres "$programs/initdb" -D "$scratch/data" -U minifactory -A trust -E UTF8 --no-locale --no-sync >"$scratch/log" 2>&1 &&
        as_postgres "$programs/pg_ctl" -w -D "$scratch/data" -l "$scratch/data/log" \
            -o "-c listen_addresses='' -k $scratch/socket" start >>"$scratch/log" 2>&1; then
        MINIFACTORY_POSTGRES="postgresql+psycopg://minifactory@/postgres?host=$scratch/socket"
        export MINIFACTORY_POSTGRES
    else
        say "PostgreSQL did not start; its test is skipped."
        stop_postgres
    fi
}

stop_postgres() {
    [ -n "${scratch:-}" ] || return 0
    as_postgres "$programs/pg_ctl" -D "$scratch/data" -m immediate stop >/dev/null 2>&1
    rm -rf "$scratch"
    scratch=
}
