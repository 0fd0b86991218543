#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Load on an agent for packaging/lab.sh: JSON on kept and on new connections, streams, platform reads.

lab-load.py STOP_FILE: goes on until that file is there (five minutes at most), then prints one JSON line and fails when a
request failed. A kept connection that ends while it is idle, before a byte of the answer, is the
race every keep-alive client has; it is asked again and counted apart."""
import http.client
import json
import pathlib
import sys
import threading
import time

STOP = pathlib.Path(sys.argv[1])
END = time.monotonic() + 300
KEPT, NEW, STREAMS, READS = 3, 3, 2, 1
BODY = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
HEADERS = {"Content-Type": "application/json"}


def over():
    return STOP.exists() or time.monotonic() > END


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.sums = {"requests": 0, "failed": 0, "idle_ends": 0, "longest_json_ms": 0}
        self.why = []

    def add(self, error=None, ms=0, idle_end=False):
        who = threading.current_thread().name
        with self.lock:
            self.sums["idle_ends"] += idle_end
            if idle_end:
                return
            self.sums["requests"] += 1
            self.sums["longest_json_ms"] = max(self.sums["longest_json_ms"], round(ms))
            if error:
                self.sums["failed"] += 1
                self.why = (self.why + [f"{time.strftime('%T')} {who}, {round(ms)} ms: {error}"])[:5]


def ask(connection, stream=False):
    connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, "stream": stream}), HEADERS)
    return connection.getresponse()


def judged(answer):
    text = answer.read()
    return None if answer.status == 200 and b"choices" in text else f"{answer.status} {text[:200]!r}"


def kept(tally):
    connection, used = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60), False
    while not over():
        since, error = time.monotonic(), None
        try:
            error = judged(ask(connection))
            used = True
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as why:
            connection.close()
            if used:
                used = False
                tally.add(idle_end=True)
                continue
            error = repr(why)
        except Exception as why:  # pylint: disable=broad-except
            connection.close()
            error = repr(why)
        tally.add(error, (time.monotonic() - since) * 1000)


def new(tally):
    while not over():
        since = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
        try:
            error = judged(ask(connection))
        except Exception as why:  # pylint: disable=broad-except
            error = repr(why)
        connection.close()
        tally.add(error, (time.monotonic() - since) * 1000)


def streams(tally):
    while not over():
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
        try:
            text = ask(connection, stream=True).read()
            error = None if text.rstrip().endswith(b"[DONE]") else f"stream ended with {text[-200:]!r}"
        except Exception as why:  # pylint: disable=broad-except
            error = repr(why)
        connection.close()
        tally.add(error)


def reads(tally):
    while not over():
        since = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", 8002, timeout=60)
        try:
            connection.request("GET", "/api/v1/keys")
            answer = connection.getresponse()
            error = None if answer.status == 200 and b"items" in answer.read() else str(answer.status)
        except Exception as why:  # pylint: disable=broad-except
            error = repr(why)
        connection.close()
        tally.add(error, (time.monotonic() - since) * 1000)


def main():
    tally = Tally()
    threads = [threading.Thread(target=work, args=(tally,), name=work.__name__)
               for work, n in ((kept, KEPT), (new, NEW), (streams, STREAMS), (reads, READS))
               for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({**tally.sums, "why": tally.why}))
    return tally.sums["failed"] > 0 or not tally.sums["requests"]


if __name__ == "__main__":
    sys.exit(main())
