#!/usr/bin/env bash
# Holds gen/breaking.sh and gen/release.sh to what they promise, with small contracts.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# Writes a contract: its version, the codes that an error may have, whether there is a second operation, and a description.
contract() {
	cat <<YAML
openapi: 3.0.3
info:
  title: Small
  version: $1
paths:
  /a:
    get:
      operationId: GetA
      description: ${4:-The first.}
      responses:
        '409':
          description: A conflict.
          content:
            application/json:
              schema: {type: object, required: [code], properties: {code: {type: string, enum: [$2]}}}
YAML
	if [ "$3" = more ]; then
		printf '  /b:\n    get:\n      operationId: GetB\n      responses:\n        "204": {description: Nothing.}\n'
	fi
}

# Says what a script (breaking or release) is to do from one contract to the next: pass, or fail with a word on why.
expect() {
	local want=$1 script=$2 out got=pass
	out=$(bash "gen/$script.sh" "$dir/old.yaml" "$dir/new.yaml" 2>&1) || got=fail
	if [ "$got" != "$want" ] || { [ "$got" = fail ] && ! grep -qF "$3" <<<"$out"; }; then
		printf '%s: want %s, got %s\n%s\n' "$case" "$want" "$got" "$out" >&2
		failed=1
	fi
}

while IFS='|' read -r case from to codes operations words want why; do
	[ -n "$case" ] || continue
	contract "$from" 'taken' one >"$dir/old.yaml"
	contract "$to" "$codes" "$operations" "$words" >"$dir/new.yaml"
	expect "$want" breaking "$why"
done <<'CASES'
nothing changed|0.1.0|0.1.0|taken|one||pass|
words changed|0.1.0|0.1.0|taken|one|Another text.|pass|
a version without a change|0.1.0|0.2.0|taken|one||pass|
0.y: a break, same version|0.1.0|0.1.0|taken, gone|one||fail|minor number has to move
0.y: a break, patch|0.1.0|0.1.1|taken, gone|one||fail|minor number has to move
0.y: a break, minor|0.1.9|0.2.0|taken, gone|one||pass|
0.y: a break, major|0.1.0|1.0.0|taken, gone|one||pass|
0.y: an addition, same version|0.1.0|0.1.0|taken|more||fail|patch number has to move
0.y: an addition, patch|0.1.9|0.1.10|taken|more||pass|
1.y: a break, minor|1.1.0|1.2.0|taken, gone|one||fail|major number has to move
1.y: a break, major|1.1.0|2.0.0|taken, gone|one||pass|
1.y: an addition, patch|1.1.0|1.1.1|taken|more||fail|minor number has to move
1.y: an addition, minor|1.9.0|1.10.0|taken|more||pass|
back by a patch|0.1.10|0.1.9|taken|one||fail|goes back
back by a major|1.0.0|0.9.0|taken, gone|one||fail|goes back
not a version|0.1.0|0.1|taken|one||fail|should be such as
CASES

# What oasdiff doesn't look at, as an edit of a contract that has it; alone, and beside an addition, which must not hide it.
contract 0.1.0 taken one >"$dir/old.yaml"
cat >>"$dir/old.yaml" <<'YAML'
          headers:
            Cache-Control:
              description: For caches.
              schema: {$ref: '#/components/schemas/Caching'}
            Retry-After:
              schema: {type: integer}
  # another path
components:
  schemas:
    Caching: {type: string, enum: [no-store]}
    Claims: {type: object, required: [jti, sub], properties: {description: {$ref: '#/components/schemas/Text'}}}
    Text: {type: string, maxLength: 5}
  securitySchemes:
    Token: {type: http, scheme: bearer, x-in: a}
servers:
  - url: /
tags:
  - name: first
YAML
addition='s|^  # another path|  /b:\n    get:\n      responses:\n        "204": {description: Nothing.}|'
while IFS='|' read -r case edit alone beside; do
	sed -e "$edit" "$dir/old.yaml" >"$dir/new.yaml"
	expect "$alone" breaking 'minor number has to move'
	case="$case, beside an addition"
	sed -e "$edit; s/0\.1\.0/0.1.1/" -e "$addition" "$dir/old.yaml" >"$dir/new.yaml"
	grep -q '^  /b:' "$dir/new.yaml" || failed=1
	expect "$beside" breaking 'minor number has to move'
done <<'CASES'
a member of a lone schema that may be absent|s/, sub]/]/|fail|fail
a renamed member of a lone schema|s/{description: {/{words: {/|fail|fail
what a lone schema refers to|s/maxLength: 5/maxLength: 6/|fail|fail
a lone schema that is gone|/^    Claims/d|fail|fail
another name of an operation|s/GetA/ReadA/|fail|fail
another name of a schema|s/Caching/Cached/|fail|fail
another value of a header|s/no-store/no-cache/|fail|fail
another type of a header|s/{type: integer}/{type: string}/|fail|fail
another server|s,url: /,url: /v2,|fail|fail
another member of a security scheme|s/x-in: a/x-in: b/|fail|fail
another order|s/\[jti, sub\]/[sub, jti]/|pass|pass
another word of a header|s/For caches/For a cache/|pass|pass
another heading|s/name: first/name: second/|pass|pass
a break of a header under a minor|s/no-store/no-cache/; s/0.1.0/0.2.0/|pass|pass
CASES

case='a lone schema that is new'
sed -e 's/^    Claims/    Fresh: {type: string}\n    Claims/' "$dir/old.yaml" >"$dir/new.yaml"
expect fail breaking 'patch number has to move'
case='an operation that differs where nothing else looks'
sed -e 's/^      operationId: GetA/      x-of-its-own: true\n      operationId: GetA/' "$dir/old.yaml" >"$dir/new.yaml"
expect fail breaking 'minor number has to move'

# The contract itself, in which a token's claims may be absent, beside an operation that is new.
case='claims that may be absent, beside an addition'
sed -e 's/^  version: .*/  version: 0.4.0/' gen/released/openapi.yaml >"$dir/old.yaml"
sed -e 's/^  version: .*/  version: 0.4.1/; s/, username, uid, sid\]$/]/' \
	-e 's|^paths:|paths:\n  /extra:\n    get:\n      responses:\n        "204": {description: Nothing.}|' gen/released/openapi.yaml >"$dir/new.yaml"
expect fail breaking 'components/schemas/AccessTokenClaims'

case='a contract that is none'
contract 0.1.0 taken one >"$dir/old.yaml"
printf 'openapi: [\ninfo:\n  version: 0.2.0\n' >"$dir/new.yaml"
expect fail breaking "can't compare"

case='a release of a changed word under the same version'
contract 0.1.0 taken one 'Another text.' >"$dir/new.yaml"
expect fail release 'still that of the last release'
case='a release of a break under a patch'
contract 0.1.1 'taken, gone' one >"$dir/new.yaml"
expect fail release 'minor number has to move'
case='a release'
contract 0.2.0 'taken, gone' one >"$dir/new.yaml"
expect pass release
cmp "$dir/old.yaml" "$dir/new.yaml" || failed=1
case='the first release'
rm "$dir/old.yaml"
expect pass release
cmp "$dir/old.yaml" "$dir/new.yaml" || failed=1
exit $failed
