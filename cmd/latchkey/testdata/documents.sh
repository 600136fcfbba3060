# Run before each command of the documents, by TestDocuments. What would come from a registry is taken from what is
# installed here; ROOT is the checkout.

# Fails at an error status. With -i the page shows the status, and expects the error.
curl() {
	if [ "$1" = -i ]; then
		command curl "$@"
	else
		command curl --fail-with-body "$@"
	fi
}

# Debian's packages in place of pip's: each has to be installed.
pip() {
	[ "$1" = install ] && shift
	for package; do
		/usr/bin/python3 -c 'import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])' "${package%%[*}"
	done
}
uvicorn() { /usr/bin/python3 -m uvicorn "$@"; }
pytest() { /usr/bin/python3 -m pytest "$@"; }

# The page's clone of the repository is the checkout.
make() {
	case $1 in
	image) set -- -C ../latchkey "$@" ;;
	esac
	[ "$1 $2" = '-C ../latchkey' ] || return 2
	command make -C "$ROOT" --dry-run "${@:3}" >/dev/null
}

# The checkout's packages. The client was built and copied before.
npm() {
	case $1 in
	init) command npm "$@" && return ;;
	pack)
		local folder=${*: -1}
		test -e "${folder/#..\/latchkey/$ROOT}/package.json" && echo @latchkey-auth/client && return
		;;
	install) shift ;;
	esac
	for package; do
		mkdir -p "$(dirname "node_modules/$package")"
		[ -e "node_modules/$package" ] || ln -s "$ROOT/web/node_modules/$package" "node_modules/$package"
		test -e "node_modules/$package/package.json"
	done
}

npx() { node "node_modules/$1/bin/$1.js" "${@:2}"; }

# The page's clone of the repository is the checkout, whose sums are known.
go() {
	[ "$1 $2" != 'mod edit' ] || cp "$ROOT/go.sum" .
	GOFLAGS="${GOFLAGS-} -mod=mod" command go "${@/%=..\/latchkey/=$ROOT}"
}

# The exports of other systems are samples, in the form of the system.
OLD_DATABASE_URL=postgres://old.internal/app
sample() { cat "$ROOT/impl/transfer/testdata/$1"; }
psql() {
	case $* in
	*'FROM "user"'*) sample fastapi-users.csv ;;
	*'FROM users'*) sample tutorial.csv ;;
	*'FROM auth_user'*) sample django.csv ;;
	*'FROM auth.users'*) sample supabase.csv ;;
	*) grep -q 'LEFT JOIN account' && sample better-auth.csv ;;
	esac
}
sqlite3() { sample pocketbase.csv; }
python() { sample "${@: -1}" >"${@: -1}"; }
kc.sh() { sample "${@: -1}" >"${@: -1}"; }
firebase() { sample "$2" >"$2"; }

# Auth0's support sends a file.
latchkey() {
	case $* in *auth0.ndjson*) sample auth0.ndjson >auth0.ndjson ;; esac
	command latchkey "$@"
}
# There is no Docker here. The tests of deploy run the image, and hand compose.yaml to Compose's own library.
docker() {
	case "$1 $2" in
	'load --input') [[ $3 == bin/image/latchkey-trial-linux-amd64.tar ]] ;;
	'run --rm') [[ ${*: -1} == latchkey:*-trial ]] ;;
	'compose up') sed -n 's/^    file: //p' "$ROOT/compose.yaml" | xargs -n 1 test -s ;;
	*) return 2 ;;
	esac
}
