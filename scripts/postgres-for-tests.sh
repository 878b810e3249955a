#!/bin/sh
# A throw-away PostgreSQL for the tests: no password, loopback only, nothing kept, fsync off.
#
#   postgres-for-tests.sh start [DIR]   start one with its files in DIR (default: a new folder) and print two lines:
#                                       its DATABASE_URL, and DIR. As root on Debian, installs it first if need be.
#   postgres-for-tests.sh stop DIR      stop it and remove DIR
#   postgres-for-tests.sh run           start one, print its DATABASE_URL, stop it when standard input ends.
#                                       Never installs anything.
#   postgres-for-tests.sh with CMD...   start one, run CMD with WEATHERVANE_TEST_POSTGRES set, stop it
#   postgres-for-tests.sh find          print the folder of the server's programs, or fail
#
# PostgreSQL refuses to run as root; root runs it as `postgres`, or as `nobody` where there is no such user.
set -eu

say() { echo "postgres-for-tests: $*" >&2; }
die() { say "$*"; exit 1; }

# All three programs in one folder: a lone `postgres` on the path may be anything.
is_server() { [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] && [ -x "$1/postgres" ]; }

find_server() {
    for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
        if is_server "$dir"; then echo "$dir"; return; fi
    done
    for dir in $(echo "$PATH" | tr ':' ' '); do
        if is_server "$dir"; then echo "$dir"; return; fi
    done
    return 1
}

install_server() {
    [ "$(id -u)" = 0 ] || die "no PostgreSQL server found; install it with: sudo apt-get install postgresql"
    command -v apt-get >/dev/null || die "no PostgreSQL server found and no apt-get; install PostgreSQL 13 or newer"
    say "installing Debian's postgresql"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -q -y --no-install-recommends postgresql; } >&2 ||
        die "apt-get could not install postgresql; see above"
}

# Runs a command as the user that owns the server.
as_owner() {
    if [ "$(id -u)" = 0 ]; then
        runuser -u "$(owner)" -- "$@"
    else
        "$@"
    fi
}

owner() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

start() {
    bin=$(find_server) || die "no PostgreSQL server found; run \`$0 start\` as root once, or: apt-get install postgresql"
    if [ -z "$1" ]; then
        dir=$(mktemp -d "${TMPDIR:-/tmp}/weathervane-postgres.XXXXXX")
    else
        dir=$1
        [ ! -e "$dir/data" ] || die "$dir is in use; stop it first: $0 stop $dir"
        mkdir -p "$dir"
        dir=$(cd "$dir" && pwd)
    fi
    [ "$(id -u)" != 0 ] || chown "$(owner)" "$dir"
    cd "$dir"
    as_owner "$bin/initdb" -D "$dir/data" -U weathervane -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 ||
        { cat "$dir/initdb.log" >&2; die "initdb failed"; }
    # A port may be taken between the choice and the start, so a few are tried.
    for attempt in 1 2 3 4 5 6 7 8; do
        port=$((20000 + (1$(date +%N) / 1000 + $$ + attempt) % 12000))
        if as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 -s start -o "\
-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c synchronous_commit=off \
-c full_page_writes=off -c max_connections=400 -c shared_buffers=64MB -c autovacuum=off" >&2 2>&1 </dev/null; then
            url="postgres://weathervane@127.0.0.1:$port/postgres"
            return
        fi
    done
    cat "$dir/server.log" >&2
    die "the server did not start; see above"
}

stop() {
    bin=$(find_server) || die "no PostgreSQL server found"
    [ -d "$1/data" ] || die "$1 holds no server of this script"
    cd /
    as_owner "$bin/pg_ctl" -D "$1/data" -m immediate -w -s stop >&2 || say "the server had already stopped"
    rm -rf "$1"
}

case "${1:-}" in
start)
    find_server >/dev/null || install_server
    start "${2:-}"
    echo "$url"
    echo "$dir"
    ;;
stop)
    [ -n "${2:-}" ] || die "stop which one? give its folder"
    stop "$(cd "$2" && pwd)"
    ;;
run)
    start ""
    trap 'stop "$dir"' EXIT
    trap 'exit 143' TERM
    trap '' INT
    echo "$url"
    cat >/dev/null
    ;;
with)
    shift
    find_server >/dev/null || install_server
    here=$(pwd)
    start ""
    trap 'stop "$dir"' EXIT
    trap 'exit 143' INT TERM
    cd "$here"
    WEATHERVANE_TEST_POSTGRES=$url "$@"
    ;;
find)
    find_server
    ;;
*)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
