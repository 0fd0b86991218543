# SPDX-License-Identifier: MIT
"""Small mistakes planted in C: each a change of one token, condition, statement or returned value.

A mutant is known by its words, not by its place: the function, the line as it stands, the change.
So a table about it outlives moved code, and the same ones are drawn when a file has moved."""
import dataclasses
import hashlib
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lint"))
import source as src  # noqa: E402

TOKEN = re.compile(r"->|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|[-+*/%&|^]=|[-+*/%<>&|]")
BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
LOGICAL = {"&&": "||", "||": "&&"}
BINARY = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "&": "|", "|": "&", "<<": ">>",
          ">>": "<<"}
IN_PLACE = {"+=": "-=", "-=": "+=", "*=": "/=", "|=": "&=", "&=": "|=", "++": "--", "--": "++"}
NUMBER = re.compile(r"(?<![\w.])(0[xX][0-9a-fA-F]+|\d+)(?=[uUlL]*\b(?!\.))|(?<!\w)(true|false)(?!\w)")
# int a[64], {0}: the size of a buffer, and "all of it unset"
NO_NUMBER = re.compile(r"^\s*(?:static |const )*(?:struct |unsigned )?\w+ [*\w, ]*\w\[|\{0\}")
EXPRESSION = re.compile(r"[*+(-]*[A-Za-z_]\w*\s*(?:\(|->|\.|\[|=[^=]|[-+*/|&^%]=|<<=|>>=|\+\+|--)")
KEYWORD = re.compile(r"(?:if|for|while|switch|return|sizeof|do|else|case|default|goto)\b")
# What is given back or wiped is seen by the sanitizers, and what is locked by theirs for threads.
UNSEEN = re.compile(r"(?:\w*_)?(?:release|free|unref|wipe|close|lock|unlock|memzero)\w*\s*\(")
CONDITION = re.compile(r"\b(?:if|while)\s*\(")
RETURN = re.compile(r"\breturn\b\s*([^;]+);")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """text[start:end] of the file becomes `new`."""
    file: str
    function: str
    line: int
    words: str  # the line, white space folded
    change: str  # "< to <=", and which of several alike: "< to <= (2)"
    start: int
    end: int
    new: str

    @property
    def key(self):
        return self.function, self.words, self.change

    @property
    def draw(self):
        """Its place in the draw: by its words alone, so it is the same in every run."""
        return hashlib.sha256("\t".join(self.key).encode()).hexdigest()

    def applied(self):
        text = src.text(self.file)
        return text[:self.start] + self.new + text[self.end:]

    def __str__(self):
        return f"{self.file}:{self.line}: {self.function}(): {self.words}\n      {self.change}"


def closing(code, at):
    """Behind the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(code)):
        if code[i] in "([{":
            depth += 1
        elif code[i] in ")]}":
            depth -= 1
            if depth == 0:
                return i + 1
    return len(code)


def statement_end(code, at):
    """Behind the semicolon of the statement that begins at `at`."""
    while at < len(code) and code[at] != ";":
        at = closing(code, at) if code[at] in "([{" else at + 1
    return at + 1


def bodies(name):
    """(function, its type, start, end of the body) of a source's functions, as offsets."""
    starts = [0]
    for line in src.code(name).splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for function, first, lines, _ in src.functions(name):
        head = src.code(name)[starts[first - 1]:]
        opens = starts[first - 1] + head.index("\n{")
        kind = re.sub(r"\b(?:static|inline|const|_Noreturn)\b", "", head[:head.index(function)])
        yield function, kind.strip(), opens + 2, starts[min(first - 1 + lines, len(starts) - 1)]


def without_directives(code):
    return re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), code)


def tokens(code, start, end):
    """Operators and numbers, one for another."""
    headers = [(m.start(), closing(code, m.end() - 1))
               for m in re.finditer(r"\bfor\s*\(", code[:end]) if m.start() >= start]
    for match in TOKEN.finditer(code, start, end):
        token = match.group()
        apart = code[match.start() - 1].isspace() and code[match.end()].isspace()
        operand = re.search(r"[\w)\]]$", code[:match.start()].rstrip()[-1:])
        loop = any(a < match.start() < b for a, b in headers)
        new = BOUNDARY.get(token) or LOGICAL.get(token)
        new = new or (BINARY.get(token) if apart and operand else None)
        new = new or (None if loop and token in ("++", "--") else IN_PLACE.get(token))
        if new:
            yield match.start(), match.end(), new, f"{token} to {new}"
    for match in NUMBER.finditer(code, start, end):
        line = code[code.rfind("\n", 0, match.start()) + 1:code.find("\n", match.start())]
        if match.group(2):
            new = {"true": "false", "false": "true"}[match.group(2)]
        elif NO_NUMBER.search(line):
            continue
        else:
            new = str(int(match.group(1), 16 if match.group(1)[:2] in ("0x", "0X") else 10) + 1)
        yield match.start(), match.end(), new, f"{match.group()} to {new}"


def conditions(code, start, end):
    for match in CONDITION.finditer(code, start, end):
        stop = closing(code, match.end() - 1)
        yield match.end(), stop - 1, f"!({{}})", "condition negated"


def statements(code, start, end):
    at = start
    for line in code[start:end].splitlines(keepends=True):
        first = at + len(line) - len(line.lstrip())
        at += len(line)
        before = code[:first].rstrip()
        if (EXPRESSION.match(code, first) and not KEYWORD.match(code, first)
                and not UNSEEN.match(code, first)
                and (before[-1:] in tuple(";{}):") or re.search(r"\b(?:else|do)$", before))):
            yield first, statement_end(code, first), ";", "statement deleted"


def returned(code, start, end, kind):
    for match in RETURN.finditer(code, start, end):
        value = match.group(1).strip()
        if kind == "bool":
            new = None if value in ("true", "false") else "!({})"  # those two are constants
        elif kind == "enum err_code":
            new = "ERR_INTERNAL" if value == "ERR_OK" else "ERR_OK"
        elif "*" in kind:
            new = None if value == "NULL" else "NULL"
        elif kind.startswith("struct") or kind == "void":
            new = None
        else:
            new = "({}) + 1"
        if new:
            yield match.start(1), match.end(1), new, f"returns {new.format('it')}"


def mutants(name):
    """Every one of a source, in its order."""
    code, text = without_directives(src.code(name)), src.text(name)
    lines, seen, found = text.splitlines(), {}, []
    for function, kind, start, end in bodies(name):
        places = [*tokens(code, start, end), *conditions(code, start, end),
                  *statements(code, start, end), *returned(code, start, end, kind)]
        for at, stop, new, change in sorted(places):
            number = text.count("\n", 0, at) + 1
            words = " ".join(lines[number - 1].split())
            count = seen[function, words, change] = seen.get((function, words, change), 0) + 1
            change += f" ({count})" if count > 1 else ""
            new = new.replace("{}", text[at:stop]) if "{}" in new else new
            found.append(Mutant(name, function, number, words, change, at, stop, new))
    return found
