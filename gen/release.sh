#!/usr/bin/env bash
# Makes the contract and the statements those of the last release:
# - copies openapi.yaml to gen/released, where gen/breaking.sh finds it
# - copies the SQL of gen/db to gen/released/queries, which a test of schema runs on the newest schema
# Fails if the contract's version is still that of the last release, or has not moved far enough. Other
# files may be named, as with gen/breaking.sh, and another folder instead of gen/db.
set -euo pipefail
cd "$(dirname "$0")/.."
released=${1:-gen/released/openapi.yaml}
working=${2:-openapi.yaml}
db=${3:-gen/db}
queries=$(dirname "$released")/queries

if [ -e "$released" ]; then
	bash gen/breaking.sh "$released" "$working"
	# Whatever is not the same has a version of its own, a changed word too (semantic versioning 2.0.0, 3).
	if [ "$(grep -m1 '^  version:' "$released")" = "$(grep -m1 '^  version:' "$working")" ]; then
		echo "the contract's version is still that of the last release" >&2
		exit 1
	fi
fi
mkdir -p "$(dirname "$released")"
cp "$working" "$released"

rm -rf "$queries"
mkdir "$queries"
for file in "$db"/*.sql.go; do
	# sqlc writes each statement as a constant, with $1 for its first parameter.
	awk '/^const [A-Za-z0-9_]+ = `/ { sub(/^[^`]*`/, ""); inside = 1 } inside && /^`/ { inside = 0; print "" } inside' \
		"$file" >"$queries/$(basename "$file" .go)"
done
