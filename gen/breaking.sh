#!/usr/bin/env bash
# Fails if the contract breaks clients of its last release and its version doesn't say so. Before 1.0.0
# a break needs a new minor version, from then on a new major version (semantic versioning 2.0.0, 4 and
# 8). Two other files may be named: gen/breaking.sh RELEASED WORKING.
#
# oasdiff decides what a break is. Its warnings count as breaks. gen/released/levels.txt makes errors of
# four removals that oasdiff counts as harmless. Clients generate names from an operation's id and from
# a schema's name, and they may read an optional header or member of a response.
set -euo pipefail
cd "$(dirname "$0")/.."
released=${1:-gen/released/openapi.yaml}
working=${2:-openapi.yaml}

# Prints the major and the minor version.
version() { sed -nE 's/^  version: (0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$/\1 \2/p' "$1"; }
if ! read -r major minor < <(version "$released") || ! read -r new_major new_minor < <(version "$working"); then
	echo "info.version must be three numbers, such as 1.2.3" >&2
	exit 2
fi
if ((new_major > major || major == 0 && new_minor > minor)); then
	exit 0
fi
bin/tools/oasdiff breaking --fail-on WARN --severity-levels gen/released/levels.txt --flatten-allof \
	"$released" "$working" || {
	[ $? != 1 ] || echo "A break needs a new minor version before 1.0.0, and a new major version from then on." >&2
	exit 1
}
