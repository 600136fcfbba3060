#!/usr/bin/env bash
# Looks for known vulnerabilities of the dependencies, by the newest version of the database, and
# for their licences. It isn't part of the tests, which must not fail because of a later finding.
# The database is a Go module, so the script needs only the module proxy.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0

database=$PWD/bin/vulndb
folder=$(cd gen/tools/audit && go mod download -json golang.org/x/vulndb@latest | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
rm -rf "$database"
bin/tools/indexdb -vulns "$folder/data/osv" -out "$database" >/dev/null
echo "== vulnerabilities, by $(basename "$folder")"
report=bin/vulnerabilities.txt
for module in . bench deploy; do
	bin/tools/govulncheck -C "$module" -db "file://$database" ./... >"$report.part" || true # it exits with 3 for a finding, and says so below
	grep -q -e '^No vulnerabilities found' -e '^Your code is affected' "$report.part" || { cat "$report.part" >&2; exit 1; }
	cat "$report.part"
done >"$report"
found=$(sed -n 's/^Vulnerability #[0-9]*: //p' "$report" | sort -u)
accepted=$(sed 's/ .*//' gen/accepted-vulnerabilities.txt | sort)
open=$(comm -23 <(echo "$found") <(echo "$accepted"))
gone=$(comm -13 <(echo "$found") <(echo "$accepted"))
if [ -n "$open$gone" ]; then
	cat "$report"
	[ -z "$gone" ] || echo "accepted, and no longer found: $gone"
	status=1
else
	echo "none but those that gen/accepted-vulnerabilities.txt accepts: $(echo $accepted)"
fi

echo "== licences of the Go modules in the binary and in the images"
modules='{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}'
{
	go list -deps -f "$modules" ./cmd/latchkey
	cd deploy && go list -deps -f "$modules" ./image/sh ./image/roots
} | sort -u | bin/tools/licences || status=1

echo "== licences of the npm packages that are published or run (not those of the tools)"
node --input-type=module - <<'JS' || status=1
import { readFileSync } from 'node:fs'
// MPL-2.0 has conditions on its own files, and none on the whole: the demo's build has such a part.
const allowed = ['Apache-2.0', 'MIT', 'MIT-0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', '0BSD', 'PostgreSQL', 'MPL-2.0']
const { packages } = JSON.parse(readFileSync('web/package-lock.json', 'utf8'))
const shipped = Object.entries(packages).filter(([path, p]) => path.startsWith('node_modules/') && !p.dev && !p.link)
const bad = shipped.filter(([, p]) => !allowed.includes(p.license))
for (const [path, p] of bad) console.error(`${path}: ${p.license}`)
console.log(`${shipped.length} packages, ${bad.length} whose licence isn't allowed`)
process.exit(bad.length > 0 || shipped.length === 0 ? 1 : 0)
JS
exit $status
