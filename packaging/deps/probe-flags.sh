#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints make variables with those warning and hardening flags that this compiler and linker take.
# Usage: probe-flags.sh CC > flags.mk
set -u
cc=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
echo 'int main(void) { return 0; }' >"$dir/t.c"

# The flag alone decides: "unknown option" warnings of clang and "ignored" of a linker are refusals.
takes() {
	$cc -Werror -Wl,--fatal-warnings "$@" -o "$dir/t" "$dir/t.c" >/dev/null 2>&1
}

collect() {
	name=$1
	shift
	out=
	for flag in "$@"; do
		takes $flag && out="$out $flag"
	done
	echo "$name :=$out"
}

takes || { echo "probe-flags: '$cc' does not build an empty program" >&2; exit 1; }

collect PROBED_WARN -Wall -Wextra -Wformat=2 -Wformat-overflow=2 -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wvla \
	-Wimplicit-fallthrough -Wduplicated-cond -Wlogical-op -Wtrampolines -Wbidi-chars=any \
	-Wno-missing-field-initializers -Wno-format-nonliteral -Werror=format-security \
	-Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
collect PROBED_CONVERSION -Wconversion -Wno-sign-conversion
collect PROBED_HARDEN -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks -fno-strict-overflow \
	-fno-strict-aliasing -fstrict-flex-arrays=3 -fzero-init-padding-bits=all
collect PROBED_LDHARDEN -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen \
	-Wl,-z,separate-code -Wl,--as-needed -Wl,--no-copy-dt-needed-entries -Wl,--gc-sections

# Addresses of tables packed: 120 KB less of the agent. The C library that starts it has to know them.
if takes -fPIE -pie -Wl,-z,pack-relative-relocs && "$dir/t"; then
	echo "PROBED_LDHARDEN += -Wl,-z,pack-relative-relocs"
fi

# glibc warns when it does not know the level, so the highest silent one is taken.
echo '#include <string.h>
int main(void) { return 0; }' >"$dir/t.c"
fortify=
for level in 3 2; do
	if takes -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$level; then
		fortify="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$level"
		break
	fi
done
echo "PROBED_FORTIFY := $fortify"
