# SPDX-License-Identifier: MIT
"""An upstream that answers exactly these bytes, for what no well-meaning server can be told to
send. The first path segment names the answer; a GET outside it is a probe and is answered well."""
import collections
import socket
import threading

PROBE = (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 28\r\n\r\n"
         b'{"object":"list","data":[]}\n')


def answer(status, content_type, body, *lines):
    """A whole answer; content_type None leaves the header out."""
    if content_type:
        lines = (f"content-type: {content_type}", *lines)
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"content-length: {len(body)}", "", ""])
    return head.encode() + body


def cut_chunked(content_type, body):
    """A chunked answer whose connection ends without the last chunk."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%s\r\n" % (len(body), body)


class BytesUpstream:
    """answers: name → bytes; those in `cuts` close the connection behind them."""

    def __init__(self, answers, cuts=()):
        self.answers, self.cuts = answers, set(cuts)
        self.asked = collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                while self.serve_one(connection):
                    pass
            except OSError:
                pass

    def serve_one(self, connection):
        """Reads one request, answers it; False when the connection is over."""
        got = b""
        while b"\r\n\r\n" not in got:
            more = connection.recv(65536)
            if not more:
                return False
            got += more
        head, body = got.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        method, path, _ = lines[0].split(" ")
        name = path.split("/")[1]
        if method != "POST" or name not in self.answers:
            connection.sendall(PROBE)
            return True
        self.asked[name] += 1
        connection.sendall(self.answers[name])
        return name not in self.cuts

    def close(self):
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
