# SPDX-License-Identifier: MIT
"""Certificates of an authority of our own, and a caller's side of TLS that does what it is told:
what goes into one record, whether the end is said, which protocols are offered."""
import functools
import pathlib
import socket
import ssl
import subprocess
import tempfile
import typing


class Pair(typing.NamedTuple):
    cert: pathlib.Path  # the chain
    key: pathlib.Path


def openssl(*args, **more):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority:
    """Issues certificates into the folder `place`."""

    def __init__(self, place, name="an authority"):
        self.place = pathlib.Path(place)
        self.place.mkdir(exist_ok=True)
        self.issued = 0
        self.own = self.make("authority", f"/CN={name}", 3650, ["basicConstraints=critical,CA:true"], None)

    @property
    def file(self):
        return self.own.cert

    def make(self, name, subject, days, extensions, issuer, key="ec"):
        pair = Pair(self.place / f"{name}.pem", self.place / f"{name}.key")
        kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else [key]
        new = ["req", "-newkey", *kind, "-nodes", "-utf8", "-keyout", pair.key, "-subj", subject]
        if issuer is None:
            openssl(*new, "-x509", "-days", days, "-out", pair.cert,
                    *[word for one in extensions for word in ("-addext", one)])
        else:
            request, file = self.place / f"{name}.csr", self.place / f"{name}.ext"
            openssl(*new, "-out", request)
            file.write_text("\n".join(extensions) + "\n")
            # Of the past: its end lies so many days ago.
            openssl("x509", "-req", "-in", request, "-CA", issuer.cert, "-CAkey", issuer.key,
                    "-set_serial", self.issued, "-days", days, "-extfile", file, "-out", pair.cert)
        pair.key.chmod(0o600)
        return pair

    def issue(self, subject="/CN=localhost", days=30, name=None, **more):
        """For the names of this host; days below 1: it has expired."""
        self.issued += 1
        return self.make(name or f"cert{self.issued}", subject, days,
                         ["subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"], self.own, **more)

    def revoke(self, *pairs):
        """The text of a list of these, as taken back."""
        config, index = self.place / "ca.conf", self.place / "index"
        index.write_text("")
        config.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={index}\ndefault_md=sha256\n"
                          "default_crl_days=30\n")
        how = ["-config", config, "-cert", self.own.cert, "-keyfile", self.own.key]
        for pair in pairs:
            openssl("ca", *how, "-revoke", pair.cert)
        return openssl("ca", *how, "-gencrl")


@functools.cache
def authority():
    """One for all tests of this process; its folder goes with it."""
    folder = tempfile.TemporaryDirectory(prefix="yijian-tls-")
    one = Authority(folder.name)
    one.folder, one.folder_kept = folder, one.issue(name="agent")
    return one


def agents_pair():
    """What agents of tests are greeted with."""
    return authority().folder_kept


def caller_context(trusted=None, pair=None, alpn=("http/1.1",), version=None):
    """trusted: the authority of the port's certificate, the tests' own when None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations((trusted or authority()).file)
    if pair:
        context.load_cert_chain(pair.cert, pair.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Address(tuple):
    """(host, port) of a port that speaks TLS, and with what it is called."""
    tls = None

    def __new__(cls, address, context):
        self = super().__new__(cls, address)
        self.tls = context
        return self


class Socket:
    """A connected socket under TLS, used like a plain one. shutdown() says the end (close_notify)
    and goes on reading; cut() ends without a word."""

    def __init__(self, plain, context, name="localhost"):
        self.plain = plain
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def __getattr__(self, name):
        return getattr(self.plain, name)

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.plain.sendall(data)

    def step(self, what):
        """what() once it has the bytes it waits for."""
        while True:
            try:
                done = what()
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                data = self.plain.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:
                self.flush()  # the alert
                raise

    def handshake(self):
        self.step(self.object.do_handshake)
        return self

    def sendall(self, data):
        if data:
            self.object.write(data)
            self.flush()

    def recv(self, n):
        """b"" when the end was said, ssl.SSLEOFError when it was not."""
        try:
            return self.step(lambda: self.object.read(n))
        except ssl.SSLZeroReturnError:
            return b""

    def say_end(self):
        try:
            self.object.unwrap()
        except ssl.SSLError:
            pass  # the other side's is not waited for
        self.flush()

    def shutdown(self, how):
        if how == socket.SHUT_WR:
            self.say_end()
        self.plain.shutdown(how)

    def cut(self):
        self.plain.close()

    def close(self):
        self.plain.close()
