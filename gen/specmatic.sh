#!/usr/bin/env bash
# Specmatic checks bin/latchkey against the contract with its own requests, valid and broken ones.
# It needs a Java runtime of version 17 or later. Without one it is left out, except in CI
# (CI=true).
set -euo pipefail
cd "$(dirname "$0")/.."

node --test --test-reporter=dot gen/specmatic/verdict.test.mjs

java=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || java=
if [ "${java:-0}" -lt 17 ]; then
	echo 'Specmatic, a judge of the contract, is left out: there is no Java runtime of version 17 or later.' >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 711 "$dir" # PostgreSQL runs as another user where this one is root
node gen/specmatic/judge.mjs "$dir"
