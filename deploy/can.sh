#!/bin/sh
# Checks what some tests need of this machine: can.sh images|package|unit. It prints what is
# missing, and fails then. Without an argument it checks all, prints a line for what is left out,
# and succeeds.
set -eu

try() {
	missing=$(sh "$0" "$1") || echo "left out: $2: $(echo "$missing" | head -n 1)"
}
if [ $# = 0 ]; then
	try images 'running the images'
	try package 'installing the Debian package'
	try unit 'starting the unit by systemd'
	exit
fi
exec 2>&1
mounts='mount -t tmpfs none /tmp; mount -t proc proc /proc'
layer='mount -t tmpfs none /tmp; cd /tmp; mkdir upper work root
	mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root; mount -t proc proc root/proc; chroot root true'
if [ "$1" = images ]; then # mounts and processes of its own; for anybody but root in a user namespace
	[ "$(id -u)" = 0 ] || exec unshare --user --map-root-user --mount --pid --ipc --fork sh -ec "$mounts"
	exec unshare --mount --pid --ipc --fork sh -ec "$mounts; setpriv --reuid=65532 --regid=65532 --clear-groups true"
fi
[ "$(id -u)" = 0 ] || { echo 'only root can do that'; exit 1; }
if [ "$1" = package ]; then
	command -v dpkg >/dev/null || { echo 'dpkg is not installed'; exit 1; }
else # a control group of its own
	mounted=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
	[ -n "$mounted" ] || { echo 'no cgroup2 is mounted'; exit 1; }
	rmdir "$(mktemp -d "$mounted$(sed -n 's/^0:://p' /proc/self/cgroup)/latchkey-test-XXXXXX")"
fi
exec unshare --mount --pid --ipc --uts --fork sh -ec "$layer"
