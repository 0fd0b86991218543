#!/bin/bash
# SPDX-License-Identifier: MIT
# libmicrohttpd 1.0 beside an older one: Debian 13's packages, unpacked into a root of their own by
# debootstrap from the mirror that this machine's apt uses; nothing of them is installed. Where that
# cannot be had it says why on stdout and fails.
# Usage: tests/mhd1.sh ROOT
set -euo pipefail
root=$1
suite=trixie
packages=libmicrohttpd12t64,libmicrohttpd-dev

no() {
	echo "$*"
	exit 1
}

# The version that a program gets which is linked with what stands in the root.
version() {
	local dir
	dir=$(mktemp -d)
	echo '#include <microhttpd.h>
#include <stdio.h>
int main(void) { return puts(MHD_get_version()) < 0; }' >"$dir/v.c"
	local lib
	lib=$(echo "$root"/usr/lib/*/libmicrohttpd.so)
	"${CC:-cc}" -isystem "$root/usr/include" -o "$dir/v" "$dir/v.c" "$lib" \
		"-Wl,-rpath,$(dirname "$(realpath "$lib")")" >"$dir/log" 2>&1 && "$dir/v" 2>>"$dir/log" ||
		tail -1 "$dir/log"
	rm -rf "$dir"
}

mirror() {
	apt-get indextargets --format '$(SITE) $(LABEL) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "Debian" && $3 !~ /-/ { print $1; exit }'
}

here=$(pkg-config --modversion libmicrohttpd 2>/dev/null || true)
case $here in
'') no "no libmicrohttpd here: make deps" ;;
0.*) ;;
*) no "this machine's own libmicrohttpd is $here: make check has run with it" ;;
esac

if [ ! -e "$root/done" ]; then
	[ "$(id -u)" = 0 ] || no "debootstrap needs root"
	command -v apt-get >/dev/null || no "no apt here, whose mirror would have it"
	command -v debootstrap >/dev/null || no "no debootstrap here: apt-get install debootstrap"
	from=$(mirror) || true
	[ -n "$from" ] || no "apt knows no Debian mirror here (apt-get update tells it)"
	rm -rf "$root"
	mkdir -p "$root"
	debootstrap --download-only --no-resolve-deps --variant=minbase --include="$packages" \
		"$suite" "$root" "$from" >"$root.log" 2>&1 ||
		no "debootstrap has not got Debian 13: $(tail -1 "$root.log") (see $root.log)"
	for package in ${packages//,/ }; do
		dpkg-deb -x "$root/var/cache/apt/archives/${package}"_*.deb "$root"
	done
	rm -rf "$root/var" "$root/debootstrap"
	touch "$root/done"
fi
got=$(version)
case $got in
1.*) echo "$got" ;;
*) no "Debian 13's libmicrohttpd does not run here: $got" ;;
esac
