# SPDX-License-Identifier: MIT
"""A port before another one: passes bytes on, counts the connections and what comes
over them, and can be aimed elsewhere."""
import contextlib
import socket
import threading


class Relay:
    def __init__(self, aim):
        self.aim, self.connections, self.asked = aim, 0, 0
        self.pairs = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = self.server.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return "https://%s:%d" % self.address

    def accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            try:
                far = socket.create_connection(self.aim)
            except OSError:
                near.close()
                continue
            self.pairs += [near, far]
            for one, other in (near, far), (far, near):
                threading.Thread(target=self.pass_on, args=(one, other, one is near), daemon=True).start()

    def pass_on(self, one, other, asks):
        with contextlib.suppress(OSError):
            while True:
                data = one.recv(65536)
                if not data:
                    break
                self.asked += asks
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def cut(self):
        """Ends what is open."""
        for one in self.pairs:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.pairs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.cut()
