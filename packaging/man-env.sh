#!/bin/sh
# SPDX-License-Identifier: MIT
# man-env.sh <yijiand(8): the page yijiand.env(5), whose settings are those of the agent's page, by
# their names in the file.
set -eu
exec awk '
/^\.TH / {
	sub(/YIJIAND 8/, "YIJIAND.ENV 5")
	print
	print ".SH NAME\nyijiand.env \\- settings of the agent of the Yijian model platform"
	print ".SH SYNOPSIS\n.I /etc/yijian/yijiand.env"
	print ".SH DESCRIPTION"
	print "Lines of the form"
	print ".IR NAME = VALUE ,"
	print "with quotes around the value or without. Empty lines and those that begin with # or ; say"
	print "nothing; an empty value leaves the default; a name that is not below is an error. The"
	print "environment wins over the file, a flag of"
	print ".BR yijiand (8)"
	print "over both. Vendor keys are never settings."
	next
}
/^\.SH / { on = /SETTINGS/; if (on) print ".SH SETTINGS"; next }
!on { next }
/^\.TP/ { item = 1; word = ""; next }
item && /^\.B \\-\\-/ { if (match($0, /\\fI.*\\fR/)) word = substr($0, RSTART, RLENGTH); next }
item && /^\.B YIJIAN_/ && word == "" { word = "\\fItrue\\fR|\\fIfalse\\fR" }
item && /^\.B YIJIAN_/ { print ".TP\n.BR " $2 " =" word; open = 1; next }
open && /^\.br/ { open = 0; next }
item { print }
END { print ".SH SEE ALSO\n.BR yijiand (8),\n.BR yijian (1),\n.BR systemd.unit (5)" }'
