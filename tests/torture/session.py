# SPDX-License-Identifier: MIT
"""A long session as a coding client holds it, turn by turn: every word in it is marked, so that what
reached the model can be told from what was lost on the way."""
import base64

TURNS, TOOLS = 200, 30
LONG_NAME = "mcp__" + "a_server_with_a_long_name__" * 3 + "search"
CACHED = {"cache_control": {"type": "ephemeral"}}


def picture(mark):
    data = b"\x89PNG\r\n\x1a\n" + mark.encode() * 9
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                        "data": base64.b64encode(data).decode()}}


def document(number):
    kinds = [{"type": "text", "media_type": "text/plain", "data": "document-0 of text"},
             {"type": "base64", "media_type": "application/pdf",
              "data": base64.b64encode(b"%PDF-1.4 document-1 " * 9).decode()},
             {"type": "content", "content": [{"type": "text", "text": "document-2 in parts"}]}]
    return {"type": "document", "title": f"title-{number}.txt", "source": kinds[number], **CACHED}


def tools():
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    names = [f"tool_{number}" for number in range(TOOLS - 1)] + [LONG_NAME]
    made = [{"name": name, "description": f"describes-{name}", "input_schema": schema}
            for name in names]
    made[3]["input_schema"] = {"type": "object"}
    made[4]["strict"] = True
    made[-1].update(CACHED)
    return made


class Session:
    """request(n): what is asked at the n-th turn, and its marks in order, by their kind."""

    def __init__(self):
        self.messages, self.marks = [], [("system", "system-0"), ("system", "system-1")]
        self.begun = {}  # turn → (messages, marks) so far
        self.calls = []
        for turn in range(TURNS):
            (self.user if turn % 2 == 0 else self.assistant)(turn)
            self.begun[turn] = (len(self.messages), len(self.marks))

    def say(self, role, *blocks):
        self.messages.append({"role": role, "content": list(blocks)})

    def text(self, mark, **more):
        self.marks.append(("text", mark))
        return {"type": "text", "text": f"{mark} and so on", **more}

    def result(self, call, turn, number):
        mark = f"result-{turn}-{number}"
        self.marks.append(("text", mark))
        content = [{"type": "text", "text": mark}]
        if turn in (40, 80):
            content.append(picture(mark))
            self.marks.append(("picture", content[-1]["source"]["data"]))
        if turn == 60:
            content.append({"type": "tool_reference", "tool_name": "tool_7"})
        if turn % 22 == 0:
            content = mark
        return {"type": "tool_result", "tool_use_id": call, "content": content,
                **({"is_error": True} if turn % 14 == 0 else {}),
                **(CACHED if turn % 50 == 0 else {})}

    def user(self, turn):
        blocks = [self.result(call, turn, number) for number, call in enumerate(self.calls)]
        if blocks and turn % 30 == 0:
            blocks.append(self.text("[Request interrupted by user for tool use]"))
        if turn in (10, 100, 150):
            blocks.append(picture(f"picture-{turn}"))
            self.marks.append(("picture", blocks[-1]["source"]["data"]))
        if turn in (20, 70, 120):
            number = (20, 70, 120).index(turn)
            blocks.append(document(number))
            data = blocks[-1]["source"].get("data", "document-2 in parts")
            self.marks.append(("document", data))
        if not blocks or turn % 8 == 0:
            blocks.append(self.text(f"asked-{turn}"))
        self.say("user", *blocks)
        if turn in (50, 130):
            self.marks.append(("text", f"reminder-{turn}"))
            self.messages.append({"role": "system", "content": f"reminder-{turn} for the model"})

    def assistant(self, turn):
        blocks, self.calls = [], []
        if turn % 3 == 0:
            self.marks.append(("thinking", f"thought-{turn}"))
            blocks.append({"type": "thinking", "thinking": f"thought-{turn}",
                           "signature": base64.b64encode(b"signed %d" % turn).decode()})
        blocks.append(self.text(f"said-{turn}"))
        for number in range(turn % 4):  # none, or several at once
            name = LONG_NAME if turn == 33 else f"tool_{(turn + number) % (TOOLS - 1)}"
            self.calls.append(f"toolu_{turn}_{number}")
            self.marks.append(("call", f"path-{turn}-{number}"))
            blocks.append({"type": "tool_use", "id": self.calls[-1], "name": name,
                           "input": {"path": f"path-{turn}-{number}"} if number < 2 else
                           {"path": f"path-{turn}-{number}", "deep": {"list": [1, None, "ü"]}}})
        self.say("assistant", *blocks)

    def request(self, turn, model):
        messages, marks = self.begun[turn]
        return {"model": model, "max_tokens": 1000, "messages": self.messages[:messages],
                "system": [{"type": "text", "text": "system-0 words"},
                           {"type": "text", "text": "system-1 words", **CACHED}],
                "tools": tools(), "thinking": {"type": "adaptive"},
                "metadata": {"user_id": "user_" + "0123456789abcdef" * 6}}, self.marks[:marks]
