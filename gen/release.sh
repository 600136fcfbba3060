#!/usr/bin/env bash
# Makes the contract that of the last release: copies openapi.yaml to gen/released, where gen/breaking.sh finds it. Refuses
# to when the version has not moved since, or not as far as it has to. Other files may be named, as with gen/breaking.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
released=${1:-gen/released/openapi.yaml}
working=${2:-openapi.yaml}

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
