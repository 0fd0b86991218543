# SPDX-License-Identifier: MIT
"""A successor of our own, which goes as far in a hand-over as a test wants."""
import array
import hashlib
import os
import socket
import struct

HELLO, CHALLENGE, REFUSED, PROOF, GIVEN, READY, GO, DONE, REQUEST, USAGE = range(10)
NONCE = 32


def key_of(root_key_path):
    root = root_key_path.read_bytes().strip()
    root = bytes.fromhex(root.decode()) if len(root) == 64 else root
    return hashlib.blake2b(b"yijiand hand-over\0", key=root, digest_size=32).digest()


class Successor:
    """Successor(agent).greet() … ; closing it is its end."""

    def __init__(self, agent, root_key=None):
        self.key = key_of(root_key or agent.state_dir / "root.key")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(30)
        here = os.open(agent.state_dir, os.O_DIRECTORY)
        try:
            self.socket.connect(f"/proc/self/fd/{here}/handover.sock")
        finally:
            os.close(here)
        self.fds = []

    def send(self, kind, body=b""):
        self.socket.send(struct.pack("=I", kind) + body)

    def receive(self):
        """(kind, body), or None at the end."""
        fds = array.array("i")
        data, control, _, _ = self.socket.recvmsg(65540, socket.CMSG_SPACE(64 * fds.itemsize))
        for level, sort, more in control:
            if (level, sort) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(more[:len(more) - len(more) % fds.itemsize])
        self.fds += list(fds)
        return (struct.unpack("=I", data[:4])[0], data[4:]) if data else None

    def greet(self, asks=True, protocol=1):
        self.nonce = os.urandom(NONCE)
        self.send(HELLO, struct.pack("=II", protocol, asks) + self.nonce)
        return self.receive()

    def proof(self, side, theirs):
        return hashlib.blake2b(bytes([side]) + self.nonce + theirs, key=self.key,
                               digest_size=32).digest()

    def prove(self, challenge, proof=None):
        self.send(PROOF, self.proof(0, challenge[:NONCE]) if proof is None else proof)

    def take(self):
        """As far as the sockets."""
        kind, challenge = self.greet()
        assert kind == CHALLENGE and challenge[NONCE:] == self.proof(1, challenge[:NONCE])
        self.prove(challenge)
        kind, lines = self.receive()
        assert kind == GIVEN, (kind, lines)
        return lines.decode().splitlines()

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        self.socket.close()
