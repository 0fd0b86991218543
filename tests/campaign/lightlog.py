#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hours of light traffic at default settings: prints how long the log beside the database became,
and whether what was deleted under way has left the files. Time is scaled: all clocks of the agent,
its timers' too, run SCALE times as fast, and requests, heartbeats and changes come as much faster;
only what the kernel waits for by itself (the idle second of the store) stays as long as it is, which
leaves the log less rest than it would have. Ends with 1 when the log reached its bound, a secret
stayed or a request failed."""
import argparse
import json
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import preload  # noqa: E402
from agent import Agent  # noqa: E402
from clock import Clock  # noqa: E402
from vendord import Vendord  # noqa: E402

LOG_MAX = 8 * 1024 * 1024
SCALE = 60
STEP_S = 2  # a turn: one chat request and what is due
KEY_EVERY_S, BEAT_EVERY_S, EDIT_EVERY_S = 300, 10, 60
UNDO_S = 600 + 120


class Light:
    def __init__(self, place):
        place = pathlib.Path(place)
        self.clock = Clock(preload.build("clock", place), place)
        self.vendor = Vendord(scratch=place, name="vendord")
        self.vendor.start()
        self.agent = Agent(scratch=place, env=self.clock.env)
        self.agent.start()
        self.agent.add_key(self.vendor.url)
        self.agent.add_instance(self.vendor.url, ttl_s=30, features=[])
        self.log, self.requests, self.failed, self.largest, self.sum, self.looks = (
            self.agent.state_dir / "yijian.db-wal", 0, 0, 0, 0, 0)
        self.doomed = []  # (when it was deleted, ciphertext in hex)

    def say(self, answer, *good):
        self.requests += 1
        self.failed += answer.status not in good

    def kept_secret(self, key_id):
        """Its ciphertext, once the kept configuration has it; that is written every few seconds."""
        text = (self.agent.state_dir / "snapshot.json").read_text().split("\n", 1)[1]
        return next((k["envelope"] for k in json.loads(text)["keys"]
                     if k["doc"]["id"] == key_id), None)

    def turn(self, at):
        self.say(self.agent.chat(), 200)
        if at % BEAT_EVERY_S == 0:
            self.say(self.agent.post(
                "service-registry", "/api/v1/services/simulated-vllm/instances/gpu1/heartbeat", {}),
                200, 204)
        if at % EDIT_EVERY_S == 0:
            self.say(self.agent.request("config-center", "PATCH", "/api/v1/features/chat",
                                        {"display_name": f"Chat {at}"}), 200)
        if at % KEY_EVERY_S == 0:
            key = self.agent.add_key(self.vendor.url, key_name=f"passing-{at}",
                                     api_key=f"sk-simulated-passing-{at:08}")
            self.open = key["id"], at
        if at % KEY_EVERY_S == KEY_EVERY_S // 2:
            secret = self.kept_secret(self.open[0])
            self.say(self.agent.request("key-manager", "DELETE", f"/api/v1/keys/{self.open[0]}"),
                     200, 204)
            if secret:
                self.doomed.append((at, secret))

    def look(self):
        size = self.log.stat().st_size
        self.largest, self.sum, self.looks = max(self.largest, size), self.sum + size, self.looks + 1

    def stayed(self, at):
        """Secrets whose time is over and which some file still holds."""
        files = [path.read_bytes() for path in self.agent.state_dir.iterdir() if path.is_file()]
        over = [secret for when, secret in self.doomed if at - when > UNDO_S]
        return len(over), sum(any(bytes.fromhex(s) in f or s.encode() in f for f in files)
                              for s in over)

    def run(self, hours):
        end, begun = int(hours * 3600), time.monotonic()
        for at in range(0, end, STEP_S):
            self.turn(at)
            self.look()
            self.clock.advance(max(0, STEP_S - (time.monotonic() - begun - at / SCALE)))
            time.sleep(max(0, begun + (at + STEP_S) / SCALE - time.monotonic()))
            if at % 600 == 0:
                print(f"{at / 3600:>6.2f} h  log {self.log.stat().st_size / 1024:>7.0f} KiB, "
                      f"largest {self.largest / 1024:>7.0f} KiB, database "
                      f"{(self.agent.state_dir / 'yijian.db').stat().st_size / 1024:>7.0f} KiB",
                      flush=True)
        return end

    def stop(self):
        self.agent.stop()
        self.vendor.stop()


def main(hours):
    with tempfile.TemporaryDirectory(prefix="yijian-light-") as place:
        light = Light(place)
        try:
            end = light.run(hours)
            over, stayed = light.stayed(end)
        finally:
            light.stop()
    good = light.largest < LOG_MAX and not stayed and not light.failed and over
    print(f"{hours:g} h at {SCALE} x: log at most {light.largest / 1048576:.2f} MiB (bound 8), "
          f"mean {light.sum / light.looks / 1024:.0f} KiB; {over} deleted secrets, {stayed} left; "
          f"{light.failed} of {light.requests} failed: {'short' if good else 'NOT SHORT'}")
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2)
    sys.exit(main(parser.parse_args().hours))
