#!/bin/sh
# A throw-away Label Studio 1.23.2 for the tests: SQLite, loopback only, no telemetry, one account.
#
#   label-studio-for-tests.sh install       install it (about 1 GB), if it is missing
#   label-studio-for-tests.sh database      make a migrated, empty database, if there is none, and print its path
#   label-studio-for-tests.sh start [DIR]   start one with its files in DIR (default: a new folder) and print four
#                                           lines: its URL, a token, `email password`, and DIR
#   label-studio-for-tests.sh stop DIR      stop it and remove DIR
#   label-studio-for-tests.sh with CMD...   start one, run CMD with WEATHERVANE_TEST_LABEL_STUDIO (the URL),
#                                           ..._TOKEN, ..._EMAIL, ..._PASSWORD, ..._FILES (the root of its local
#                                           files), ..._PROGRAM and ..._DATABASE (migrated, empty) set, stop it
#
# Every command installs what is missing, into LABEL_STUDIO_VENV (default: .venv beside this folder).
# The first start migrates a database, which takes a minute; it is kept below target/ and copied from then on.
set -eu

VERSION=1.23.2
EMAIL=weathervane@example.com
PASSWORD=weathervane-tests
TOKEN=5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed

# Seconds until a start counts as failed; a fresh one takes 4 s on an idle machine.
PATIENCE=180

root=$(cd "$(dirname "$0")/.." && pwd)
venv=${LABEL_STUDIO_VENV:-$root/.venv}
template=${CARGO_TARGET_DIR:-$root/target}/label-studio-$VERSION.sqlite3

say() { echo "label-studio-for-tests: $*" >&2; }
die() { say "$*"; exit 1; }

is_installed() {
    [ -x "$venv/bin/label-studio" ] && "$venv/bin/python" -c "
import importlib.metadata, sys
sys.exit(importlib.metadata.version('label-studio') != '$VERSION')" 2>/dev/null
}

find_python() {
    for python in python3.11 python3.12 python3.13 python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    die "no Python 3.11 or newer found; install python3"
}

# Debian ships the module without what it needs to put pip into a new environment.
install_venv_module() {
    [ "$(id -u)" = 0 ] || die "Python can't make virtual environments; install python3-venv"
    command -v apt-get >/dev/null || die "Python can't make virtual environments and there is no apt-get"
    say "installing Debian's python3-venv"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv; } >&2 ||
        die "apt-get could not install python3-venv; see above"
}

install() {
    if is_installed; then return; fi
    python=$(find_python)
    say "installing label-studio==$VERSION into $venv"
    if [ ! -x "$venv/bin/pip" ]; then
        "$python" -c 'import ensurepip' 2>/dev/null || install_venv_module
        "$python" -m venv "$venv" >&2
    fi
    # What is used is compiled when it is; most of it never is.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile "label-studio==$VERSION" >&2 ||
        die "pip could not install label-studio; see above"
}

# Everything Label Studio needs to know, for a server on port $2 with its files in $1.
settings() {
    export LABEL_STUDIO_BASE_DATA_DIR="$1" DJANGO_DB=sqlite PYTHONUNBUFFERED=1 DEBUG=false LOG_LEVEL=INFO
    # Nothing is sent to anybody.
    export COLLECT_ANALYTICS=false collect_analytics=false LATEST_VERSION_CHECK=false
    export SENTRY_DSN= FRONTEND_SENTRY_DSN= FEATURE_FLAGS_OFFLINE=true
    # With the first on, as is the default, an ML backend on loopback is refused; with the second its webhook is silently
    # missing. Tests of just that switch them on.
    export ML_BLOCK_LOCAL_IP=${ML_BLOCK_LOCAL_IP:-false} SSRF_PROTECTION_ENABLED=${SSRF_PROTECTION_ENABLED:-false}
    export LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT="$1/files"
    # The account is made on the first start only; its token is of the legacy kind, which is off by default.
    export LABEL_STUDIO_USERNAME="$EMAIL" LABEL_STUDIO_PASSWORD="$PASSWORD" LABEL_STUDIO_USER_TOKEN="$TOKEN"
    export LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK=true
    export LABEL_STUDIO_HOST="http://127.0.0.1:$2"
    # A proxy of the environment would be asked for the backend on loopback.
    export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

# Two runs may build it at once, each in a folder of its own; the rename is atomic.
make_template() {
    if [ -e "$template" ]; then return; fi
    say "migrating a first database; later starts copy it"
    mkdir -p "$(dirname "$template")"
    building=$(mktemp -d "${TMPDIR:-/tmp}/weathervane-label-studio.XXXXXX")
    # Asking for a user migrates the database and ends; it fails, since there is no such user.
    (settings "$building" 0 && exec "$venv/bin/label-studio" user --username nobody@example.com) \
        >"$building/build.log" 2>&1 </dev/null || true
    [ -s "$building/label_studio.sqlite3" ] || { cat "$building/build.log" >&2; die "no database came of it; see above"; }
    cp "$building/label_studio.sqlite3" "$template.$$"
    mv "$template.$$" "$template"
    rm -rf "$building"
}

is_healthy() { curl -fsS -o /dev/null --noproxy '*' --max-time 5 "http://127.0.0.1:$1/health" 2>/dev/null; }

# Label Studio takes the next port if the given one is busy, so a free one is looked for.
free_port() {
    "$venv/bin/python" -c 'import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(probe.getsockname()[1])'
}

start() {
    if [ -z "$1" ]; then
        dir=$(mktemp -d "${TMPDIR:-/tmp}/weathervane-label-studio.XXXXXX")
    else
        [ ! -e "$1/label-studio.pid" ] || die "$1 is in use; stop it first: $0 stop $1"
        mkdir -p "$1/files"
        dir=$(cd "$1" && pwd)
    fi
    mkdir -p "$dir/files"
    make_template
    [ -e "$dir/label_studio.sqlite3" ] || cp "$template" "$dir/label_studio.sqlite3"
    port=$(free_port)
    # `--host` would be the public URL; the address to bind is the internal one.
    (settings "$dir" "$port" && exec nohup "$venv/bin/label-studio" start --no-browser \
        --internal-host 127.0.0.1 --port "$port" --log-level INFO --enable-legacy-api-token --agree-fix-sqlite) \
        >"$dir/label-studio.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$dir/label-studio.pid"
    url=http://127.0.0.1:$port
    waited=0
    until is_healthy "$port"; do
        kill -0 "$pid" 2>/dev/null || { tail -n 30 "$dir/label-studio.log" >&2; die "it ended; see above"; }
        [ "$waited" -lt $((PATIENCE * 4)) ] || { stop "$dir"; dir=; die "not healthy within $PATIENCE s"; }
        sleep 0.25
        waited=$((waited + 1))
    done
}

stop() {
    [ -e "$1/label-studio.pid" ] || die "$1 holds no server of this script"
    server=$(cat "$1/label-studio.pid")
    kill "$server" 2>/dev/null || say "the server had already stopped"
    waited=0
    while kill -0 "$server" 2>/dev/null; do
        [ "$waited" -lt 40 ] || { kill -9 "$server" 2>/dev/null || true; }
        sleep 0.25
        waited=$((waited + 1))
    done
    rm -rf "$1"
}

# Runs CMD as a process group of its own, so that a signal to this script ends all of it.
run() {
    WEATHERVANE_TEST_LABEL_STUDIO=$url WEATHERVANE_TEST_LABEL_STUDIO_TOKEN=$TOKEN \
        WEATHERVANE_TEST_LABEL_STUDIO_EMAIL=$EMAIL WEATHERVANE_TEST_LABEL_STUDIO_PASSWORD=$PASSWORD \
        WEATHERVANE_TEST_LABEL_STUDIO_FILES=$dir/files \
        WEATHERVANE_TEST_LABEL_STUDIO_PROGRAM=$venv/bin/label-studio \
        WEATHERVANE_TEST_LABEL_STUDIO_DATABASE=$template setsid "$@" <&0 &
    group=$!
    wait "$group"
}

# Ends whatever of CMD is left, then the server.
finish() {
    if [ -n "$group" ] && kill -- "-$group" 2>/dev/null; then wait "$group" || true; fi
    if [ -n "$dir" ]; then stop "$dir"; fi
}

case "${1:-}" in
install)
    install
    ;;
database)
    install
    make_template
    echo "$template"
    ;;
start)
    install
    start "${2:-}"
    echo "$url"
    echo "$TOKEN"
    echo "$EMAIL $PASSWORD"
    echo "$dir"
    ;;
stop)
    [ -n "${2:-}" ] || die "stop which one? give its folder"
    stop "$(cd "$2" && pwd)"
    ;;
with)
    shift
    [ $# -gt 0 ] || die "with which command?"
    install
    group=
    dir=
    trap 'status=$?; trap "" INT TERM; finish; exit $status' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    start ""
    run "$@"
    ;;
*)
    sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
