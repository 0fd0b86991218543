# SPDX-License-Identifier: MIT
"""What a process holds in its memory, read from outside; reading another process takes root."""
import re

LOCKED = {"lo", "dd"}  # libsodium's pages: locked, and never in a core


def regions(pid):
    """(from, to, name) of every private writable region that is not locked."""
    found, current = [], None
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
            if head:
                current = (int(head[1], 16), int(head[2], 16), head[3], head[4])
            elif line.startswith("VmFlags:") and current:
                begin, end, mode, name = current
                if mode.startswith("rw") and not LOCKED & set(line.split()[1:]):
                    found.append((begin, end, name or "anonymous"))
                current = None
    return found


def find(pid, needle, around=48):
    """Places where the bytes stand, with what stands around them."""
    places = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, name in regions(pid):
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except (OSError, ValueError):  # gone meanwhile, or never touched
                continue
            at = data.find(needle)
            while at >= 0:
                places.append((name, hex(begin + at), data[max(0, at - around):at + around]))
                at = data.find(needle, at + 1)
    return places
