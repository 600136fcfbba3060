#!/bin/sh
# deb.sh FIRST SECOND FOLDER installs the package FIRST, upgrades it to SECOND, removes it and
# purges it. All changes are in a layer over this system, which ends with its mount namespace.
set -eu
layer=$3
mount -t tmpfs none "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
mount --rbind /dev "$layer/root/dev"
cp "$1" "$layer/root/first.deb"
cp "$2" "$layer/root/second.deb"
cat >"$layer/root/check.sh" <<'CHECK'
set -eux
is() { test "$(stat -c '%a %U %G' "$1")" = "$2"; }
cd /etc

dpkg --install /first.deb
latchkey version
is /usr/bin/latchkey '755 root root'
is /lib/systemd/system/latchkey.service '644 root root'
is /etc/latchkey '700 root root'
is /etc/latchkey/latchkey.env '600 root root'
is /etc/latchkey/secret-key '600 root root'
test "$(wc -c </etc/latchkey/secret-key)" = 65
dpkg --verify latchkey
gzip -t /usr/share/doc/latchkey/third-party-licenses.tar.gz
# The key is one that the server takes: it complains about the database.
LATCHKEY_SECRET_KEY_FILE=/etc/latchkey/secret-key LATCHKEY_DATABASE_URL=postgres://127.0.0.1:1/none \
	LATCHKEY_DATABASE_WAIT=1ms latchkey serve >/said 2>&1 && exit 1
cat /said
grep -q 'connection refused' /said

# An upgrade keeps what the administrator has changed, and the key.
echo 'LATCHKEY_ADDR=127.0.0.1:9000' >>/etc/latchkey/latchkey.env
cp latchkey/secret-key /key
dpkg --install /second.deb
grep -q 127.0.0.1:9000 latchkey/latchkey.env
cmp latchkey/secret-key /key
dpkg-query --show latchkey | grep -q '99\.0\.0$'

# A removal keeps the settings, a purge keeps nothing.
dpkg --remove latchkey
test ! -e /usr/bin/latchkey
test -e latchkey/secret-key
dpkg --purge latchkey
test ! -e latchkey
! dpkg-query --show latchkey
CHECK
chroot "$layer/root" sh /check.sh 2>&1
