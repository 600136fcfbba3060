#!/bin/sh
# Tries what some tests need of this machine: can.sh images|package|unit. It prints what is missing, and fails. Without
# an argument it tries all, prints the tests that are left out, and succeeds.
set -eu

if [ $# = 0 ]; then
	missing=$(sh "$0" images) || echo "left out: running the images: $missing"
	missing=$(sh "$0" package) || echo "left out: installing the Debian package: $missing"
	missing=$(sh "$0" unit) || echo "left out: starting the unit by systemd: $missing"
	exit
fi
exec 2>&1
case $1 in
images) # a process with its own mounts and processes; for anybody but root in a user namespace
	root=
	[ "$(id -u)" = 0 ] || root='--user --map-root-user'
	# shellcheck disable=SC2086 # two words or none
	unshare $root --mount --pid --ipc --fork sh -ec 'mount -t tmpfs none /tmp; mount -t proc proc /proc'
	;;
package | unit) # a layer over this system
	[ "$(id -u)" = 0 ] || { echo 'only root can do that'; exit 1; }
	[ "$1" = unit ] || command -v dpkg >/dev/null || { echo 'dpkg is not installed'; exit 1; }
	unshare --mount --pid --ipc --uts --fork sh -ec 'mount -t tmpfs none /tmp; cd /tmp; mkdir upper work root
		mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root; chroot root true'
	;;
esac
if [ "$1" = unit ]; then # and processes in a group of their own
	mounted=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
	[ -n "$mounted" ] || { echo 'no cgroup2 is mounted'; exit 1; }
	group=$(mktemp -d "$mounted$(sed -n 's/^0:://p' /proc/self/cgroup)/latchkey-test-XXXXXX")
	rmdir "$group"
fi
