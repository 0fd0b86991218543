#!/bin/bash
# SPDX-License-Identifier: MIT
# `make run`: the platform on this machine. An agent on scratch state, simulated vendors on
# loopback, a few requests a second, and the console; without a terminal it prints the URLs and the
# dashboard once and serves until SIGINT or SIGTERM. YIJIAN_RUN_ONCE=1 ends after printing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "run: $*"; }
die() {
	echo "run: $*" >&2
	exit 1
}

[ -x build/yijiand ] && [ -x build/vendord ] || die "build/yijiand and build/vendord are needed; run make"

# Each run has its own directory; a second run beside the first takes the next one.
for n in 1 2 3 4 5 6 7 8 9; do
	dir=$PWD/build/run/$n
	mkdir -p "$dir"
	exec 9>"$dir/lock"
	flock -n 9 && break
	dir=
done
[ -n "$dir" ] || die "nine runs are going already"
state=$dir/state
rm -rf "$state" "$dir"/*.log "$dir"/*.port
mkdir -m 700 -p "$state"

children=()
stop() {
	trap - EXIT INT TERM HUP
	[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
	wait || true
}
trap stop EXIT
trap 'exit 0' INT TERM HUP

start() { # NAME COMMAND...
	local name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 </dev/null 9>&- &
	children+=($!)
}

await() { # WHAT TEST...: up to ten seconds, by looking again; the children must stay alive
	local what=$1 tries=0
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 200 ] || ! kill -0 "${children[@]}" 2>/dev/null; then
			tail -n 20 "$dir"/*.log >&2
			die "$what did not start; the logs are in $dir"
		fi
		sleep 0.05
	done
}

taken() { # PORT: does somebody listen there
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || (exec 3<>"/dev/tcp/::1/$1") 2>/dev/null
}

vendor_url() { # NAME
	echo "http://127.0.0.1:$(cat "$dir/$1.port")"
}

# ---- simulated vendors ----
declare -A flavours=([openai]=openai [aliyun]=dashscope [vllm]=vllm)
vendor() { # NAME FLAVOUR LATENCY_MS OPTION...
	start "vendor-$1" build/vendord --listen 127.0.0.1:0 --port-file "$dir/$1.port" \
		--flavour "$2" --latency-ms "$3" --label "simulated $1" "${@:4}"
}
vendor openai openai 80
vendor aliyun dashscope 140
vendor vllm vllm 40 --no-auth --pace-ms 15
for name in openai aliyun vllm; do
	await "the simulated $name" test -s "$dir/$name.port"
done

# ---- the agent ----
export YIJIAN_STATE_DIR=$state YIJIAN_SIMULATED=1 YIJIAN_ALLOW_LOOPBACK_UPSTREAMS=1
ports=(8000 8001 8002 8003 8004)
services=(API_GATEWAY CONFIG_CENTER KEY_MANAGER SERVICE_REGISTRY ROUTER_ENGINE)
for port in "${ports[@]}"; do
	if taken "$port"; then
		say "port $port is taken, so this run uses free ports"
		for service in "${services[@]}"; do
			export "YIJIAN_LISTEN_$service=127.0.0.1:0,[::1]:0"
		done
		break
	fi
done
start yijiand build/yijiand
await yijiand test -s "$state/ports.json"
port_of() { # SERVICE
	sed -n "s/.*\"$1\": *\[\"127\.0\.0\.1:\([0-9]*\)\".*/\1/p" <(tr -d '\n' <"$state/ports.json")
}
gateway=http://127.0.0.1:$(port_of api-gateway)
await "the gateway" curl -fs "$gateway/healthz"
export YIJIAN_AGENT=$gateway

# ---- simulated keys and one simulated instance ----
post() { # PATH JSON
	curl -fsS -o /dev/null -H 'Content-Type: application/json' -d "$2" "$gateway$1" ||
		die "POST $1 was refused; see $dir/yijiand.log"
}
key() { # VENDOR SERVICE TIER BASE_URL
	post /api/v1/keys "{\"vendor\":\"$1\",\"service\":\"$2\",\"key_name\":\"simulated $1 $2\",
		\"api_key\":\"sk-simulated-$1-$2-0000000000000000\",\"tier\":\"$3\",\"base_url\":\"$4\"}"
}
for service in dalle gpt-4 embeddings; do
	key openai $service primary "$(vendor_url openai)/v1"
done
key aliyun qwen secondary "$(vendor_url aliyun)/compatible-mode/v1"
key aliyun wanx secondary "$(vendor_url aliyun)"
post /api/v1/services "{\"service\":\"simulated-vllm\",\"id\":\"gpu1\",\"display_name\":\"simulated vLLM\",
	\"url\":\"$(vendor_url vllm)/v1\",\"engine\":\"vllm\",\"features\":[\"chat\"]}"

# ---- light synthetic traffic ----
start traffic packaging/traffic.sh "$gateway"
await "the first traffic" grep -q . "$dir/traffic.log"

if [ -t 0 ] && [ -t 1 ] && [ -x build/yijian ] && [ -z "${YIJIAN_RUN_ONCE:-}" ]; then
	build/yijian console || die "the console ended with status $?"
	exit 0
fi

say "everything here is simulated; the logs are in ${dir#"$PWD"/}"
for service in api-gateway config-center key-manager service-registry router-engine; do
	printf '  %-17s http://127.0.0.1:%s\n' "$service" "$(port_of "$service")"
done
[ ! -x build/yijian ] || build/yijian status || : # what is not ready yet comes up while it runs
[ -z "${YIJIAN_RUN_ONCE:-}" ] || exit 0
say "serving; SIGINT or SIGTERM stops it"
wait -n "${children[@]}" || true
tail -n 20 "$dir/yijiand.log" >&2
die "a program ended by itself; the logs are in $dir"
