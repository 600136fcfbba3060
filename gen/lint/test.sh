#!/usr/bin/env bash
# Breaks a copy of the contract in several places, and checks that gen/lint.sh finds each of them.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/gen"
cp -R gen/lint "$dir/gen/lint"
ln -s "$PWD/web" "$dir/web"

# A description that is cut at its comma leaves a key that nobody knows.
sed -e 's|{type: boolean, description: Whether the user may log in\.,|{type: boolean, description: Whether the user, now, may log in,|' \
	-e 's|^  /api/users/me/:|  /api/users/me:|' \
	-e 's|description: Seconds until it expires\.|description: Seconds, without an upper bound.|; /maximum: 31536000/d' \
	-e "/pattern: '\^\[A-Za-z0-9._~+/d; /maxLength: 4096/d" \
	-e 's/format: int32, enum: \[409\]/enum: [409]/' \
	-e 's|example: 900$|example: soon|' \
	-e 's|^      security: \[\]$||' \
	openapi.yaml >"$dir/openapi.yaml"

if out=$(bash gen/lint.sh "$dir" 2>&1); then
	echo 'gen/lint.sh passes a contract that is broken' >&2
	exit 1
fi
failed=0
for rule in struct oas3-schema no-invalid-schema-examples oas3-valid-schema-example security-defined \
	api-paths-end-in-slash owasp:api4:2023-{integer-limit-legacy,integer-format,string-limit,string-restricted}; do
	if ! grep -qF " $rule " <<<"$out"; then
		echo "gen/lint.sh does not report $rule" >&2
		failed=1
	fi
done
[ $failed = 0 ] || printf '%s\n' "$out" >&2
exit $failed
