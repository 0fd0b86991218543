#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs what is missing of the named lists of packaging/deps/packages by apt or dnf. Does nothing, offline too, when everything is there; as root or with
# sudo it says what it installs and asks nothing; otherwise it prints the command and fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

have() { # PROBE
	case $1 in
	cmd:*) PATH=$PATH:/usr/sbin:/sbin command -v "${1#cmd:}" >/dev/null ;;
	pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
	py:*) /usr/bin/python3 -c "import ${1#py:}" 2>/dev/null ;;
	esac
}

manager=
if command -v apt-get >/dev/null; then
	manager=apt
elif command -v dnf >/dev/null; then
	manager=dnf
fi

lists=" ${*:-build} "
missing=()
while read -r list probe apt dnf; do
	case $list in '' | '#'*) continue ;; esac
	[[ $lists == *" $list "* ]] || continue
	have "$probe" && continue
	packages=$apt
	[ "$manager" = dnf ] && packages=$dnf
	[ "$packages" = - ] || missing+=(${packages//,/ })
done <"$here/packages"

[ ${#missing[@]} -gt 0 ] || exit 0
echo "deps: missing here: ${missing[*]}"
case $manager in
apt) command=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}") ;;
dnf) command=(dnf install -y "${missing[@]}") ;;
*)
	echo "deps: neither apt nor dnf is here; please install them by hand" >&2
	exit 1
	;;
esac

as_root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps: not root and no sudo; run this as root:" >&2
		echo "  ${command[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

# Packages of daemons (nginx, prometheus) must not start them: the tests run their own.
policy=/usr/sbin/policy-rc.d
if [ $manager = apt ] && [ ! -e $policy ]; then
	trap '"${as_root[@]}" rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
	"${as_root[@]}" chmod 755 $policy
fi

echo "deps: ${as_root[*]} ${command[*]}"
# A fresh machine has no package lists; one that has them need not fetch them again.
if [ $manager = apt ] && ! apt-cache show "${missing[0]}" >/dev/null 2>&1; then
	"${as_root[@]}" apt-get update -q
fi
if ! "${as_root[@]}" "${command[@]}"; then
	[ $manager = apt ] || exit 1
	"${as_root[@]}" apt-get update -q
	"${as_root[@]}" "${command[@]}"
fi
