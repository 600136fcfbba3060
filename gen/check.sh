#!/usr/bin/env bash
# Fails if the committed files below gen differ from what the generators make, or if no generator
# makes them any more. sqlc's own check doesn't see such orphans, so everything is deleted first.
set -euo pipefail
cd "$(dirname "$0")/.."

git=(git -c "safe.directory=$PWD") # the clone may belong to another user
rm -rf gen/api gen/db gen/swagger-ui gen/ts
bash gen/generate.sh
changed=$("${git[@]}" status --porcelain --untracked-files=all -- gen)
if [ -n "$changed" ]; then
	echo "What is generated differs from what is committed. Commit these, as make generate has now made them:" >&2
	echo "$changed" >&2
	"${git[@]}" --no-pager diff --stat -- gen >&2
	exit 1
fi
