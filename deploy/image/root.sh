#!/bin/sh
# Makes the files of the image: root.sh FOLDER GOARCH VERSION [COMMIT DATE]. The Dockerfile runs it, and so does
# make image. COMMIT and DATE are what `latchkey version` prints of the commit.
#   FOLDER/root  the root of the image: the static binary, its user, and the certificates of public authorities
#   FOLDER/data  the empty data folder, which belongs to the user
set -eu
mkdir -p "$1"
made=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
umask 022
rm -rf "$made/root" "$made/data"
mkdir -p "$made/root/usr/bin" "$made/root/etc/ssl/certs" "$made/root/var/lib" "$made/data"
mkdir -m 0700 "$made/data/latchkey"

export GOTOOLCHAIN=auto
CGO_ENABLED=0 GOOS=linux GOARCH=$2 go build -trimpath -buildvcs=false -o "$made/root/usr/bin/latchkey" \
	-ldflags "-s -w -X main.version=$3 -X main.commit=${4-} -X main.date=${5-}" ./cmd/latchkey
echo 'root:x:0:0:root:/:/sbin/nologin
latchkey:x:65532:65532:Latchkey:/var/lib/latchkey:/sbin/nologin' >"$made/root/etc/passwd"
echo 'root:x:0:
latchkey:x:65532:' >"$made/root/etc/group"
cd deploy
go run -trimpath -buildvcs=false ./image/roots >"$made/root/etc/ssl/certs/ca-certificates.crt"
