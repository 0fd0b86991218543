# SPDX-License-Identifier: MIT
"""Ports that behave badly below HTTP, names that resolve badly, certificates nobody should trust."""
import contextlib
import socket
import ssl
import subprocess
import threading

import preload


class ClosedPort:
    """Nobody listens, and nobody else gets the port meanwhile."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


class BlackHole:
    """A listener whose queue is full: the kernel lets further SYNs go unanswered."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", self.port))
            self.fillers.append(filler)

    def close(self):
        for one in (*self.fillers, self.socket):
            one.close()


class Listener:
    """Accepts, and hands each connection to `serve` on a thread of its own."""

    def __init__(self, serve):
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.guarded, args=(connection,), daemon=True).start()

    def guarded(self, connection):
        with contextlib.suppress(OSError):
            self.serve(connection)

    def close(self):
        self.listener.close()
        for connection in self.open:
            connection.close()


def silent(connection):
    """Takes the connection and never reads."""


def half_closing(connection):
    """Ends its own side at once and goes on reading."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def tls_front(certificate, address):
    """TLS with this certificate in front of a plain server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as caller:
            with socket.create_connection(address) as server:
                back = threading.Thread(target=pump, args=(server, caller), daemon=True)
                back.start()
                pump(caller, server)
                back.join()
    return Listener(serve)


# ---- certificates ----

CONFIG = """
[ca]
default_ca = own
[own]
dir = {place}
database = {place}/index
serial = {place}/serial
new_certs_dir = {place}
certificate = {place}/ca.pem
private_key = {place}/ca.key
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""
DATES = {"valid": ("20250101000000Z", "20450101000000Z"),
         "expired": ("20200101000000Z", "20200102000000Z"),
         "future": ("20440101000000Z", "20450101000000Z")}


class Authority:
    """A certificate authority in a directory; certificates as (file, key file)."""

    def __init__(self, place):
        self.place = place
        (place / "index").touch()
        (place / "serial").write_text("01\n")
        (place / "config").write_text(CONFIG.format(place=place))
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-days", "3650", "-subj", "/CN=test authority",
                     "-addext", "basicConstraints=critical,CA:TRUE",
                     "-keyout", "ca.key", "-out", "ca.pem")

    @property
    def file(self):
        return str(self.place / "ca.pem")

    def openssl(self, *args):
        done = subprocess.run(["openssl", args[0], "-config", "config", *args[1:]], cwd=self.place,
                              text=True, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stderr

    def certificate(self, name, dates="valid", of="IP:127.0.0.1,DNS:localhost", own=False):
        """own: signed by itself instead of the authority."""
        key, out = f"{name}.key", f"{name}.pem"
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
               "-subj", f"/CN={name}", "-addext", f"subjectAltName={of}"]
        if own:
            self.openssl("req", "-x509", *new, "-days", "365", "-out", out)
        else:
            self.openssl("req", *new, "-out", f"{name}.csr")
            begin, end = DATES[dates]
            self.openssl("ca", "-batch", "-notext", "-startdate", begin, "-enddate", end,
                         "-in", f"{name}.csr", "-out", out)
        return str(self.place / out), str(self.place / key)


# ---- names ----

def resolver(place):
    """The environment in which names below fault.test resolve as they say."""
    return preload.environment(preload.build("resolve", place))


def alone(address):
    """(command before a program, why not): a network of its own whose loopback has only this one of
    127.0.0.1 and ::1, "none" of them, or "both"."""
    gone = {"127.0.0.1": ["::1/128"], "::1": ["127.0.0.1/8"], "none": ["127.0.0.1/8", "::1/128"],
            "both": []}[address]
    steps = ["ip link set lo up", *(f"ip addr del {one} dev lo" for one in gone)]
    command = ["unshare", "-r", "-n", "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh"]
    try:
        tried = subprocess.run([*command, "ip", "addr", "show", "lo"], capture_output=True, text=True)
    except OSError as error:
        return None, str(error)
    return (command, None) if tried.returncode == 0 else (None, tried.stderr.strip())


def beside(pid, *command):
    """A command in the network of a process that `alone` began."""
    return ["nsenter", "-t", str(pid), "-U", "--preserve-credentials", "-n", *map(str, command)]
