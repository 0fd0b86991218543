#!/bin/bash
# SPDX-License-Identifier: MIT
# source.sh [PREFIX]: what a package is built from, as a tar on stdout: everything but the tests.
# What git ignores is left out; without git, what make builds.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=(agent completions console man packaging shared .env.example CHANGELOG.md FLOORS LICENSE
	Makefile README.md SECURITY.md VERSION)
{
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -z -co --exclude-standard -- "${parts[@]}"
	else
		find "${parts[@]}" -type f ! -name '*.o' -print0
	fi
} | while IFS= read -r -d '' name; do
	[ ! -e "$name" ] || printf '%s\0' "$name"
done | LC_ALL=C sort -z |
	tar -c --no-recursion --null --owner=0 --group=0 --numeric-owner --format=ustar \
		--mtime="@${SOURCE_DATE_EPOCH:-0}" --mode=u+rwX,go+rX,go-w ${1:+--transform="s|^|$1/|"} -T -
