#!/bin/bash
# SPDX-License-Identifier: MIT
# source.sh [FOLDER]: what a package is built from, as a tar on stdout: everything but the tests.
# What git ignores is left out; without git, what make builds.
# source.sh --date: the seconds of its last commit, without git those of VERSION.
set -euo pipefail
cd "$(dirname "$0")/.."
# A tree of ours, not one we lie in.
mine() { [ -e .git ] && command -v git >/dev/null; }

if [ "${1:-}" = --date ]; then
	if mine; then git log -1 --format=%ct; else stat -c %Y VERSION; fi
	exit
fi
parts=(agent completions console man packaging shared .env.example CHANGELOG.md FLOORS LICENSE
	Makefile README.md SECURITY.md VERSION)
{
	if mine; then
		git ls-files -z -co --exclude-standard -- "${parts[@]}"
	else
		find "${parts[@]}" -type f ! -name '*.o' -print0
	fi
} | while IFS= read -r -d '' name; do
	[ ! -e "$name" ] || printf '%s\0' "$name"
done | LC_ALL=C sort -z |
	tar -c --no-recursion --null --owner=0 --group=0 --numeric-owner --format=ustar \
		--mtime="@${SOURCE_DATE_EPOCH:-0}" --mode=u+rwX,go+rX,go-w ${1:+--transform="s|^|$1/|"} -T -
