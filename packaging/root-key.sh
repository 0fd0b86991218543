#!/bin/sh
# SPDX-License-Identifier: MIT
# root-key [FILE]: makes the root key that opens the agent's key store, unless there is one; never
# overwrites. Run by the packages, and by hand after `make install`. A state that was begun without
# a package has its key beside it: that one is taken over. Where there is a state and no key at all
# none is made, as a new one would open nothing: bring back the old one.
set -eu
umask 077
key=${1:-/etc/yijian/root.key}
state=${YIJIAN_STATE_DIR:-/var/lib/yijian}

if [ -e "$key" ] || [ -L "$key" ]; then
	exit 0
fi
new=$(mktemp "${key%/*}/.root.key.XXXXXX")
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
if [ -f "$state/root.key" ]; then
	cat "$state/root.key" >"$new"
	said="copied from $state/root.key, which can be deleted"
elif [ -e "$state/yijian.db" ] || [ -e "$state/snapshot.json" ]; then
	echo "root-key: $state has a database, but $key is gone:" >&2
	echo "  bring the file back (mode 0600, root); a new one would open none of the stored keys" >&2
	exit 1
else
	od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$new"
	echo >>"$new"
	[ "$(wc -c <"$new")" -eq 65 ] # 64 digits and the newline
	said="keep a copy elsewhere: without it the stored vendor keys cannot be opened"
fi
sync "$new"
ln "$new" "$key" 2>/dev/null || [ -e "$key" ] # whoever was first has made it
sync "${key%/*}"
echo "root-key: $key is there; $said"
