#!/usr/bin/env bash
# Fails when the contract has changed since its last release more than its version says. Two other files may be named:
# gen/breaking.sh RELEASED WORKING. What semantic versioning 2.0.0 demands is read so:
#
#   nothing but words and examples has changed   the version may stay (there is nothing that a program could see)
#   what oasdiff doesn't look at has changed     counts as a break: gen/changes has the list
#   something was added                          0.y.z: at least z moves (4)    from 1.0.0 on: at least y (7)
#   something breaks a client                    0.y.z: at least y moves (4)    from 1.0.0 on: x (8)
#
# A version never goes back (11). What may break some clients counts as a break: a new error code does, since clients
# switch over a closed list of them.
set -euo pipefail
cd "$(dirname "$0")/.."
released=${1:-gen/released/openapi.yaml}
working=${2:-openapi.yaml}

# Answers info.version, which is to be three numbers and no more.
version_of() {
	local version
	version=$(sed -n '/^info:/,/^[^ ]/s/^  version: *//p' "$1" | tr -d "\"'")
	if ! [[ $version =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$ ]]; then
		echo "$1: info.version is \"$version\", and should be such as 1.2.3" >&2
		exit 2
	fi
	echo "$version"
}

old=$(version_of "$released")
new=$(version_of "$working")
IFS=. read -r old_x old_y old_z <<<"$old"
IFS=. read -r new_x new_y new_z <<<"$new"

# The place at which the version moved (3 major, 2 minor, 1 patch, 0 none), and by how much.
moved=0 ahead=0
if ((new_x != old_x)); then
	moved=3 ahead=$((new_x - old_x))
elif ((new_y != old_y)); then
	moved=2 ahead=$((new_y - old_y))
elif ((new_z != old_z)); then
	moved=1 ahead=$((new_z - old_z))
fi
if ((ahead < 0)); then
	echo "the contract's version goes back, from $old to $new" >&2
	exit 1
fi

if ! found=$(bin/tools/oasdiff changelog -f json --flatten-allof --allow-external-refs=false "$released" "$working" |
	go run ./gen/changes "$released" "$working"); then
	echo "can't compare $released and $working" >&2
	exit 2
fi
needed=0
if grep -q '^break ' <<<"$found"; then
	needed=$((old_x == 0 ? 2 : 3))
elif [ -n "$found" ]; then
	needed=$((old_x == 0 ? 1 : 2))
fi
if ((moved < needed)); then
	names=('' patch minor major)
	printf '%s\n\n' "$found" >&2
	echo "The contract has changed since $old as above, and its version is $new: its ${names[needed]} number has to move." >&2
	exit 1
fi
