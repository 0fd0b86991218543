#!/bin/bash
# SPDX-License-Identifier: MIT
# Light synthetic traffic for `make run`: a few requests a second of every kind the gateway speaks,
# until killed. One line per request: status, seconds, path.
#   traffic.sh GATEWAY_URL
set -u
gateway=$1
trap 'kill $(jobs -p) 2>/dev/null; exit 0' TERM INT

call() { # PATH JSON
	curl -sN -m 30 -o /dev/null -w '%{http_code} %{time_total} %{url_effective}\n' \
		-H 'Content-Type: application/json' -d "$2" "$gateway$1"
}
words=(weather poem recipe summary translation refactoring)
for ((i = 0; ; i++)); do
	ask="\"messages\":[{\"role\":\"user\",\"content\":\"a short ${words[i % 6]}, number $i\"}]"
	case $((i % 8)) in
	0 | 2 | 5) call /v1/chat/completions "{\"model\":\"chat\",$ask}" & ;;
	1 | 4 | 7) call /v1/chat/completions "{\"model\":\"chat\",\"stream\":true,$ask}" & ;;
	3) call /v1/embeddings "{\"model\":\"embeddings\",\"input\":\"text $i\"}" & ;;
	6) call /v1/images/generations "{\"model\":\"text_to_image\",\"prompt\":\"a cat $i\",\"size\":\"1024x1024\"}" & ;;
	esac
	sleep 0.3
done
