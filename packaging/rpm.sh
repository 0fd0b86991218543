#!/bin/bash
# SPDX-License-Identifier: MIT
# rpm.sh VERSION REVISION: the source rpm of this tree and the binary ones, in build/rpm. Where rpm is
# not the host's own package manager the binaries show that the spec is right, and are named so: what
# they require are that host's libraries. The same tree makes the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 revision=$2 top=$PWD/build/rpm
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(packaging/source.sh --date)}
export SOURCE_DATE_EPOCH
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX CFLAGS CPPFLAGS LDFLAGS

own=yes more=()
if ! rpm -qf "$(command -v rpm)" >/dev/null 2>&1; then
	own=
	# No database knows what is installed here, and no debugging symbols are cut out.
	more=(--nodeps --define 'dist .speccheck' --define 'debug_package %{nil}')
fi

rm -rf "$top"
mkdir -p "$top"/{SOURCES,SPECS}
packaging/source.sh "yijian-$version" | gzip -9n >"$top/SOURCES/yijian-$version.tar.gz"
sed -e "s|@VERSION@|$version|g" -e "s|@REVISION@|$revision|g" \
	-e "s|@DATE@|$(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')|" \
	-e "s|@SOCKETS@|$(grep -o 'yijiand-[a-z-]*[.]socket$' packaging/files | tr '\n' ' ')|" \
	packaging/rpm/yijian.spec.in >"$top/SPECS/yijian.spec"

log=$top/build.log
echo 'rpm: building (log: build/rpm/build.log)'
build() { # -bs or -bb, OPTION...
	rpmbuild "$@" --define "_topdir $top" --define '_buildhost yijian' \
		--define 'packager Yijian <packages@yijian.invalid>' \
		--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
		"$top/SPECS/yijian.spec"
}
if ! { build -bs --nodeps && build -bb "${more[@]}"; } >"$log" 2>&1; then
	tail -30 "$log" >&2
	exit 1
fi
rm -rf "$top/BUILD" "$top/BUILDROOT"
rpms=("$top"/RPMS/*/*.rpm)

echo 'rpm: installed into an empty root and verified'
rm -rf "$top/root"
rpm --root "$top/root" --initdb
rpm --root "$top/root" -i --nodeps --noscripts "${rpms[@]}"
for package in yijiand yijian; do rpm --root "$top/root" -V --nodeps --noscripts "$package"; done
rm -rf "$top/root"
echo 'rpm: what runs at an install and a removal of yijiand'
rpm -qp --scripts "${rpms[@]}" 2>/dev/null | sed 's/^/  /'
if command -v rpmlint >/dev/null; then
	rpmlint -c packaging/rpm/rpmlint.toml "$top/SPECS/yijian.spec" "${rpms[@]}" "$top"/SRPMS/*.rpm
else
	echo 'rpm: rpmlint is not here: not looked at'
fi
(cd "$top" && ls -l SRPMS/*.rpm RPMS/*/*.rpm)
[ -n "$own" ] || echo 'rpm: rpm is not the package manager of this host: the binary rpms (.speccheck) show that the
rpm: spec is right and are not for installing; build the source rpm on the host that shall have them'
