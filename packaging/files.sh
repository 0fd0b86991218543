#!/bin/bash
# SPDX-License-Identifier: MIT
# Reads packaging/files for those who install.
#   files.sh list [PACKAGE]   mode, kind, source and destination of what the scope has
#   files.sh install          puts it under DESTDIR; an edited conf file is left, the new one is NAME.new
#   files.sh uninstall        takes it away again; an edited conf file and full folders stay
#   files.sh deb PACKAGE      paths for debian/PACKAGE.install
#   files.sh rpm PACKAGE      rows for %files
# The folders come from the environment, as `make install` sets them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
SCOPE=${SCOPE:-system} B=${B:-build} DESTDIR=${DESTDIR:-} PREFIX=${PREFIX:-/usr/local}
DATADIR=${DATADIR:-$PREFIX/share}

expand() { # DESTINATION
	local to=$1
	to=${to/\{bin\}/${BINDIR:-$PREFIX/bin}}
	to=${to/\{sbin\}/${SBINDIR:-$PREFIX/sbin}}
	to=${to/\{libexec\}/${LIBEXECDIR:-$PREFIX/libexec}}
	to=${to/\{man\}/${MANDIR:-$DATADIR/man}}
	to=${to/\{doc\}/${DOCDIR:-$DATADIR/doc}}
	to=${to/\{data\}/$DATADIR}
	to=${to/\{zsh\}/${ZSHDIR:-site-functions}}
	if [ "$SCOPE" = user ]; then
		to=${to/\{unit\}/${UNITDIR:-$DATADIR/systemd/user}}
	else
		to=${to/\{unit\}/${UNITDIR:-$PREFIX/lib/systemd/system}}
	fi
	to=${to/\{sysusers\}/${SYSUSERSDIR:-$PREFIX/lib/sysusers.d}}
	to=${to/\{tmpfiles\}/${TMPFILESDIR:-$PREFIX/lib/tmpfiles.d}}
	to=${to/\{etc\}/${SYSCONFDIR:-/etc}}
	printf '%s' "$to"
}

list() { # [PACKAGE]
	local package scope kind mode from to
	while read -r package scope kind mode from to; do
		case $package in '' | '#'*) continue ;; esac
		[ -z "${1:-}" ] || [ "$package" = "$1" ] || continue
		[ "$scope" = both ] || [ "$scope" = "$SCOPE" ] || continue
		printf '%s\t%s\t%s\t%s\n' "$mode" "$kind" "${from/#build\//$B/}" "$(expand "$to")"
	done <"$here/files"
}

# A unit with its folders; a socket with its service, from its name, and that one's default addresses.
unit() { # FROM TO
	local service=${2##*/yijiand-} addresses listen='' manager=''
	service=${service%.socket}
	if [ "${2%.socket}" != "$2" ]; then
		addresses=${service^^}
		addresses=$(sed -n "s/^#YIJIAN_LISTEN_${addresses//-/_}=//p" "$here/../.env.example")
		[ -n "$addresses" ] || { echo "files.sh: no default addresses of $service" >&2; exit 1; }
		listen=ListenStream=${addresses//,/\\nListenStream=}
	fi
	[ "$SCOPE" = system ] || manager='--user '
	sed -e "s|@USER@|$manager|g" -e "s|@SBINDIR@|${SBINDIR:-$PREFIX/sbin}|g" -e "s|@SYSCONFDIR@|${SYSCONFDIR:-/etc}|g" \
		-e "s|@SOCKETS@|$(list | sed -n 's|.*/\(yijiand-[a-z-]*\.socket\)$|\1|p' | tr '\n' ' ' | sed 's/ $//')|g" \
		-e "s|@SERVICE@|$service|g" -e "s|@LISTEN@|$listen|" "$1"
}

put() { # MODE KIND FROM TO
	local to=$DESTDIR$4
	case $2 in
	dir) install -d -m "$1" "$to" ;;
	conf)
		rm -f "$to.new"
		if [ -e "$to" ] && ! cmp -s "$3" "$to"; then
			echo "kept $to, as it was edited; the new one is $to.new"
			to=$to.new
		fi
		[ -e "$to" ] || install -D -m "$1" "$3" "$to"
		;;
	unit) unit "$3" "$4" | install -D -m "$1" /dev/stdin "$to" ;;
	*) install -D -m "$1" "$3" "$to" ;;
	esac
	# A script has nothing to strip.
	if [ "$2" = prog ] && [ -n "${STRIP:-}" ] && [ "${3%.sh}" = "$3" ]; then "$STRIP" "$to"; fi
}

take() { # KIND FROM TO
	local to=$DESTDIR$3
	case $1 in
	dir) ;;
	conf)
		rm -f "$to.new"
		if [ -e "$to" ] && ! cmp -s "$2" "$to"; then echo "kept $to, as it was edited"; else rm -f "$to"; fi
		;;
	*) rm -f "$to" ;;
	esac
	[ "$1" = dir ] || to=${to%/*}
	# Only folders that bear our name are ours to remove.
	while [[ ${to##*/} == yijian* || $to == */yijian/* ]] && rmdir "$to" 2>/dev/null; do to=${to%/*}; done
}

case ${1:-} in
list) list "${2:-}" ;;
install) list | while IFS=$'\t' read -r mode kind from to; do put "$mode" "$kind" "$from" "$to"; done ;;
uninstall) list | while IFS=$'\t' read -r mode kind from to; do take "$kind" "$from" "$to"; done ;;
deb) list "$2" | while IFS=$'\t' read -r mode kind from to; do
	# debhelper makes a folder without files by another list.
	if [ "$kind" = dir ]; then echo "${to#/}" >>"$3"; else echo "${to#/}"; fi
done ;;
rpm) list "$2" | while IFS=$'\t' read -r mode kind from to; do
	case $kind-$to in
	dir-*) echo "%dir %attr($mode,root,root) $to" ;;
	# The group is made and given after the files are there.
	conf-*) echo "%config(noreplace) %verify(not group) %attr($mode,root,root) $to" ;;
	*/man/*) echo "%attr($mode,root,root) $to*" ;; # rpm packs pages as it likes
	*/doc/*) echo "%doc %attr($mode,root,root) $to" ;;
	*) echo "%attr($mode,root,root) $to" ;;
	esac
done ;;
*)
	echo 'usage: files.sh list [PACKAGE] | install | uninstall | deb PACKAGE DIRS | rpm PACKAGE' >&2
	exit 2
	;;
esac
