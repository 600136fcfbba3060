#!/usr/bin/env bash
# Fails when what is committed below gen is not what the generators make, down to a file that nothing makes any more.
# sqlc's own check passes over such orphans, so everything is deleted first.
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
