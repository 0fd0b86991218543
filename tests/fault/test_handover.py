# SPDX-License-Identifier: MIT
"""One agent takes over from another under load: no request fails, nothing that was acknowledged is
lost, and a successor that fails on the way, wherever that is, leaves the one before as it was."""
import concurrent.futures
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import handover
import preload
from agent import Agent
from handover import CHALLENGE, READY, REFUSED, Successor
from http_call import request, send_request
from waiting import wait_for

GW, CONFIG, KEYS, REG, ROUT = ("api-gateway", "config-center", "key-manager", "service-registry",
                               "router-engine")
CHAT = "/v1/chat/completions"


def events_of(agent, name):
    return [r for r in agent.log_records() if r["event"] == name]


@pytest.fixture
def spawned(started):
    """spawned(name, …): an agent that was only begun."""
    def make(name, **options):
        agent = Agent(scratch=started.scratch, name=name, **options)
        started.programs.append(agent)
        agent.spawn()
        return agent
    return make


@pytest.fixture
def successor_of(spawned):
    """successor_of(agent): another process that takes over, once it serves."""
    count = []

    def make(agent, wait=True, args=(), env=None, **more):
        count.append(1)
        more["env"] = {**agent.env, **(env or {})}
        heir = spawned(f"heir{len(count)}", state_dir=agent.state_dir,
                       args=["--take-over", *args], **more)
        heir.ports = agent.ports
        if wait:
            heir.wait("the line started", lambda: events_of(heir, "started"))
        return heir
    return make


# ---- a successor that gives up ----

def greets(s):
    assert s.greet()[0] == CHALLENGE


def sends_no_proof(s):
    s.greet()
    s.prove(s.nonce, proof=b"")


def sends_a_wrong_proof(s):
    s.greet()
    s.prove(s.nonce, proof=os.urandom(32))
    assert s.receive()[0] == REFUSED


def proves_and_leaves(s):
    s.prove(s.greet()[1])


def takes(s):
    assert "state" in s.take()


def takes_and_says_why_not(s):
    s.take()
    s.send(REFUSED, b"its settings are not valid")


def says_it_is_ready_and_leaves(s):
    s.take()
    s.send(READY)
    assert s.receive()[0] == handover.GO


def is_ready_out_of_turn(s):
    s.greet()
    s.send(READY)


def speaks_another_protocol(s):
    kind, why = s.greet(protocol=7)
    assert kind == REFUSED and b"protocol" in why


def says_nothing_of_ours(s):
    s.socket.send(b"GET / HTTP/1.1\r\n\r\n")


STEPS = [greets, sends_no_proof, sends_a_wrong_proof, proves_and_leaves, takes,
         takes_and_says_why_not, says_it_is_ready_and_leaves, is_ready_out_of_turn,
         speaks_another_protocol, says_nothing_of_ours]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_one_that_gives_up_leaves_the_agent_as_it_was(make_agent, make_vendord, step):
    agent, vendor = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url)
    for round in range(2):  # and the next one may come
        s = Successor(agent)
        step(s)
        s.close()
        answer = agent.post(CONFIG, "/api/v1/features", {"name": f"after-{round}"})
        assert answer.status == 201, answer
        assert agent.chat().status == 200
        assert agent.get(KEYS, "/api/v1/audit").status == 200
    agent.restart()
    assert {item["name"] for item in agent.get(CONFIG, "/api/v1/features").body["items"]} >= {
        "after-0", "after-1"}


NEVER_READY = """
import pathlib, signal, sys, types
sys.path.insert(0, sys.argv[1])
import handover
s = handover.Successor(types.SimpleNamespace(state_dir=pathlib.Path(sys.argv[2])))
s.take()
signal.pause()
"""


def test_one_that_is_never_ready_is_ended(make_agent):
    """It is another process than the test's, as it is killed."""
    agent = make_agent()
    here = pathlib.Path(handover.__file__).parent
    child = subprocess.Popen([sys.executable, "-c", NEVER_READY, here, agent.state_dir])
    wait_for(lambda: events_of(agent, "handover"), what="the hand-over")
    assert agent.get(CONFIG, "/api/v1/features").status == 200
    answer = agent.post(CONFIG, "/api/v1/features", {"name": "meanwhile"})
    assert answer.status == 201, answer
    assert child.wait(30) == -signal.SIGKILL
    assert events_of(agent, "handover_failed")


def test_who_does_not_ask_is_told_who_runs(make_agent, spawned):
    agent = make_agent()
    s = Successor(agent)
    assert s.greet(asks=False) == (REFUSED, b"")
    s.close()
    second = spawned("second", state_dir=agent.state_dir)
    assert second.child.wait(30) == 75
    assert f"in use by yijiand (pid {agent.pid})" in second.log()
    second.child = None
    assert agent.get(CONFIG, "/api/v1/features").status == 200


def test_a_successor_that_cannot_start_ends_and_the_agent_goes_on(make_agent, successor_of):
    agent = make_agent()
    taken = socket.create_server(("127.0.0.1", 0))
    heir = successor_of(agent, wait=False, env={
        "YIJIAN_LISTEN_ROUTER_ENGINE": "127.0.0.1:%d" % taken.getsockname()[1]})
    assert heir.child.wait(30) == 78
    heir.child = None
    taken.close()
    assert agent.post(CONFIG, "/api/v1/features", {"name": "goes-on"}).status == 201
    assert agent.ports_path.exists() and (agent.state_dir / "agent.sock").exists()


# ---- a hand-over under load ----

class Load:
    """Callers of every kind until stop(); their failures, and the longest wait."""

    def __init__(self, agent):
        self.agent, self.over = agent, threading.Event()
        self.failed, self.done, self.longest = [], {}, {}
        self.made = []
        kinds = [self.json, self.kept, self.stream, self.write, self.upload, self.read]
        self.threads = [threading.Thread(target=self.run, args=(kind,)) for kind in kinds]
        for thread in self.threads:
            thread.start()

    def run(self, kind):
        n, name = 0, kind.__name__
        state = {}
        while not self.over.is_set():
            n += 1
            begun = time.monotonic()
            try:
                why = kind(n, state)
            except Exception as failure:  # pylint: disable=broad-except
                why = repr(failure)
            if why:
                self.failed.append((name, n, why))
                state.clear()
            self.done[name] = n
            self.longest[name] = max(self.longest.get(name, 0), time.monotonic() - begun)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self

    def json(self, n, _):
        answer = self.agent.chat(f"json {n}")
        return answer if answer.status != 200 else None

    def kept(self, n, state):
        """On one connection as long as it is kept. One that was closed while it was idle is the
        caller's to open anew, as every client does."""
        body = {"model": "chat", "messages": [{"role": "user", "content": f"kept {n}"}]}
        for attempt in range(2):
            connection = state.setdefault("c", http.client.HTTPConnection(*self.agent.address()))
            fresh = connection.sock is None
            try:
                send_request(connection, "POST", CHAT, body)
                answer = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                state.clear()
                if fresh or attempt:
                    raise
                self.done["reopened"] = self.done.get("reopened", 0) + 1
                continue
            answer.read()
            if answer.getheader("Connection") == "close":
                state.clear()
            return answer.status if answer.status != 200 else None

    def stream(self, n, _):
        with self.agent.stream(CHAT, {"model": "chat", "stream": True, "messages": [
                {"role": "user", "content": f"stream {n}"}]}) as stream:
            events = list(stream.events())
        return events[-1] if events[-1] != "[DONE]" else None

    def write(self, n, _):
        name = f"written-{n}"
        answer = self.agent.post(KEYS, "/api/v1/keys", {
            "vendor": "openai", "service": "gpt-4", "key_name": name,
            "api_key": f"sk-simulated-{n:016}", "base_url": "http://127.0.0.1:9",
            "enabled": False})
        if answer.status != 201:
            return answer
        self.made.append(name)
        return None

    def upload(self, n, _):
        big = "x" * 300_000
        answer = request(self.agent.address(), "POST", "/v1/embeddings",
                         {"model": "embeddings", "input": [big, f"upload {n}"]})
        return answer if answer.status != 200 else None

    def read(self, n, _):
        service, path = [(KEYS, "/api/v1/audit?limit=1"), (CONFIG, "/api/v1/features"),
                         (ROUT, "/api/v1/routes"), (GW, "/api/v1/usage?window=1h"),
                         (REG, "/api/v1/services")][n % 5]
        answer = self.agent.get(service, path)
        return (path, answer) if answer.status != 200 else None


def keys_of(agent):
    """The names of all, on however many pages."""
    names, cursor = set(), ""
    while cursor is not None:
        page = agent.get(KEYS, f"/api/v1/keys?limit=500{cursor}").body
        names |= {item["key_name"] for item in page["items"]}
        cursor = f"&cursor={page['next']}" if "next" in page else None
    return names


def test_no_request_fails_while_one_after_another_takes_over(make_agent, make_vendord,
                                                             successor_of):
    agent, vendor = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url, features=("chat", "embeddings"),
                       capacity={"max_concurrency": 100})
    vendor.fault({"tokens": 20, "pace_ms": 5}, path=CHAT)
    load = Load(agent)
    line = [agent]
    for _ in range(3):
        before = dict(load.done)
        wait_for(lambda: all(load.done.get(k, 0) > before.get(k, 0) + 3
                             for k in ("json", "kept", "stream", "write", "upload", "read")),
                 what="load")
        line.append(successor_of(line[-1]))
        assert line[-2].child.wait(60) == 0, line[-2].log()[-3000:]
        line[-2].child = None
    load.stop()
    assert not load.failed, load.failed[:5]
    assert keys_of(line[-1]) == set(load.made)
    print("longest", load.longest, load.done)


# Where a whole program ends, see tests/lib/crash.c.
CRASHES = {"m%d" % handover.HELLO: "connected", "s%d" % handover.HELLO: "greeted",
           "m%d" % handover.PROOF: "asked for its proof", "s%d" % handover.PROOF: "has proved",
           "open": "has the sockets and opens the database", "m%d" % handover.READY: "has migrated",
           "s%d" % handover.READY: "is ready", "m%d" % handover.DONE: "has committed"}


def test_no_request_fails_while_one_after_another_gives_up(make_agent, make_vendord, successor_of,
                                                           tmp_path):
    """At every step, twice, and as whole programs: killed at every step, with a setting that is none, of an
    older version than the database, and one that is never ready."""
    agent, vendor = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url, features=("chat", "embeddings"),
                       capacity={"max_concurrency": 100})
    vendor.fault({"tokens": 20, "pace_ms": 5}, path=CHAT)
    load = Load(agent)

    def goes_on():
        before = dict(load.done)
        wait_for(lambda: all(load.done.get(k, 0) > before.get(k, 0)
                             for k in ("json", "kept", "stream", "write", "upload", "read")),
                 what="every kind of request after a hand-over that failed")

    def fails(step):
        """One at a time: it may not be done yet with the one before."""
        s = Successor(agent)
        try:
            step(s)
        except (ConnectionResetError, BrokenPipeError):
            return False
        finally:
            s.close()
        return True
    for step in STEPS * 2:
        wait_for(lambda step=step: fails(step), what=step.__name__)
        goes_on()
    crash = preload.environment(preload.build("crash", tmp_path))
    ends = [({**crash, "YIJIAN_TEST_CRASH": step}, -signal.SIGKILL) for step in CRASHES]
    ends += [({**crash, "YIJIAN_TEST_CRASH": "newer"}, 70), ({"YIJIAN_LOG_LEVEL": "shout"}, 78)]
    for env, status in ends:
        heir = successor_of(agent, wait=False, env=env)
        assert heir.child.wait(30) == status, (env, heir.log())
        assert status != 70 or "made by a newer version" in heir.log()
        heir.child = None
        goes_on()
    here = pathlib.Path(handover.__file__).parent
    child = subprocess.Popen([sys.executable, "-c", NEVER_READY, here, agent.state_dir])
    assert child.wait(30) == -signal.SIGKILL
    goes_on()
    load.stop()
    assert not load.failed, load.failed[:5]
    assert not events_of(agent, "handover_done")
    assert keys_of(agent) == set(load.made)
    print("longest", load.longest, load.done)


def test_what_was_used_while_it_drained_is_counted(make_agent, make_vendord, successor_of):
    agent, vendor = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    agent.add_key(vendor.base_url)
    client = agent.post(KEYS, "/api/v1/clients", {
        "name": "spender", "budget": {"amount_pico": 10**15, "currency": "USD"}}).body
    caller = {"Authorization": "Bearer " + client["key"]}
    vendor.fault({"tokens": 40, "pace_ms": 50}, path="/v1/*")
    streams = [agent.stream(CHAT, {"model": "chat", "stream": True, "messages": [
        {"role": "user", "content": f"long {n}"}]}, headers=caller) for n in range(5)]
    events = [stream.events() for stream in streams]
    for each in events:
        next(each)
    heir = successor_of(agent)
    assert [list(each)[-1] for each in events] == ["[DONE]"] * 5
    assert agent.child.wait(60) == 0

    def used():
        return heir.get(GW, "/api/v1/usage?window=1h&by=client").body["items"]
    wait_for(lambda: sum(item["requests"] for item in used()) == 5, what="all that was used")
    cost = sum(one["pico"] for item in used() for one in item["cost"])
    assert cost > 0, used()
    wait_for(lambda: heir.get(KEYS, "/api/v1/clients/" + client["id"]).body["spent"]["pico"] == cost,
             what="the budget to know of it")


# ---- pictures ----

IMAGES = "/v1/images/generations"


def picture(agent, prompt, headers=(), timeout=60):
    return agent.post(GW, IMAGES, {"model": "text_to_image", "prompt": prompt},
                      headers=dict(headers), timeout=timeout)


def submits(vendor):
    """How many reached the vendor; one without tasks of its own is asked for nothing else."""
    stats = vendor.stats()
    return sum(stats["by_prompt"].values()) or stats["requests"]


def under_way(agent):
    return sum(task["state"] in ("submitting", "running")
               for task in agent.get(GW, "/api/v1/tasks").body["items"])


@pytest.fixture(params=["answers a submit with its picture", "has tasks of its own"])
def painter(request, make_agent, make_vendord):
    """(agent, vendor, how slow a picture is)"""
    agent = make_agent(env={"YIJIAN_TASK_POLL_MS": "20"})
    if request.param.startswith("answers"):
        vendor = make_vendord(no_auth=True)
        agent.add_key(vendor.base_url, service="dalle", key_name="dalle",
                      limits={"rpm": 60000, "concurrency": 50})
        return agent, vendor, lambda: vendor.fault({"delay": 1500}, path="/v1/images/*")
    vendor = make_vendord(flavour="dashscope")
    agent.add_key(vendor.url, vendor="aliyun", service="wanx", key_name="wanx",
                  limits={"rpm": 60000, "concurrency": 50})
    return agent, vendor, lambda: vendor.fault({"task_polls": 30}, path="/api/*")


def test_a_picture_that_is_being_made_is_told_by_the_successor(painter, successor_of):
    agent, vendor, slow = painter
    slow()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(picture, agent, f"waits {n}") for n in range(3)]
        later = picture(agent, "later", {"Prefer": "respond-async"})
        assert later.status == 202
        wait_for(lambda: under_way(agent) == 4, what="the submits")
        heir = successor_of(agent)
        answers = [each.result() for each in waits]
    assert [answer.status for answer in answers] == [200] * 3, answers
    assert all(len(answer.body["data"]) == 1 for answer in answers)
    wait_for(lambda: heir.get(GW, "/v1/images/tasks/" + later.body["id"]).body["status"] ==
             "succeeded", what="the one nobody waits for")
    assert agent.child.wait(60) == 0
    assert submits(vendor) == 4
    items = heir.get(GW, "/api/v1/tasks").body["items"]
    assert {item["state"] for item in items} == {"succeeded"} and len(items) == 4
    used = heir.get(GW, "/api/v1/usage?window=1h&by=feature").body["items"]
    assert sum(item["images"] for item in used) == 4, used


def test_pictures_are_asked_for_while_one_after_another_takes_over(painter, successor_of):
    agent, vendor, _ = painter
    over, failed, made = threading.Event(), [], []

    def ask(name):
        n = 0
        while not over.is_set():
            n += 1
            answer = picture(agent, f"{name} {n}")
            made.append(f"{name} {n}")
            if answer.status != 200:
                failed.append((name, n, answer))
    threads = [threading.Thread(target=ask, args=(f"caller {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    line = [agent]
    for _ in range(3):
        before = len(made)
        wait_for(lambda: len(made) > before + 10, what="pictures")
        line.append(successor_of(line[-1]))
        assert line[-2].child.wait(60) == 0, line[-2].log()[-3000:]
    over.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[:3]
    assert submits(vendor) == len(made)


def test_a_submit_whose_agent_dies_is_in_doubt(painter, successor_of):
    agent, vendor, _ = painter
    vendor.fault({"delay": 60000}, path="/*")
    later = picture(agent, "lost", {"Prefer": "respond-async"})
    assert later.status == 202
    wait_for(lambda: under_way(agent) == 1, what="the submit")
    heir = successor_of(agent)
    assert heir.get(GW, "/api/v1/tasks").body["items"][0]["state"] == "submitting"
    agent.kill9()
    agent.child = None
    wait_for(lambda: heir.get(GW, "/api/v1/tasks").body["items"][0]["state"] ==
             "outcome_unknown", what="the doubt")
    assert submits(vendor) <= 1


def test_a_successor_that_gives_up_loses_no_picture(painter):
    agent, vendor, slow = painter
    slow()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(picture, agent, f"stays {n}") for n in range(3)]
        wait_for(lambda: under_way(agent) == 3, what="the submits")
        s = Successor(agent)
        s.take()
        s.close()
        answers = [each.result() for each in waits]
    assert [answer.status for answer in answers] == [200] * 3, answers
    assert submits(vendor) == 3


# ---- a service manager ----

def test_one_that_was_told_to_stop_waits_for_its_successor(make_agent, make_vendord, spawned):
    """As systemctl restart does it: the end first, then the start, and no flag."""
    agent = make_agent(env={"YIJIAN_SUCCESSOR_WAIT_MS": "60000"})
    vendor = make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url)
    agent.signal(signal.SIGTERM)
    wait_for(lambda: events_of(agent, "stopping"), what="stopping")
    assert agent.chat().status == 200  # nobody is there yet
    assert agent.post(CONFIG, "/api/v1/features", {"name": "meanwhile"}).status == 201
    heir = spawned("heir", state_dir=agent.state_dir)
    heir.ports = agent.ports
    heir.wait("the line started", lambda: events_of(heir, "started"))
    assert agent.child.wait(60) == 0
    assert heir.chat().status == 200
    assert heir.get(CONFIG, "/api/v1/features/meanwhile").status == 200


def test_a_successor_that_fails_may_come_again(make_agent, make_vendord, spawned):
    """A service manager starts the next one again a little later: so long it is waited for anew."""
    wait_s = 2
    agent = make_agent(env={"YIJIAN_SUCCESSOR_WAIT_MS": str(wait_s * 1000)})
    vendor = make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url)
    agent.signal(signal.SIGTERM)
    wait_for(lambda: events_of(agent, "stopping"), what="stopping")
    begun = time.monotonic()
    while time.monotonic() < begun + 2.5 * wait_s:
        s = Successor(agent)
        takes_and_says_why_not(s)
        s.close()
        assert agent.chat().status == 200
    heir = spawned("heir", state_dir=agent.state_dir)
    heir.ports = agent.ports
    heir.wait("the line started", lambda: events_of(heir, "started"))
    assert agent.child.wait(60) == 0
    assert heir.chat().status == 200


def test_one_that_waits_does_so_anew_when_another_is_on_its_way(make_agent, make_vendord):
    """As the unit says before each start, also of one that cannot even ask."""
    wait_s = 1
    agent = make_agent(env={"YIJIAN_SUCCESSOR_WAIT_MS": str(wait_s * 1000)})
    vendor = make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url)
    agent.signal(signal.SIGURG)  # says nothing to one that nobody stops
    agent.signal(signal.SIGTERM)
    wait_for(lambda: events_of(agent, "stopping"), what="stopping")
    begun = time.monotonic()
    while time.monotonic() < begun + 3 * wait_s:
        agent.signal(signal.SIGURG)
        assert agent.chat().status == 200
    assert agent.child.wait(60) == 0


def test_one_that_drains_gives_itself_up_as_well(make_agent, make_vendord, spawned):
    agent, vendor = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url)
    vendor.fault({"tokens": 60, "pace_ms": 50}, path="/v1/*")
    with agent.stream(CHAT, {"model": "chat", "stream": True, "messages": [
            {"role": "user", "content": "long"}]}) as stream:
        events = stream.events()
        next(events)
        agent.signal(signal.SIGTERM)
        wait_for(lambda: events_of(agent, "stopping"), what="stopping")
        heir = spawned("heir", state_dir=agent.state_dir)
        heir.ports = agent.ports
        heir.wait("the line started", lambda: events_of(heir, "started"))
        assert heir.get(CONFIG, "/api/v1/features").status == 200
        assert agent.alive() and list(events)[-1] == "[DONE]"
    assert agent.child.wait(60) == 0


def inherit(agent, sockets):
    """Spawns it with sockets as the service manager passes them: from descriptor 3 on, named."""
    script = ("import os, sys\n"
              "fds = [int(fd) for fd in sys.argv[1].split(',')]\n"
              "spare = [os.dup2(fd, 100 + n) for n, fd in enumerate(fds)]\n"
              "[os.dup2(fd, 3 + n, True) for n, fd in enumerate(spare)]\n"
              "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))\n"
              "os.execv(sys.argv[2], sys.argv[2:])\n")
    fds = [sock.fileno() for _, sock in sockets]
    agent.command = [sys.executable, "-c", script, ",".join(map(str, fds)), *agent.command]
    agent.env["LISTEN_FDNAMES"] = ":".join(name for name, _ in sockets)
    agent.spawn(pass_fds=fds)


@pytest.fixture
def unspawned(started):
    def make(name="inherits", **options):
        agent = Agent(scratch=started.scratch, name=name, **options)
        started.programs.append(agent)
        return agent
    return make


def test_sockets_of_a_service_manager_stand_for_the_settings(unspawned):
    agent = unspawned(env={"YIJIAN_LISTEN_CONFIG_CENTER": "127.0.0.1:1"})
    sockets = [("api-gateway", socket.create_server(("127.0.0.1", 0))),
               ("yijiand-config-center.socket", socket.create_server(("127.0.0.1", 0)))]
    waiting = socket.create_connection(sockets[0][1].getsockname())  # before anybody runs
    waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    inherit(agent, sockets)
    agent.ports = agent.wait("ports.json", agent.read_ports)
    assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
    for (_, sock), service in zip(sockets, (GW, CONFIG)):
        assert agent.ports[service] == ["%s:%d" % sock.getsockname()]
        assert agent.get(service, "/healthz").status == 200
        sock.close()
    assert len(agent.ports[KEYS]) == 2  # by its setting
    waiting.close()


def test_two_sockets_of_one_address_are_served_both(unspawned, make_vendord):
    """A service that is stopped with its sockets and started again, while the agent of before goes on."""
    def bound(port=0):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(64)
        return sock
    vendor = make_vendord(flavour="vllm", no_auth=True)
    vendor.fault({"tokens": 100, "pace_ms": 50}, path="/v1/*")
    first = bound()
    line = [unspawned(env={"YIJIAN_SUCCESSOR_WAIT_MS": "60000"}, name="agent")]
    inherit(line[0], [("api-gateway", first)])
    line[0].ports = line[0].wait("ports.json", line[0].read_ports)
    line[0].add_instance(vendor.url)
    with line[0].stream(CHAT, {"model": "chat", "stream": True, "messages": [
            {"role": "user", "content": "long"}]}) as stream:
        events = stream.events()
        next(events)
        for n in range(2):
            line[-1].signal(signal.SIGTERM)
            wait_for(lambda: events_of(line[-1], "stopping"), what="stopping")
            second = bound(first.getsockname()[1])
            heir = unspawned(state_dir=line[0].state_dir, name=f"heir{n}",
                             env={**line[0].env, "YIJIAN_SUCCESSOR_WAIT_MS": "60000" if n == 0 else "0"})
            inherit(heir, [("api-gateway", second)])
            heir.wait("the line started", lambda heir=heir: events_of(heir, "started"))
            heir.ports = heir.read_ports()
            assert heir.ports[GW] == ["%s:%d" % first.getsockname()]
            second.close()
            for _ in range(40):  # to either, by the hash of their addresses
                assert heir.get(GW, "/healthz").status == 200
            line.append(heir)
        assert list(events)[-1] == "[DONE]"


def listening(family=socket.AF_INET, kind=socket.SOCK_STREAM, address=("127.0.0.1", 0), listen=True):
    sock = socket.socket(family, kind)
    sock.bind(address)
    if listen:
        sock.listen()
    return sock


@pytest.mark.parametrize("name, make, why", [
    ("no-such-service", listening, "no service has this name"),
    ("", listening, "no service has this name"),
    ("key-manager", lambda: listening(listen=False), "does not listen"),
    ("key-manager", lambda: listening(kind=socket.SOCK_DGRAM, listen=False), "no TCP socket"),
    ("key-manager", lambda: listening(socket.AF_UNIX, address="\0yijian-odd-%d" % os.getpid()),
     "no TCP socket"),
    ("key-manager", lambda: open("/dev/null", "rb"), "no socket"),
    ("key-manager", lambda: listening(address=("0.0.0.0", 0)), "beyond loopback"),
], ids=["unknown", "unnamed", "not listening", "datagrams", "unix", "a file", "public"])
def test_an_odd_socket_is_named(unspawned, name, make, why):
    agent = unspawned()
    odd = make()
    inherit(agent, [("api-gateway", listening()), (name, odd)])
    assert agent.child.wait(30) == 78
    agent.child = None
    assert why in agent.log(), agent.log()
    odd.close()


def test_a_service_has_as_many_sockets_as_it_can_serve(unspawned):
    agent = unspawned()
    inherit(agent, [("key-manager", listening()) for _ in range(9)])
    assert agent.child.wait(30) == 78
    agent.child = None
    assert "more sockets than it can serve" in agent.log()
