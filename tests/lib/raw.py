# SPDX-License-Identifier: MIT
"""Bytes on a socket and bytes back, for requests no HTTP library would send."""
import json
import re
import socket
import ssl
import struct
import time

import tls


class RawAnswer:
    """One answer as it came; `headers` are (lower-case name, value) pairs in order."""

    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def header(self, name):
        return next((value for key, value in self.headers if key == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The error's code in our shape, or None."""
        try:
            return self.json()["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return None

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class Raw:
    """A connection. Reading raises TimeoutError when the server stays silent."""

    def __init__(self, address, timeout=30, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.got = b""
        self.cut = False  # the server left without saying its end, over TLS
        if getattr(address, "tls", None):
            self.socket = tls.Socket(self.socket, address.tls).handshake()

    def send(self, data):
        """False when the server has closed meanwhile, which is for the caller to judge."""
        try:
            self.socket.sendall(data.encode() if isinstance(data, str) else data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def more(self):
        """Reads once; False at the end."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data, self.cut = b"", True
        self.got += data
        return bool(data)

    def take(self, n):
        while len(self.got) < n:
            if not self.more():
                raise EOFError(f"closed after {self.got!r}")
        data, self.got = self.got[:n], self.got[n:]
        return data

    def take_line(self):
        while b"\r\n" not in self.got:
            if not self.more():
                raise EOFError(f"closed after {self.got!r}")
        line, self.got = self.got.split(b"\r\n", 1)
        return line

    def answer(self, method="GET"):
        """The next whole answer; 100 Continue is passed over. EOFError: closed without one."""
        while True:
            status_line = self.take_line().decode("latin-1")
            match = re.fullmatch(r"HTTP/1\.[01] (\d{3}) ?(.*)", status_line)
            if not match:
                raise ValueError(f"no status line: {status_line!r}")
            headers = []
            while line := self.take_line().decode("latin-1"):
                name, _, value = line.partition(":")
                headers.append((name.lower(), value.strip()))
            if match[1] != "100":
                break
        answer = RawAnswer(int(match[1]), match[2], headers, b"")
        answer.body = self.body(answer, method)
        return answer

    def body(self, answer, method):
        if method == "HEAD" or answer.status in (204, 304):
            return b""
        if answer.header("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.take_line().split(b";")[0], 16):
                body += self.take(size)
                self.take(2)
            self.take_line()
            return body
        length = answer.header("content-length")
        if length is not None:
            return self.take(int(length))
        while self.more():
            pass
        body, self.got = self.got, b""
        return body

    def closed(self, timeout=30):
        """True when the server closes within the time; False when it says more or stays."""
        before = self.socket.gettimeout()
        self.socket.settimeout(timeout)
        try:
            return not self.got and not self.more()
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(before)

    def seconds_until_closed(self, timeout):
        """How long the server took to close; whatever it says meanwhile is kept in `got`."""
        begin = time.monotonic()
        self.socket.settimeout(timeout)
        while self.more():
            self.socket.settimeout(max(0.01, timeout - (time.monotonic() - begin)))
        return time.monotonic() - begin

    def reset(self):
        """RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def exchange(address, data, timeout=30):
    """Sends the bytes; the first answer (None when it only closed) and the open connection."""
    raw = Raw(address, timeout)
    raw.send(data)
    try:
        return raw.answer(), raw
    except EOFError:
        return None, raw


def head(method, path, *lines, host="127.0.0.1", body=b""):
    """A request's bytes: the lines as given between the Host header and the blank line."""
    text = "\r\n".join([f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host else []), *lines])
    return text.encode("latin-1") + b"\r\n\r\n" + body
