#!/bin/bash
# SPDX-License-Identifier: MIT
# The packages tried for real: a booted Debian (systemd-nspawn, loopback only) in which the debs are
# installed, run, restarted and upgraded under load, removed and purged. Takes some minutes; the first
# time debootstrap fetches the root. Where it cannot run it says why and exits 77.
# The machine has this host's release; LAB_RELEASE=trixie takes another one, and builds the packages in a
# root of that. LAB_KEEP=1 leaves it running,
# LAB_RESTARTS=N restarts N times under load instead of 10, LAB_UPGRADES=N upgrades N times instead of 2,
# LAB_FAILURES=N has N hand-overs fail instead of 3 of each kind.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
suite=${LAB_RELEASE:-$here}
lab=$PWD/build/lab
base=$lab/root.$suite builder=$lab/build.$suite run=$lab/run.$$
failed=0 nspawn='' machine=''

skip() {
	echo "lab: skipped: $*"
	exit 77
}
step() { printf -- '-- %s\n' "$*"; }
ok() { # WHAT COMMAND...: the command must succeed; what it said is shown when it does not
	local what=$1
	shift
	if "$@" >"$run/said" 2>&1; then
		echo "ok      $what"
	else
		echo "FAILED  $what"
		sed 's/^/          /' "$run/said" | tail -15
		failed=$((failed + 1))
	fi
}
guest() { nsenter -t "$machine" -a -- "$@"; }
sh_in() { guest bash -c "$1"; }
has() { sh_in "$2" | grep -E -- "$1" >/dev/null; } # PATTERN SCRIPT; it is read to its end
await() { # SECONDS SCRIPT: looks again until it succeeds
	local end=$((SECONDS + $1))
	until sh_in "$2" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# ---- what it needs ----
[ "$(id -u)" = 0 ] || skip 'systemd-nspawn needs root'
for tool in systemd-nspawn debootstrap nsenter dpkg-deb; do
	command -v $tool >/dev/null || skip "no $tool here: packaging/deps/install.sh lab"
done
[ -x build/vendord ] || skip 'no build/vendord: make'
[ -n "$suite" ] || skip 'this host has no release that debootstrap could make'
mirror=$(apt-get indextargets --format '$(SITE) $(LABEL) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
	awk '($2 == "Debian" || $2 == "Ubuntu") && $3 !~ /-/ { print $1; exit }')
[ -n "$mirror" ] || skip 'apt knows no mirror here (apt-get update tells it)'
mkdir -p "$run"
exec > >(tee "$lab/log") 2>&1

# ---- the packages: two builds, and one of them again from another folder ----
version=$(cat VERSION)
arch=$(dpkg --print-architecture)
debian() { # ROOT NEEDS PACKAGE...: a root of the release that has them, made anew when NEEDS are others
	local root=$1 needs=$2
	[ "$(cat "$root/.needs" 2>/dev/null)" != "$needs" ] || return 0
	rm -rf "$root"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,curl,python3,procps \
		"$suite" "$root" "$mirror" >"$lab/debootstrap.log" 2>&1 ||
		skip "debootstrap has not got $suite: $(tail -1 "$lab/debootstrap.log")"
	# What is needed comes from the mirror now: the machine has no way out.
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -qy --no-install-recommends $needs \
		>>"$lab/debootstrap.log" 2>&1 || skip "apt has not got: $needs (see $lab/debootstrap.log)"
	echo "$needs" >"$root/.needs"
}
make_in() { # FOLDER ARGUMENT...: make, in the root of the other release where the folder is in that
	case $1 in
	"$builder"/*) systemd-nspawn -q -D "$builder" --register=no --keep-unit --private-network --pipe \
		--setenv=SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-}" make -s -C "${1#"$builder"}" "${@:2}" </dev/null ;;
	*) make -s -C "$@" ;;
	esac
}
build() { # REVISION FOLDER
	make_in "$2" deb REVISION="$1" >"$run/build.log" 2>&1 || {
		tail -20 "$run/build.log"
		exit 1
	}
	cp "$2"/build/deb/*_"$version-$1"_"$arch".deb "$run/"
}
step 'packages'
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(packaging/source.sh --date)}
export SOURCE_DATE_EPOCH
tree=. elsewhere=$run
if [ "$suite" != "$here" ]; then
	debian "$builder" "$(awk '$1 == "build" || $1 == "deb" { gsub(",", " ", $3); print $3 }' \
		packaging/deps/packages | tr '\n' ' ')"
	tree=$builder/root/tree elsewhere=$builder/root
	rm -rf "$tree"
	mkdir "$tree"
	packaging/source.sh | tar -x -C "$tree"
	tar -c tests/vendord | tar -x -C "$tree"
	make_in "$tree" build/vendord >"$run/build.log" 2>&1 || skip "no vendord for $suite: $(tail -1 "$run/build.log")"
fi
build 1 "$tree"
(cd "$run" && sha256sum -- *.deb >sums && rm -- *.deb)
rm -rf "$elsewhere/elsewhere"
packaging/source.sh elsewhere | tar -x -C "$elsewhere"
build 1 "$elsewhere/elsewhere"
ok 'built twice, in two folders: the same bytes' sh -c "cd '$run' && sha256sum -c sums"
build 2 "$tree"
rm -rf "$elsewhere/elsewhere"

# ---- the machine ----
step "machine: $suite"
debian "$base" "$(for package in "$run"/*-1_"$arch".deb; do dpkg-deb -f "$package" Depends; done |
	tr ',' '\n' | sed 's/|.*//; s/(.*//; s/ //g' | sort -u | tr '\n' ' ')libpam-systemd" # units of a user's own
root=$run/root
cp -a --reflink=auto "$base" "$root"
cp "$run"/*.deb packaging/lab-load.py "$tree/build/vendord" "$root/root/"

end() {
	trap - EXIT
	[ -z "$machine" ] || journal >"$lab/journal" 2>&1 || true # of the service, for who looks into a failure
	if [ -n "${LAB_KEEP:-}" ] && [ -n "$machine" ]; then
		echo "lab: left running: nsenter -t $machine -a bash; its root is $root"
		exit 1
	fi
	[ -z "$machine" ] || guest systemctl poweroff >/dev/null 2>&1 || true
	if [ -n "$nspawn" ]; then
		for _ in $(seq 100); do
			kill -0 "$nspawn" 2>/dev/null || break
			sleep 0.1
		done
		kill "$nspawn" 2>/dev/null || true
		wait "$nspawn" 2>/dev/null || true
	fi
	rm -rf "$run"
}
trap end EXIT
trap 'echo "lab: ended in line $LINENO"' ERR
trap 'exit 1' INT TERM HUP

boot() {
	machine=
	setsid systemd-nspawn -q -D "$root" --register=no --keep-unit --private-network --resolv-conf=off -b \
		</dev/null >"$lab/console.log" 2>&1 &
	nspawn=$!
	for _ in $(seq 300); do
		machine=$(pgrep -P $nspawn -f '^(/usr)?/(lib/systemd/systemd|sbin/init)' || true)
		[ -z "$machine" ] || ! guest systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' || break
		machine=
		kill -0 $nspawn 2>/dev/null || break
		sleep 0.2
	done
	[ -n "$machine" ] || return 1
	guest ip link set lo up 2>/dev/null || true
}
boot || skip "a machine does not boot here: $(tail -1 "$lab/console.log" | tr -d '\r')"

files() { sh_in "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \
	-o -path /root -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt \
	-o -path /home -o -path /usr/lib/locale -o -path /var/lib/ucf -o -path /var/tmp \\) -prune -o -print" | sort; }
apt() { guest env DEBIAN_FRONTEND=noninteractive apt-get -y -q "$@"; }
unit() { guest systemctl show yijiand.service -p "$1" --value; }
journal() { guest journalctl -u yijiand.service -o cat --no-pager; }
load() { # until `unload`; MS: longer than that no request may wait
	guest rm -f /root/stop
	guest python3 /root/lab-load.py /root/stop "${1:-1000}" >"$run/load" 2>&1 &
	loader=$!
	sleep 1 # requests are under way
}
unload() { # WHAT
	sleep 1
	guest touch /root/stop
	ok "$1" wait $loader
	sed 's/^/          /' "$run/load"
	ok 'each picture was made once' pictures
}
pictures() { # what the vendors were asked for, against what the callers got
	for port in 9102 9103; do sh_in "curl -s -X GET 127.0.0.1:$port/_sim/stats; curl -s -X DELETE 127.0.0.1:$port/_sim/stats >/dev/null"; done |
		python3 -c 'import json, sys
made = sum(json.loads(line)["images_submitted"] for line in sys.stdin if line.strip())
got = sum(kind["requests"] for kind in map(json.loads, open(sys.argv[1])) if kind.get("kind") in ("pictures", "tasks"))
print(f"{made} made, {got} got")
sys.exit(made != got)' "$run/load"
}

# ---- install ----
step 'install from local files'
files >"$run/before"
ok 'apt installs both packages' apt install /root/yijiand_"$version"-1_"$arch".deb /root/yijian_"$version"-1_"$arch".deb
ok 'the service is running' guest systemctl is-active yijiand.service
for service in api-gateway config-center key-manager service-registry router-engine; do
	ok "the socket of $service is held by systemd" guest systemctl is-active "yijiand-$service.socket"
done
ok 'user and groups are there' sh_in 'getent passwd yijian && getent group yijian-admin yijian-operator yijian-view'
ok 'the root key is root'\''s alone' has '^600 root root$' 'stat -c "%a %U %G" /etc/yijian/root.key'
ok 'the settings file is the agent'\''s to read, not everybody'\''s' has '^640 root yijian$' 'stat -c "%a %U %G" /etc/yijian/yijiand.env'
ok 'the state is the agent'\''s alone' has '^700 yijian yijian$' 'stat -c "%a %U %G" /var/lib/yijian'
guest systemctl status yijiand.service --no-pager -n 3 | sed 's/^/          /' || true

ok 'root may ask whether the settings are valid' has '^the settings are valid$' 'yijiand --check-config'
ok 'and is told no trouble that the service has not' sh_in 'test -z "$(yijiand --check-config 2>&1 >/dev/null)"'

# ---- use ----
step 'the runbook'
for port in 8000 8001 8002 8003 8004; do
	ok "GET :$port/healthz" sh_in "curl -sf http://localhost:$port/healthz && curl -sf -6 'http://[::1]:$port/healthz'"
done
ok 'GET features' has text_to_image 'curl -sf http://localhost:8001/api/v1/features'
ok 'GET features/text_to_image' sh_in 'curl -sf http://localhost:8001/api/v1/features/text_to_image'
ok 'GET keys' sh_in 'curl -sf http://localhost:8002/api/v1/keys'
ok 'GET services' has api-gateway 'curl -sf http://localhost:8003/api/v1/services'
ok 'POST route/text_to_image' has '"chosen": ?null' "curl -sf -X POST http://localhost:8004/api/v1/route/text_to_image -H 'Content-Type: application/json' -d '{\"prompt\":\"a cat\",\"width\":1024,\"height\":1024}'"
ok 'POST keys' has '"id": ?"key_' "curl -sf http://localhost:8002/api/v1/keys -d '{\"vendor\":\"openai\",\"service\":\"dalle\",\"key_name\":\"OpenAI DALL-E Key\",\"api_key\":\"sk-lab-0000000000000000000000\",\"tier\":\"primary\"}'"
ok 'the console' has 'OpenAI DALL-E Key' 'yijian key list'

step 'who may'
sh_in 'for role in operator view; do useradd -M -G yijian-$role lab-$role; done; useradd -M lab-stranger'
as() { has "$2" "runuser -u lab-$1 -- $3"; } # USER PATTERN COMMAND
ok 'a stranger is refused, with the fix' as stranger 'yijian-view' 'curl -s http://localhost:8002/api/v1/keys'
ok 'a stranger is refused on the socket, too' as stranger 403 'curl -s -o /dev/null -w "%{http_code}" --unix-socket /run/yijian/agent.sock http://localhost/api/v1/keys'
ok 'a viewer reads' as view 200 'curl -s -o /dev/null -w "%{http_code}" http://localhost:8002/api/v1/keys'
ok 'a viewer reads over the socket' as view 200 'curl -s -o /dev/null -w "%{http_code}" --unix-socket /run/yijian/agent.sock http://localhost/api/v1/keys'
ok 'a viewer changes nothing' as view 403 'curl -s -o /dev/null -w "%{http_code}" http://localhost:8003/api/v1/services -d "{}"'
ok 'an operator works' as operator dalle 'yijian key list'
ok 'nobody reads the root key or the state' sh_in '! runuser -u lab-operator -- cat /etc/yijian/root.key && ! runuser -u lab-operator -- ls /var/lib/yijian && ! runuser -u yijian -- cat /etc/yijian/root.key'

# ---- the service ----
step 'reload'
sh_in 'echo YIJIAN_LOG_LEVEL=debug >>/etc/yijian/yijiand.env'
ok 'systemctl reload' guest systemctl reload yijiand.service
ok 'the agent has read its settings again' await 10 'journalctl -u yijiand.service -o cat | grep -q "\"reloaded\"" && curl -s localhost:8001/api/v1/features >/dev/null && journalctl -u yijiand.service -o cat | grep -q "\"level\":\"debug\""'
sh_in 'echo YIJIAN_LOG_LEVEL=shout >>/etc/yijian/yijiand.env; systemctl reload yijiand.service' || true
ok 'a wrong one changes nothing and is told' await 10 'journalctl -u yijiand.service -o cat | grep -q reload_failed && curl -sf localhost:8000/healthz'
sh_in 'sed -i /^YIJIAN_LOG_LEVEL/d /etc/yijian/yijiand.env; systemctl reload yijiand.service'

step 'sandbox'
level=$(guest systemd-analyze security yijiand.service --no-pager | sed -n 's/.*exposure level.*: \([0-9.]*\).*/\1/p')
ok "systemd-analyze security: $level, 1.5 at most" awk "BEGIN { exit !($level <= 1.5) }"
pid=$(unit MainPID)
as_agent() { sh_in "nsenter -t $pid -m -S \$(id -u yijian) -G \$(id -g yijian) sh -c '$1'"; }
ok 'no capability, no new privileges, system calls filtered' sh_in "grep -E '^(CapEff|CapBnd|CapPrm):.0*\$' /proc/$pid/status | wc -l | grep -qx 3 && grep -qE '^NoNewPrivs:.1' /proc/$pid/status && grep -qE '^Seccomp:.2' /proc/$pid/status"
ok 'it writes its state' as_agent 'touch /var/lib/yijian/probe && rm /var/lib/yijian/probe'
ok 'it writes nothing else' as_agent '! touch /etc/yijian/x && ! touch /usr/x && ! touch /var/x && ! touch /var/lib/x && ! touch /opt/x'
ok 'it sees no homes, devices, other processes, kernel settings' as_agent 'test -z "$(ls /home)" && ! ls /root && ! test -e /dev/kmsg && ! test -e /proc/sys && ! test -e /proc/1/cmdline'
ok 'it reads its credential and not the file behind it' as_agent 'test -s /run/credentials/yijiand.service/root.key && ! cat /etc/yijian/root.key'

step 'watchdog'
sh_in 'mkdir -p /run/systemd/system/yijiand.service.d && printf "[Service]\nWatchdogSec=2\n" >/run/systemd/system/yijiand.service.d/lab.conf && systemctl daemon-reload && systemctl restart yijiand.service'
before=$(unit NRestarts) pid=$(unit MainPID)
guest kill -STOP "$pid"
ok 'an agent that hangs is killed and started again' await 30 "test \$(systemctl show yijiand.service -p NRestarts --value) -gt $before && systemctl is-active yijiand.service && journalctl -u yijiand.service -o cat | grep -q 'Watchdog timeout'"
ok 'and serves' sh_in 'curl -sf --max-time 20 localhost:8000/healthz'
sh_in 'rm -r /run/systemd/system/yijiand.service.d; systemctl daemon-reload; systemctl restart yijiand.service'

step 'a crash'
guest kill -KILL "$(unit MainPID)"
ok 'who calls meanwhile waits and is served' sh_in 'for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf --max-time 20 localhost:8000/healthz || exit 1; done'

# ---- restarts and upgrade, with traffic ----
step 'under load'
sh_in 'setsid /root/vendord --listen 127.0.0.1:9101 --flavour vllm --no-auth --latency-ms 30 --pace-ms 10 >/dev/null 2>&1 </dev/null &
	setsid /root/vendord --listen 127.0.0.1:9102 --flavour openai >/dev/null 2>&1 </dev/null &
	setsid /root/vendord --listen 127.0.0.1:9103 --flavour dashscope >/dev/null 2>&1 </dev/null &'
await 10 'curl -s 127.0.0.1:9101/_sim/stats && curl -s 127.0.0.1:9102/_sim/stats && curl -s 127.0.0.1:9103/_sim/stats'
sh_in 'yijian service register lab-vllm --id one --url http://127.0.0.1:9101/v1 --engine vllm --feature chat' >/dev/null
sh_in 'printf sk-lab-1111111111111111111111 | yijian key add openai/gpt-4 --name lab --base-url http://127.0.0.1:9102/v1 --api-key -' >/dev/null
sh_in 'yijian key disable openai/dalle/openai-dall-e-key
	printf sk-lab-2222222222222222222222 | yijian key add openai/dalle --name paint --base-url http://127.0.0.1:9102/v1 --api-key -
	printf sk-lab-4444444444444444444444 | yijian key add openai/audio --name hear --base-url http://127.0.0.1:9102/v1 --api-key -
	curl -sf localhost:8001/api/v1/features -d "{\"name\":\"speech_to_text\",\"endpoint\":\"audio.transcriptions\",\"targets\":[{\"kind\":\"vendor\",\"vendor\":\"openai\",\"service\":\"audio\",\"upstream_model\":\"whisper-1\"}]}"
	printf sk-lab-3333333333333333333333 | yijian key add aliyun/wanx --name paint --base-url http://127.0.0.1:9103 --api-key -' >/dev/null
ok 'the gateway answers' await 20 'curl -sf localhost:8000/v1/chat/completions -H "Content-Type: application/json" -d "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"'
keys() { sh_in 'curl -s localhost:8002/api/v1/keys' | python3 -c 'import json, sys
for key in json.load(sys.stdin)["items"]: print(key["id"], key["key_name"], key["fingerprint"])'; }
keys >"$run/keys"
load
restarts=${LAB_RESTARTS:-10}
ok "$restarts restarts" sh_in "for i in \$(seq $restarts); do systemctl restart yijiand.service || exit 1; sleep 0.5; done"
unload 'no request is lost by the restarts'
ok 'each restart was a hand-over' sh_in "test \$(journalctl -u yijiand.service -o cat | grep -c '\"handover_done\"') -ge $restarts"
failures=${LAB_FAILURES:-3}
drop_in=/run/systemd/system/yijiand.service.d
next_fails() { # COMMAND: what the first agent after each restart is instead; the service tries again
	sh_in "mkdir -p $drop_in && cat >$drop_in/lab.conf && systemctl daemon-reload" <<-END
		[Service]
		ExecStart=
		ExecStart=/bin/sh -c 'if rm /run/yijian/fails 2>/dev/null; then exec $1; else exec /usr/sbin/yijiand; fi'
	END
	for _ in $(seq "$failures"); do
		sh_in 'touch /run/yijian/fails; systemctl restart yijiand.service; :'
		await 20 'test ! -e /run/yijian/fails && systemctl is-active yijiand.service' || return 1
	done
	sh_in "rm -r $drop_in; systemctl daemon-reload"
}
load
ok "$failures restarts whose agent has a wrong setting" next_fails 'env YIJIAN_LOG_LEVEL=shout /usr/sbin/yijiand'
ok "$failures whose agent is no program" next_fails /bin/false
ok "$failures whose agent is killed as it begins" next_fails 'timeout -s KILL 0.005 /usr/sbin/yijiand'
ok "$failures whose agent never says that it is ready" next_fails 'timeout -s KILL 1 sleep 60'
stays_wrong() { # longer than one waits for its successor, and than a call that waits may take
	sh_in 'echo YIJIAN_LOG_LEVEL=shout >>/etc/yijian/yijiand.env; ! systemctl restart yijiand.service && sleep 8
		pids=$(pgrep -x yijiand | wc -l); sed -i /^YIJIAN_LOG_LEVEL/d /etc/yijian/yijiand.env; test "$pids" -ge 1'
	await 20 'systemctl is-active yijiand.service'
}
ok 'a setting that stays wrong leaves the agent of before serving until it is mended' stays_wrong
unload 'no request is lost by the failures'
upgrades=${LAB_UPGRADES:-2}
upgrade() { # to and fro, the last time to the second build
	for i in $(seq "$upgrades"); do
		to=$(((upgrades - i) % 2 == 0 ? 2 : 1))
		apt install --allow-downgrades "/root/yijiand_$version-${to}_$arch.deb" "/root/yijian_$version-${to}_$arch.deb" || return 1
		sleep 0.5
	done
}
load
ok "$upgrades upgrades by apt, the last one to the second build" upgrade
unload 'no request is lost by the upgrades'
ok 'the second build runs' has '^-2$' "dpkg-query -W -f '\${Version}' yijiand | grep -o -- '-2\$' && systemctl is-active yijiand.service >&2"
ok 'all keys are there' bash -c "diff <(cat '$run/keys') -" < <(keys)
ok 'and open: the vendor takes one' has '"ok": ?true' 'yijian key test openai/gpt-4/lab -o json'

outlast() { # streams longer than the drain: each is told so and ends as a stream does
	sh_in 'echo YIJIAN_DRAIN_S=1 >>/etc/yijian/yijiand.env; systemctl reload yijiand.service
		for i in 1 2 3 4 5; do curl -sSN localhost:8000/v1/chat/completions -H "Content-Type: application/json" -o /root/stream.$i \
			-d "{\"model\":\"chat\",\"stream\":true,\"user\":\"vendord:tokens:100000;pace_ms:20\",\"messages\":[{\"role\":\"user\",\"content\":\"long $i\"}]}" & callers="$callers $!"; done
		until test "$(grep -ls choices /root/stream.? | wc -l)" = 5; do sleep 0.1; done
		systemctl restart yijiand.service
		for caller in $callers; do wait $caller || exit 1; done
		sed -i /^YIJIAN_DRAIN_S/d /etc/yijian/yijiand.env; systemctl reload yijiand.service
		tail -n 3 /root/stream.?; test "$(grep -l "\"stream_interrupted\"" /root/stream.? | wc -l)" = 5'
}
ok '5 of 5 streams that outlast the drain are told' outlast

step 'power loss'
lose_power() {
	kill -KILL "$machine" # with all that runs in it
	wait "$nspawn" || true
	boot
}
guest dpkg --unpack "/root/yijiand_$version-1_$arch.deb" >/dev/null
ok 'the power goes when an upgrade is half done; the machine boots' lose_power
ok 'it serves' await 20 'curl -sf --max-time 5 localhost:8000/healthz && curl -sf localhost:8002/api/v1/keys'
ok 'dpkg goes on where it was' guest env DEBIAN_FRONTEND=noninteractive dpkg --configure -a
ok 'all keys are there' bash -c "diff <(cat '$run/keys') -" < <(keys)
ok 'the next upgrade goes through' apt install "/root/yijiand_$version-2_$arch.deb"
sh_in 'for i in $(seq 200); do curl -s localhost:8002/api/v1/keys -d "{\"vendor\":\"openai\",\"service\":\"gpt-4\",\"key_name\":\"k$i\",\"api_key\":\"sk-lab-$(printf %022d $i)\",\"enabled\":false}" -o /dev/null -w "%{http_code} k$i\n"; done >/root/written' &
writer=$!
await 20 'test "$(wc -l </root/written)" -gt 50'
ok 'the power goes while keys are written; the machine boots' lose_power
wait $writer || true
ok 'it serves' await 20 'curl -sf --max-time 5 localhost:8002/api/v1/keys'
ok 'every key that was acknowledged is there' sh_in 'curl -s localhost:8002/api/v1/keys >/root/kept; grep ^201 /root/written | while read -r _ name; do grep -q "\"$name\"" /root/kept || exit 1; done'
keys >"$run/keys"

step 'stop'
at_once() { sh_in 'systemctl stop "yijiand*" && systemctl start yijiand.service && for service in api-gateway config-center key-manager service-registry router-engine; do
	systemctl is-active yijiand-$service.socket || exit 1; done; curl -sf --max-time 10 localhost:8000/healthz'; }
ok 'stopped and started at once, its sockets are there, too' at_once
ok 'and none has failed' sh_in 'test -z "$(systemctl list-units --failed --plain --no-legend "yijiand*")"'
ok 'stopped for good, it stays so' sh_in 'systemctl disable yijiand.service && systemctl stop "yijiand*" && ! systemctl is-active "yijiand*"'
ok 'and its ports are closed as soon as no successor has come' await 10 '! curl -s --max-time 5 localhost:8000/healthz && ! pgrep -x yijiand'
ok 'one command starts it, with its sockets' sh_in 'systemctl enable --now yijiand.service && systemctl is-active yijiand-router-engine.socket && curl -sf localhost:8004/healthz'

# ---- remove, install again, purge ----
step 'remove and purge'
ok 'apt removes' apt remove yijiand
ok 'nothing of it runs any more' await 60 '! pgrep -x yijiand && ! curl -s localhost:8000/healthz'
ok 'the state is still there' sh_in 'test -s /var/lib/yijian/yijian.db && test -s /etc/yijian/root.key && test -s /etc/yijian/yijiand.env'
ok 'apt installs again' apt install /root/yijiand_"$version"-2_"$arch".deb
ok 'with all keys' bash -c "diff <(cat '$run/keys') -" < <(keys)
asked() { # ANSWER SCRIPT: on a terminal, where the question of the purge gets the answer
	guest env -u DEBIAN_FRONTEND TERM=dumb python3 -c 'import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", sys.argv[2]])
said, answered = "", False
while True:
    try:
        said += os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        break
    if not answered and "Delete the stored keys" in said and "[yes/no]" in said:
        answered = os.write(terminal, (sys.argv[1] + "\n").encode()) > 0
print(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or not answered)' "$@"
}
says() { # PATTERN COMMAND...: it succeeds and says that
	"${@:2}" | tee "$run/words" && grep -E -- "$1" "$run/words" >/dev/null
}
ok 'a purge asks on a terminal; no: it keeps the state' says 'kept /var/lib/yijian' asked no 'apt-get purge -y -q yijiand && test -s /var/lib/yijian/yijian.db && test -s /etc/yijian/root.key'
ok 'apt installs again' apt install /root/yijiand_"$version"-2_"$arch".deb
ok 'with all keys' bash -c "diff <(cat '$run/keys') -" < <(keys)
ok 'a purge that nobody answers keeps the state and says so' has 'kept /var/lib/yijian' 'DEBIAN_FRONTEND=noninteractive apt-get purge -y -q yijiand 2>&1; test -s /var/lib/yijian/yijian.db && test -s /etc/yijian/root.key'
ok 'apt installs again' apt install /root/yijiand_"$version"-2_"$arch".deb
ok 'still with all keys' bash -c "diff <(cat '$run/keys') -" < <(keys)
ok 'a purge asks on a terminal; yes: it deletes the state and says what' says 'deleted /var/lib/yijian and /etc/yijian/root.key' asked yes 'apt-get purge -y -q yijiand && ! test -e /var/lib/yijian && ! test -e /etc/yijian'
ok 'apt installs anew, without any key' apt install /root/yijiand_"$version"-2_"$arch".deb
ok 'and it serves' sh_in 'curl -sf localhost:8002/api/v1/keys | grep "\"items\": *\[\]"'
guest debconf-set-selections <<<'yijiand yijiand/purge-state boolean true'
ok 'a purge that was agreed to deletes it and says what' has 'deleted /var/lib/yijian' 'DEBIAN_FRONTEND=noninteractive apt-get purge -y -q yijiand yijian 2>&1'
files >"$run/after"
comm -13 "$run/before" "$run/after" | sed 's/^/          left: /'
ok 'nothing is left of either package' sh -c "! comm -13 '$run/before' '$run/after' | grep -v '^/etc/.*-\$'"

# ---- without root ----
step 'a user without root'
make_in "$tree" install DESTDIR="${elsewhere#"$builder"}/files" PREFIX=/home/lab/.local HOME=/home/lab >/dev/null
cp -a "$elsewhere/files/home" "$root/"
rm -rf "$elsewhere/files"
sh_in 'useradd -M -d /home/lab lab && chown -R lab:lab /home/lab && systemctl start "user@$(id -u lab).service"'
as_user() { sh_in "runuser -u lab -- env XDG_RUNTIME_DIR=/run/user/\$(id -u lab) HOME=/home/lab $1"; }
ok 'the unit of the user starts' as_user 'systemctl --user start yijiand-key-manager.socket yijiand.service'
ok 'and answers who started it' as_user 'curl -sf http://localhost:8002/api/v1/keys'
ok 'with the console beside it' as_user '/home/lab/.local/bin/yijian health --live'
as_user 'systemctl --user status yijiand.service --no-pager -n 0' | sed 's/^/          /' || true
sh_in 'systemctl stop "user@$(id -u lab).service"' || true

[ $failed = 0 ] && echo "lab: all passed" || echo "lab: $failed FAILED"
[ $failed = 0 ]
