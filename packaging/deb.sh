#!/bin/bash
# SPDX-License-Identifier: MIT
# deb.sh VERSION REVISION: the Debian packages of this tree, in build/deb. The same tree makes the
# same bytes: times are those of its last commit, or SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 revision=$2 out=$PWD/build/deb
tree=$out/yijian-$version
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(packaging/source.sh --date)}
export SOURCE_DATE_EPOCH
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX CFLAGS CPPFLAGS LDFLAGS

command -v dpkg-buildpackage >/dev/null || {
	echo 'deb: no dpkg-buildpackage here: Debian packages are built on Debian' >&2
	exit 1
}
rm -rf "$tree" "$out"/yijian*_"$version-$revision"_*
mkdir -p "$tree"
packaging/source.sh | tar -x -C "$tree"
cp -r packaging/debian "$tree/debian"
cat >"$tree/debian/changelog" <<END
yijian ($version-$revision) unstable; urgency=medium

  * Version $version; what is new: CHANGELOG.md.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END

log=$out/build.log
echo "deb: building (log: build/deb/build.log)"
if ! (cd "$tree" && DEB_BUILD_OPTIONS="parallel=$(nproc) noautodbgsym ${DEB_BUILD_OPTIONS:-}" \
	dpkg-buildpackage -b -us -uc) >"$log" 2>&1; then
	tail -30 "$log" >&2
	exit 1
fi
changes=$(echo "$out/yijian_$version-$revision"_*.changes)
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error --tag-display-limit 0 "$changes"
else
	echo 'deb: lintian is not here: not looked at'
fi
rm -rf "$tree"
(cd "$out" && ls -l ./*_"$version-$revision"_*.deb)
