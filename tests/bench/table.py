# SPDX-License-Identifier: MIT
"""One line of the bench's table."""


class Row:
    """A figure, its bar, and what it is compared with. at_least: more is better. bar None: shown
    for comparison only."""

    def __init__(self, name, ours, bar, unit, peer=None, peer_name="", note="", at_least=False):
        self.name, self.ours, self.bar, self.unit = name, ours, bar, unit
        self.peer, self.peer_name, self.note = peer, peer_name, note
        self.at_least = at_least

    @property
    def compared(self):
        return self.ours / self.peer if self.peer else self.ours

    @property
    def reached(self):
        if self.bar is None:
            return True
        return self.compared >= self.bar if self.at_least else self.compared <= self.bar

    @property
    def verdict(self):
        return "" if self.bar is None else "reached" if self.reached else "MISSED"

    def line(self):
        sign = ">=" if self.at_least else "<="
        of = f" x {self.peer_name}" if self.peer else f" {self.unit}"
        bar = "" if self.bar is None else f"{sign} {self.bar:g}{of}"
        ratio = f"{self.compared:.2f}" if self.peer else ""
        peer = f"{self.peer:.4g} {self.unit}" if self.peer else ""
        text = (f"{self.name:<50} {bar:<20} {f'{self.ours:.4g} {self.unit}':<13} "
                f"{ratio:<6} {peer:<13} {self.verdict:<8} {self.note}")
        return text.rstrip()


HEAD = f"{'what':<50} {'bar':<20} {'ours':<13} {'ratio':<6} {'peer':<13} verdict"
