#!/bin/sh
# Makes the settings of docker-compose.yml, with random secrets; a file that is there stays as it is.
#
#   compose-env.sh [FILE]   default: .env beside docker-compose.yml
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
file=${1:-$root/.env}

say() { echo "compose-env: $*" >&2; }

# 160 bits, as many as Label Studio's tokens have room for.
secret() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }

# A line `NAME=` gets a secret.
fill() {
    while IFS= read -r line; do
        case $line in
        [A-Z]*=) echo "$line$(secret)" ;;
        *) echo "$line" ;;
        esac
    done
}

if [ -e "$file" ]; then exit 0; fi

# Nobody else reads it, and it is there whole or not at all.
umask 077
fill <"$root/.env.example" >"$file.$$"
mv "$file.$$" "$file"
say "made $file with random secrets: log in to Label Studio with LABEL_STUDIO_USERNAME and LABEL_STUDIO_PASSWORD, to the"
say "dashboard with BASIC_AUTH_USER and BASIC_AUTH_PASS"
