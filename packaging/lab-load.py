#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Load on an agent for packaging/lab.sh: JSON on kept and on new connections, streams, bodies that
come in pieces (JSON and forms, their length told or not), pictures, image tasks that are asked for again,
platform reads and writes.

lab-load.py STOP_FILE MS: goes on until that file is there (half an hour at most), then prints what each
kind met and fails when a request failed or one of those that carry no long work took more than MS. A kept
connection that ends while it is idle, before a byte of the answer, is the race every keep-alive client
has; it is asked again and counted apart."""
import http.client
import itertools
import json
import pathlib
import sys
import threading
import time

STOP = pathlib.Path(sys.argv[1])
END = time.monotonic() + 1800
LONGEST_MS = int(sys.argv[2])  # of a request that only waits for the agent
GATEWAY, KEYS = 8000, 8002
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
PICTURE = {"model": "text_to_image", "prompt": "a cat", "size": "512x512", "n": 1}
PROMPT = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "word " * 60000}]}).encode()
EDGE = "lab-edge"
SOUND = (f'--{EDGE}\r\nContent-Disposition: form-data; name="model"\r\n\r\nspeech_to_text\r\n'
         f'--{EDGE}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
         "Content-Type: audio/wav\r\n\r\n").encode() + bytes(range(256)) * 2000 + f"\r\n--{EDGE}--\r\n".encode()
UPLOADS = itertools.cycle((  # path, type, body, whether its length is told, a word of the answer
    ("/v1/chat/completions", "application/json", PROMPT, True, b"choices"),
    ("/v1/chat/completions", "application/json", PROMPT, False, b"choices"),
    ("/v1/audio/transcriptions", f"multipart/form-data; boundary={EDGE}", SOUND, True, b"transcript"),
    ("/v1/audio/transcriptions", f"multipart/form-data; boundary={EDGE}", SOUND, False, b"transcript")))
PIECE = 32 * 1024
PAINTERS = itertools.cycle(("text_to_image", "aliyun/wanx"))
FIELDS = {"Content-Type": "application/json"}


def over():
    return STOP.exists() or time.monotonic() > END


class Tally:
    """What the requests of one kind met; for its threads together."""

    def __init__(self, name, bound_ms):
        self.name, self.bound_ms = name, bound_ms
        self.lock = threading.Lock()
        self.requests = self.failed = self.idle_ends = self.longest_ms = 0
        self.why = []

    def add(self, error, ms):
        with self.lock:
            self.requests += 1
            self.longest_ms = max(self.longest_ms, round(ms))
            if not error and self.bound_ms and ms > self.bound_ms:
                error = "it waited too long"
            if error:
                self.failed += 1
                self.why = (self.why + [f"{time.strftime('%T')}, {round(ms)} ms: {error}"])[:5]

    def said(self):
        return {"kind": self.name, "requests": self.requests, "failed": self.failed,
                "longest_ms": self.longest_ms, "idle_ends": self.idle_ends, "why": self.why}


def connect(port=GATEWAY):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=120)


def call(connection, method, path, body=None, **fields):
    connection.request(method, path, body if body is None else json.dumps(body), {**FIELDS, **fields})
    return connection.getresponse()


def judged(answer, word, status=200):
    text = answer.read()
    return None if answer.status == status and word in text else f"{answer.status} {text[:200]!r}"


def kept(tally):
    connection, used = connect(), False
    while not over():
        since, error = time.monotonic(), None
        try:
            error = judged(call(connection, "POST", "/v1/chat/completions", CHAT), b"choices")
            used = True
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as why:
            connection.close()
            if used:
                used = False
                tally.idle_ends += 1
                continue
            error = repr(why)
        except Exception as why:  # pylint: disable=broad-except
            connection.close()
            error = repr(why)
        tally.add(error, (time.monotonic() - since) * 1000)


def each_on_its_own(work, port=GATEWAY):
    """A kind whose requests have a connection each: work(connection) says the error, None for none, and
    may say since when it waited for the agent alone."""
    def run(tally):
        while not over():
            since, error = time.monotonic(), None
            connection = connect(port)
            try:
                error = work(connection)
                if isinstance(error, tuple):
                    error, since = error
            except Exception as why:  # pylint: disable=broad-except
                error = repr(why)
            connection.close()
            tally.add(error, (time.monotonic() - since) * 1000)
    return run


def new(connection):
    return judged(call(connection, "POST", "/v1/chat/completions", CHAT), b"choices")


def stream(connection):
    text = call(connection, "POST", "/v1/chat/completions", {**CHAT, "stream": True}).read()
    return None if text.rstrip().endswith(b"[DONE]") else f"stream ended with {text[-200:]!r}"


def upload(connection):
    path, kind, body, length_told, word = next(UPLOADS)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", kind)
    connection.putheader(*(("Content-Length", str(len(body))) if length_told else ("Transfer-Encoding", "chunked")))
    connection.endheaders()
    for at in range(0, len(body), PIECE):
        piece = body[at:at + PIECE]
        connection.send(piece if length_told else b"%x\r\n%b\r\n" % (len(piece), piece))
        time.sleep(0.01)
    if not length_told:
        connection.send(b"0\r\n\r\n")
    since = time.monotonic()
    return judged(connection.getresponse(), word), since


def picture(connection):
    return judged(call(connection, "POST", "/v1/images/generations", PICTURE), b"data")


def task(connection):
    """By turns of a vendor that answers with the picture and of one that has tasks of its own."""
    asked = {**PICTURE, "model": next(PAINTERS)}
    answer = call(connection, "POST", "/v1/images/generations", asked, Prefer="respond-async")
    text = answer.read()
    if answer.status != 202:
        return f"{answer.status} {text[:200]!r}"
    path = f"/v1/images/tasks/{json.loads(text)['id']}"
    while True:
        again = connect()
        answer = call(again, "GET", path)
        text = answer.read()
        again.close()
        state = json.loads(text).get("status") if answer.status == 200 else None
        if state in ("succeeded", "completed"):
            return None
        if state not in ("submitting", "queued", "running", "in_progress"):
            return f"{answer.status} {text[:200]!r}"
        time.sleep(0.05)


def read(connection):
    return judged(call(connection, "GET", "/api/v1/keys"), b"items")


def write(connection):
    keys = json.loads(call(connection, "GET", "/api/v1/keys").read())["items"]
    lab = next(key for key in keys if key["key_name"] == "lab")
    since = time.monotonic()
    return judged(call(connection, "PATCH", f"/api/v1/keys/{lab['id']}", {"note": f"at {since}"}),
                  b"note"), since


KINDS = (("kept", kept, 3, LONGEST_MS), ("new", each_on_its_own(new), 3, LONGEST_MS),
         ("streams", each_on_its_own(stream), 2, 0), ("uploads", each_on_its_own(upload), 2, LONGEST_MS),
         ("pictures", each_on_its_own(picture), 1, 0), ("tasks", each_on_its_own(task), 4, 0),
         ("reads", each_on_its_own(read, KEYS), 1, LONGEST_MS),
         ("writes", each_on_its_own(write, KEYS), 1, LONGEST_MS))


def main():
    tallies, threads = [], []
    for name, work, n, bound_ms in KINDS:
        tallies.append(Tally(name, bound_ms))
        threads += [threading.Thread(target=work, args=(tallies[-1],)) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for tally in tallies:
        print(json.dumps(tally.said()))
    print(json.dumps({"requests": sum(t.requests for t in tallies), "failed": sum(t.failed for t in tallies)}))
    return any(tally.failed or not tally.requests for tally in tallies)


if __name__ == "__main__":
    sys.exit(main())
