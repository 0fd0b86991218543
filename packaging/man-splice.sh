#!/bin/sh
# SPDX-License-Identifier: MIT
# man-splice.sh PROSE <page: the hand-written sections before SEE ALSO, or at the end.
set -eu
[ -f "$1" ] || exec cat
exec awk -v prose="$1" '
function splice(line) { while ((getline line < prose) > 0) print line; done = 1 }
/^\.SH "?SEE ALSO/ && !done { splice() }
{ print }
END { if (!done) splice() }'
