#!/bin/sh
# Installs what the project needs and this machine lacks; where nothing is missing it takes a second.
#
#   setup.sh build   what `make run` needs: a C compiler and the Rust toolchain of rust-toolchain.toml
#   setup.sh audit   the same, rustfmt, clippy and cargo-deny
#   setup.sh demo    what `build` installs, and a Python that can make virtual environments
#   setup.sh test    the same, and what `make test` needs: rustfmt, clippy, cargo-deny, PostgreSQL, curl, Chromium
#                    with its driver, axe-core by npm, and a Python that can make virtual environments (Label Studio
#                    itself comes with its first test)
#
# Rust and Python 3 must be there. Debian packages come by apt-get, as root or through sudo. cargo-deny and axe-core
# go into target/tools.
set -eu

# Older ones don't know every key of deny.toml.
CARGO_DENY=0.20.2

# Checks pages for what keeps people out. Its findings differ from one version to the next.
AXE=4.14.1

root=$(cd "$(dirname "$0")/.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/tools

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

install_packages() {
    say "installing Debian packages:$*"
    has apt-get || die "no apt-get here; install these (or what your system calls them) by hand:$*"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        has sudo || die "neither root nor sudo; let somebody who is root run: apt-get install$*"
        sudo=sudo
    fi
    # shellcheck disable=SC2086,SC2048
    { $sudo apt-get update -q &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $*; } >&2 ||
        die "apt-get could not install$*; see above"
}

packages() {
    missing=
    { has cc && has make; } || missing="$missing build-essential"
    has pkg-config || missing="$missing pkg-config"
    if [ "$1" != build ]; then
        has python3 || die "no Python 3 found; install Python 3.11 or newer"
        python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    fi
    if [ "$1" = test ]; then
        has curl || missing="$missing curl"
        has npm || missing="$missing nodejs npm"
        has chromedriver || missing="$missing chromium chromium-driver"
        "$root/scripts/postgres-for-tests.sh" find >/dev/null || missing="$missing postgresql"
    fi
    [ -z "$missing" ] || install_packages "$missing"
}

rust() {
    has cargo || die "no cargo found; install Rust with rustup, then open a new shell"
    cd "$root"
    # With rustup this also installs the toolchain of rust-toolchain.toml if it is missing.
    found=$(rustc --version | cut -d ' ' -f 2) || die "rustc does not run; see above"
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    at_least "$found" "$wanted" || die "rustc is $found, $wanted is needed; install it with rustup"
}

rust_tools() {
    for tool in fmt clippy; do
        cargo "$tool" --version >/dev/null 2>&1 && continue
        has rustup || die "no \`cargo $tool\` and no rustup; install rustfmt and clippy for this Rust"
        say "installing rustfmt and clippy"
        rustup component add rustfmt clippy >&2 || die "rustup could not install rustfmt and clippy; see above"
    done
    found=$(PATH="$tools/bin:$PATH" cargo deny --version 2>/dev/null | cut -d ' ' -f 2) || found=
    if [ -z "$found" ] || ! at_least "$found" "$CARGO_DENY"; then
        say "building cargo-deny $CARGO_DENY, which takes some minutes once"
        # It runs for a second, so a quick build is worth more than a quick program.
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root "$tools" \
            --target-dir "$tools/build" "cargo-deny@$CARGO_DENY" >&2 || die "cargo-deny could not be built; see above"
        rm -rf "$tools/build"
    fi
}

axe() {
    package=$tools/node_modules/axe-core/package.json
    grep -q "\"version\": \"$AXE\"" "$package" 2>/dev/null && return
    say "installing axe-core $AXE"
    # Nothing of the package runs here: it is a script for the browser.
    npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix "$tools" "axe-core@$AXE" >&2 ||
        die "npm could not install axe-core; see above"
}

case "${1:-}" in
build | demo)
    packages "$1"
    rust
    ;;
audit)
    packages build
    rust
    rust_tools
    ;;
test)
    packages test
    rust
    rust_tools
    axe
    ;;
*)
    sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
