#!/usr/bin/env bash
# Tests gen/breaking.sh and gen/release.sh with a small contract and edits of it.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

cat >"$dir/small.yaml" <<'YAML'
openapi: 3.0.3
info:
  title: Small
  version: 0.1.9
paths:
  /users:
    post:
      operationId: Register
      description: Creates a user.
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Registration'}}}}
      responses:
        '201':
          description: The user.
          headers:
            Location: {schema: {type: string}}
          content: {application/json: {schema: {$ref: '#/components/schemas/User'}}}
        '409':
          description: A conflict.
          content: {application/json: {schema: {$ref: '#/components/schemas/Conflict'}}}
  /health: {get: {operationId: Health, responses: {'204': {description: Healthy.}}}}
components:
  schemas:
    Registration:
      allOf:
        [{type: object, required: [email], properties: {email: {type: string}, name: {type: string, pattern: '^a'}}}]
    User: {type: object, required: [email], properties: {email: {type: string}, name: {type: string}}}
    Problem: {type: object, required: [code], properties: {code: {type: string}}}
    Conflict: {allOf: [{$ref: '#/components/schemas/Problem'}, {properties: {code: {enum: [email_taken, name_taken]}}}]}
    Claims: {type: object, properties: {sub: {type: string}}}
YAML

mkdir "$dir/db" "$dir/queries"
cat >"$dir/db/notes.sql.go" <<'GO'
package db

import "context"

const noteDelete = `-- name: NoteDelete :exec
DELETE FROM notes
WHERE id = $1
`

// Returns no note.
func (q *Queries) NoteDelete(ctx context.Context) error { return nil }

const noteList = `-- name: NoteList :many
SELECT id FROM notes
`
GO
cat >"$dir/notes.sql" <<'SQL'
-- name: NoteDelete :exec
DELETE FROM notes
WHERE id = $1

-- name: NoteList :many
SELECT id FROM notes

SQL

# Writes the small contract in the given version, with an edit that must have an effect.
contract() {
	sed -e "$2" "$dir/small.yaml" >"$dir/edited.yaml"
	if [ -n "$2" ] && cmp -s "$dir/small.yaml" "$dir/edited.yaml"; then
		echo "$case: the edit has no effect" >&2
		failed=1
	fi
	sed -e "s/^  version: .*/  version: $1/" "$dir/edited.yaml"
}

# Runs a script (breaking or release), which must pass, or fail with the given word.
expect() {
	local script=$1 want=$2 out got=pass
	out=$(bash "gen/$script.sh" "$dir/old.yaml" "$dir/new.yaml" "$dir/db" 2>&1) || got=fail
	if [ "$got" != "$want" ] || { [ "$got" = fail ] && ! grep -qF -e "$3" <<<"$out"; }; then
		printf '%s: want %s %s, got %s\n%s\n' "$case" "$want" "${3:-}" "$got" "$out" >&2
		failed=1
	fi
}

contract 0.1.9 '' >"$dir/old.yaml"
while IFS='|' read -r case edit check; do
	contract 0.1.10 "$edit" >"$dir/new.yaml"
	expect breaking fail "[$check]"
	contract 0.2.0 "$edit" >"$dir/new.yaml"
	expect breaking pass
done <<'BREAKS'
a removed operation|/^  .health:/d|api-path-removed-without-deprecation
a renamed operation|s/: Register$/: SignUp/|api-operation-id-removed
a removed response member|/^    User/s/required: \[email\], properties: {email: {type: string}, /properties: {/|response-required-property-removed
a removed optional response member|/^    User/s/, name: {type: string}//|response-optional-property-removed
a removed optional header|/^          headers:/,/Location/d|optional-response-header-removed
a new required request member|/pattern/s/\[email\]/[email, name]/|request-property-became-required
a removed request member|s/, name: {type: string, pattern: '^a'}//|request-property-removed
another pattern in a request|s/'^a'/'^b'/|request-property-pattern-changed
a new code in a response|s/name_taken/name_taken, other/|response-property-enum-value-added
a removed schema that no operation refers to|/^    Claims/d|api-schema-removed
BREAKS

while IFS='|' read -r case edit; do
	contract 0.1.9 "$edit" >"$dir/new.yaml"
	expect breaking pass
done <<'HARMLESS'
no change|
another description|s/Creates a user/Makes a user/
a new operation|s/{get: /{put: {operationId: Check, responses: {'204': {description: Checked.}}}, get: /
a new optional request member|s/, name: {type: string, pattern/, age: {type: integer}&/
a new optional request member in a schema of its own|s/'^a'}}}/&, {properties: {age: {type: integer}}}/
a new response member|/^    User/s/, name: /, age: {type: integer}&/
a code that a response no longer has|s/, name_taken//
HARMLESS

while IFS='|' read -r case from to want why; do
	contract "$from" '' >"$dir/old.yaml"
	contract "$to" '/^  .health:/d' >"$dir/new.yaml"
	expect breaking "$want" "$why"
done <<'VERSIONS'
a break under the same version|0.1.9|0.1.9|fail|A break needs
a break under the first major version|0.1.9|1.0.0|pass|
a break under a minor version|1.1.0|1.2.0|fail|A break needs
a break under a major version|1.9.0|2.0.0|pass|
a break under an older minor version|0.10.0|0.9.0|fail|A break needs
a break under an older major version|1.0.0|0.9.0|fail|A break needs
no version|0.1.9|0.2|fail|such as 1.2.3
VERSIONS

contract 0.1.9 '' >"$dir/old.yaml"
case='a contract that is none'
printf 'openapi: [\ninfo:\n  version: 0.1.9\n' >"$dir/new.yaml"
expect breaking fail 'failed to load'

case='a release of a changed word under the same version'
contract 0.1.9 's/Creates/Makes/' >"$dir/new.yaml"
expect release fail 'still that of the last release'
case='a release of a break under a patch'
contract 0.1.10 '/^  .health:/d' >"$dir/new.yaml"
expect release fail 'A break needs'
[ ! -e "$dir/queries/notes.sql" ] || failed=1
case='a release'
contract 0.2.0 '/^  .health:/d' >"$dir/new.yaml"
touch "$dir/queries/removed.sql"
expect release pass
cmp "$dir/old.yaml" "$dir/new.yaml" || failed=1
cmp "$dir/queries/notes.sql" "$dir/notes.sql" || failed=1
[ ! -e "$dir/queries/removed.sql" ] || failed=1
case='the first release'
rm "$dir/old.yaml"
expect release pass
cmp "$dir/old.yaml" "$dir/new.yaml" || failed=1
exit $failed
