# SPDX-License-Identifier: MIT
"""The first client locks out whoever calls without a key: it is said before it is done, and done
only when somebody agrees."""
import json
import os
import pty

from command import YIJIAN, environment, yijian

GW, KEYS = "api-gateway", "key-manager"


def clients(agent):
    return agent.get(KEYS, "/api/v1/clients").body["total"]


def known(agent):
    return agent.get(GW, "/api/v1/status").body["clients"]


def three_callers(agent):
    for name in ("shop/1.0", "bot/2.0", "curl/8"):
        assert agent.chat(headers={"User-Agent": name}).status == 200
    assert agent.chat(headers={"User-Agent": "curl/8"}).status == 200


def test_the_agent_knows_whom(chat_agent):
    assert known(chat_agent)["keyless_callers"] == 0
    three_callers(chat_agent)
    doc = known(chat_agent)
    assert doc["required"] is False
    assert (doc["keyless_callers"], doc["keyless_requests_5m"]) == (3, 4)
    assert {(c["user_agent"], c["requests_5m"]) for c in doc["keyless"]} == {
        ("shop/1.0", 1), ("bot/2.0", 1), ("curl/8", 2)}
    assert all(c["caller"].startswith("127.0.0.1") for c in doc["keyless"])


def test_requests_of_one_connection_are_one_callers(chat_agent):
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "x"}]}).encode()
    ask = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nUser-Agent: one\r\n"
           b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    with chat_agent.connect() as one:
        for _ in range(5):
            one.send(ask)
            assert one.answer("POST").status == 200
    doc = known(chat_agent)
    assert (doc["keyless_callers"], doc["keyless_requests_5m"]) == (1, 5)


def test_callers_of_long_ago_are_forgotten(make_agent, vendord, clock):
    agent = make_agent(env=clock.env)
    agent.add_key(vendord.base_url)
    assert agent.chat().status == 200
    assert known(agent)["keyless_callers"] == 1
    clock.advance(200)
    assert known(agent)["keyless_callers"] == 1
    clock.advance(140)
    assert known(agent)["keyless_callers"] == 0


def test_scripts_must_agree_by_name(chat_agent):
    three_callers(chat_agent)
    for more in ([], ["--yes"], ["--confirm", "other"]):
        done = yijian(chat_agent, "client", "add", "shop", *more)
        assert done.returncode == 11 and done.stdout == ""
        assert "3 callers without a key in the last 5 min" in done.stderr
        assert "curl/8" in done.stderr and "--confirm shop" in done.stderr
    assert clients(chat_agent) == 0 and chat_agent.chat().status == 200
    done = yijian(chat_agent, "client", "add", "shop", "--confirm", "shop")
    assert done.returncode == 0 and done.stdout.startswith("yj_c_")
    assert "401" in done.stderr
    assert chat_agent.chat().status == 401
    assert yijian(chat_agent, "client", "add", "second").returncode == 0  # nobody is left to lock out


def test_nobody_to_lock_out_needs_no_consent(chat_agent):
    done = yijian(chat_agent, "client", "add", "shop")
    assert done.returncode == 0 and "first client" in done.stderr
    assert "nobody" in done.stderr


def on_terminal(agent, answer, *args):
    """What the command says on a terminal whose user answers."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(YIJIAN, [YIJIAN, *args], environment(agent.url()))
    said, answered = b"", False
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        said += data
        if b"[y/N]" in said and not answered:
            os.write(fd, answer)
            answered = True
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_people_are_asked_first(chat_agent):
    three_callers(chat_agent)
    code, said = on_terminal(chat_agent, b"\n", "client", "add", "shop")
    assert code == 11 and "3 callers without a key" in said and "yj_c_" not in said
    assert clients(chat_agent) == 0
    code, said = on_terminal(chat_agent, b"y\n", "client", "add", "shop")
    assert code == 0 and "yj_c_" in said and clients(chat_agent) == 1


def test_the_answer_to_a_script_says_whom(chat_agent):
    three_callers(chat_agent)
    first = chat_agent.post(KEYS, "/api/v1/clients", {"name": "shop"}).body
    assert first["locks_out"]["keyless_callers"] == 3
    assert first["locks_out"]["keyless_requests_5m"] == 4
    assert len(first["locks_out"]["keyless"]) == 3 and first["key"].startswith("yj_c_")
    second = chat_agent.post(KEYS, "/api/v1/clients", {"name": "other"}).body
    assert "locks_out" not in second
    assert known(chat_agent)["required"] is True


def test_asking_for_keys_again_says_whom_too(chat_agent):
    three_callers(chat_agent)
    done = yijian(chat_agent, "client", "policy", "--required", "true")
    assert done.returncode == 11 and "3 callers without a key" in done.stderr
    assert "yijian client policy --required true --confirm required" in done.stderr
    assert known(chat_agent)["required"] is False
    assert yijian(chat_agent, "client", "policy").returncode == 0
    done = yijian(chat_agent, "client", "policy", "--required", "true", "--confirm", "required")
    assert done.returncode == 0 and known(chat_agent)["required"] is True
    assert chat_agent.chat().status == 401
    assert yijian(chat_agent, "client", "policy", "--required", "false").returncode == 0
    assert chat_agent.chat().status == 200
