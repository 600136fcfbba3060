#!/usr/bin/env bash
# Lints the contract with Redocly and Spectral. A warning fails as an error does. The argument may
# be another folder with an openapi.yaml, a gen/lint and a web like here: the exceptions in gen/lint
# apply only to the file at that place.
set -uo pipefail
npm=$(cd "$(dirname "$0")/../web/node_modules/.bin" && pwd) || exit 1
cd "${1:-$(dirname "$0")/..}" || exit 1

# Neither asks the network for anything.
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
failed=0
# Its notices go to stderr, its findings too: they are shown only when there are some.
out=$("$npm/redocly" lint --config gen/lint/redocly.yaml --format stylish openapi.yaml 2>&1) || {
	printf '%s\n' "$out" >&2
	failed=1
}
"$npm/spectral" lint --quiet --ruleset gen/lint/spectral.yaml --fail-severity hint openapi.yaml || failed=1
exit $failed
