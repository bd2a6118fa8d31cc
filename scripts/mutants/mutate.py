#!/usr/bin/env python3
"""Writes a copy of the tree whose src/ contains all its mutants, and the list of these.

Usage: mutate.py COMPILE_COMMANDS TREE LIST

1. clang prints the syntax tree of each file of src/, as COMPILE_COMMANDS compiles it.
2. `Finder` collects the places to mutate in the bodies of functions, also in those of headers.
3. The text of each place becomes `(MUTANT(7) ? (a <= b) : (a < b))`: one build serves all mutants,
   and DGRAM_MUTANT=7 selects one (mutant.h).
4. LIST gets one mutant a line, as JSON. Its key is the file, the function and the change, and
   no line number, so that a key stays valid while other code changes.

The kinds of change are those of Mull (cxx_default), and calls that are removed. Assertions, code of
other systems, and initialisers of static variables are left as they are.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

BINARY = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
    "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"],
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"],
    "&": ["|"], "|": ["&"], "^": ["|"], "<<": [">>"], ">>": ["<<"],
    "+=": ["-="], "-=": ["+="], "*=": ["/="], "/=": ["*="], "%=": ["/="],
    "&=": ["|="], "|=": ["&="], "^=": ["|="], "<<=": [">>="], ">>=": ["<<="],
}
NEIGHBOURS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
RELATIONS = {"<", "<=", ">", ">=", "==", "!="}
# What has to stay a constant expression, or is not evaluated.
CONSTANT = {"ConstantExpr", "StaticAssertDecl", "EnumDecl", "RecordDecl", "OffsetOfExpr",
            "UnaryExprOrTypeTraitExpr"}
ALLOCATIONS = {"malloc", "calloc", "realloc", "posix_memalign"}
WRAPPERS = {"ImplicitCastExpr", "ParenExpr", "CStyleCastExpr", "ConstantExpr", "FullExpr"}
INTEGER = re.compile(r"^(const |volatile )*(_Bool|bool|(un)?signed.*|char|short|int|long( long)?|"
                     r"enum .*)$")


class Place:
    """The text from `begin` to `end` of a file, or nothing if it cannot be replaced."""

    def __init__(self, file, begin, end, macro=None):
        self.file, self.begin, self.end, self.macro = file, begin, end, macro


class Finder:
    """Collects the mutants of one syntax tree."""

    def __init__(self, sources):
        self.sources = sources  # the text of each file of src/, by its absolute path, in bytes
        self.limits = limits_of(sources)
        self.found = []  # (file, begin, end, replacement, change, function)
        self.function = None

    def run(self, tree):
        self.resolve_files(tree)
        for node in tree["inner"]:
            if node["kind"] == "FunctionDecl" and node["loc"].get("file") in self.sources:
                body = [child for child in node.get("inner", []) if child["kind"] == "CompoundStmt"]
                if body:
                    self.function = node["name"]
                    self.returns = node["type"]["qualType"].split("(")[0].strip()
                    self.visit(body[0], [node])
        return self.found

    @staticmethod
    def resolve_files(tree):
        """Writes the file into each location: clang prints it only where it changes."""
        last = None
        todo = [tree]
        while todo:
            node = todo.pop()
            if isinstance(node, list):
                todo.extend(reversed(node))
                continue
            if "offset" in node:
                last = node.setdefault("file", last)
            # Values in the order of the text; only these have locations.
            parts = [node[key] for key in node
                     if key in ("loc", "range", "begin", "end", "spellingLoc", "expansionLoc",
                                "inner")]
            todo.extend(reversed(parts))

    # ---- places ----

    def place(self, node):
        """The text of a node; its `macro` is set if all of it comes from one expansion."""
        begin, end = node["range"]["begin"], node["range"]["end"]
        if not begin or not end:
            return None
        begin_at = begin.get("expansionLoc", begin)
        end_at = end.get("expansionLoc", end)
        file = begin_at.get("file")
        if file not in self.sources or end_at.get("file") != file:
            return None
        text = self.sources[file]
        macro = None
        if "expansionLoc" in begin and "expansionLoc" in end and \
                begin_at["offset"] == end_at["offset"]:
            macro = text[begin_at["offset"]:begin_at["offset"] + begin_at["tokLen"]].decode()
            inside = (begin_at.get("isMacroArgExpansion") and end_at.get("isMacroArgExpansion")
                      and begin["spellingLoc"].get("file") == file
                      and end["spellingLoc"].get("file") == file)
            if inside:  # the argument of a macro, as it stands in the file
                first, last = begin["spellingLoc"], end["spellingLoc"]
                return Place(file, first["offset"], last["offset"] + last["tokLen"],
                             "assert" if macro == "assert" else None)
        stop = end_at["offset"] + end_at["tokLen"]
        if "expansionLoc" in end:
            stop = self.end_of_arguments(text, stop)
        return Place(file, begin_at["offset"], stop, macro)

    @staticmethod
    def end_of_arguments(text, at):
        """The end of a macro's expansion whose name ends at `at`."""
        match = re.compile(rb"\s*\(").match(text, at)
        if match is None:
            return at
        depth, at = 1, match.end()
        while depth > 0:
            depth += {b"(": 1, b")": -1}.get(text[at:at + 1], 0)
            at += 1
        return at

    def text(self, place):
        return self.sources[place.file][place.begin:place.end].decode()

    WIDTH = 60

    @staticmethod
    def short(text):
        return " ".join(re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S).split())

    def head(self, text):
        text = self.short(text)
        return text if len(text) <= self.WIDTH else text[:self.WIDTH] + "..."

    def tail(self, text):
        text = self.short(text)
        return text if len(text) <= self.WIDTH else "..." + text[-self.WIDTH:]

    def add(self, place, replacement, change):
        if place is not None and place.macro is None and place.end > place.begin:
            self.found.append((place.file, place.begin, place.end, replacement, change,
                               self.function))

    def add_constant(self, place, replacement, parents):
        """The change shows the expression around the constant."""
        if self.is_of_no_effect(replacement, parents):
            return
        around = None
        for parent in reversed(parents):
            outer = self.place(parent) if "range" in parent else None
            if outer is None or outer.macro is not None or outer.file != place.file:
                break
            around = outer
            if parent["kind"] not in WRAPPERS:
                break
        if around is None or around.end - around.begin > 2 * self.WIDTH:
            around = place
        text = self.sources[place.file]
        change = "%s => %s" % (
            self.short(self.text(around)),
            self.short((text[around.begin:place.begin] + f"({replacement})".encode() +
                        text[place.end:around.end]).decode()))
        self.add(place, replacement, change)

    @staticmethod
    def is_of_no_effect(replacement, parents):
        """A larger allocation, or another true value."""
        outer = next(parent for parent in reversed(parents) if parent["kind"] not in WRAPPERS)
        if outer.get("opcode") in ("&&", "||", "!"):
            return True
        return replacement.endswith("+ 1") and any(
            parent["kind"] == "CallExpr" and Finder.called(parent) in ALLOCATIONS
            for parent in parents)

    @staticmethod
    def called(call):
        """The name of the function that a call calls."""
        function = call["inner"][0]
        while function.get("inner"):
            function = function["inner"][0]
        return function.get("referencedDecl", {}).get("name", "")

    # ---- mutants ----

    def visit(self, node, parents):
        kind = node.get("kind")
        if kind is None or kind in CONSTANT:
            return
        if kind == "VarDecl" and node.get("storageClass") == "static":
            return
        place = self.place(node) if "range" in node else None
        if place is not None and place.macro is not None and kind.endswith(
                ("Expr", "Literal", "Operator")):
            outer = self.place(parents[-1]) if "range" in parents[-1] else None
            if outer is None or outer.macro is None:
                self.macro_constant(node, place, parents)
        elif place is not None and place.macro == "assert":
            return
        elif place is not None:
            mutate = getattr(self, "on_" + kind, None)
            if mutate is not None:
                mutate(node, place, parents)
        for child in node.get("inner", []):
            self.visit(child, parents + [node])

    def macro_constant(self, node, place, parents):
        """A macro that is a whole number, such as UINT16_MAX, true or UV_EINVAL."""
        name = self.text(place)
        if not re.fullmatch(r"\w+", name) or not self.is_constant(node) or name == "NULL":
            return
        whole = Place(place.file, place.begin, place.end)
        if name in ("true", "false"):
            self.add_constant(whole, "false" if name == "true" else "true", parents)
        elif self.is_integer(node):
            self.add_constant(whole, f"{name} + 1", parents)
            self.add_constant(whole, f"{name} - 1", parents)

    def is_constant(self, node):
        return (node["kind"] in WRAPPERS | {"IntegerLiteral", "UnaryOperator", "BinaryOperator"}
                and all(self.is_constant(child) for child in node.get("inner", [])))

    @staticmethod
    def is_integer(node):
        kind = node["type"]
        return INTEGER.match(kind.get("desugaredQualType", kind["qualType"])) is not None

    def on_BinaryOperator(self, node, place, parents):
        left, right = (self.place(child) for child in node["inner"])
        operator = node["opcode"]
        if left is None or right is None or operator not in BINARY:
            return
        whole = self.sources[place.file]
        between = whole[left.end:right.begin].decode()
        bare = re.sub(r"/\*.*?\*/|//[^\n]*", lambda match: " " * len(match[0].encode()), between,
                      flags=re.S)
        if bare.strip() != operator:
            return
        types = [child["type"].get("desugaredQualType", child["type"]["qualType"])
                 for child in node["inner"]]
        if types[1].endswith("*") and operator in "+-":
            return  # the difference of pointers has no sum
        at = left.end + bare.index(operator)
        for other in BINARY[operator]:
            if other == NEIGHBOURS.get(operator) and self.is_choice(place, left, right, parents):
                continue
            self.add(place, (whole[place.begin:at] + other.encode() +
                             whole[at + len(operator):place.end]).decode(),
                     f"{self.tail(self.text(left))} {operator} {self.head(self.text(right))} "
                     f"=> {other}")

    on_CompoundAssignOperator = on_BinaryOperator

    def is_choice(self, place, left, right, parents):
        """Whether `a < b` is that of `a < b ? a : b`, which is the same with `<=`."""
        outer = next(parent for parent in reversed(parents) if parent["kind"] not in WRAPPERS)
        if outer["kind"] != "ConditionalOperator":
            return False
        condition, *results = (self.place(child) for child in outer["inner"])
        if condition is None or None in results or condition.begin != place.begin:
            return False
        return {self.text(left), self.text(right)} == {self.text(result) for result in results}

    def on_UnaryOperator(self, node, place, parents):
        operator, text = node["opcode"], self.text(place)
        other = {"++": "--", "--": "++"}.get(operator)
        if other is not None:
            changed = text[:-2] + other if node["isPostfix"] else other + text[2:]
            self.add(place, changed, f"{self.head(text)} => {other}")
        elif operator == "!" or \
                operator == "-" and node["inner"][0]["kind"] != "IntegerLiteral":
            self.add(place, text[1:], f"{self.head(text)} => without {operator}")

    def on_IntegerLiteral(self, node, place, parents):
        if any(parent["kind"] == "InitListExpr" or parent.get("castKind") == "NullToPointer"
               for parent in parents[-2:]):
            return
        text = self.text(place)
        self.add_constant(place, f"{text} + 1", parents)
        if int(node["value"]) != 0:
            self.add_constant(place, f"{text} - 1", parents)

    def on_DeclRefExpr(self, node, place, parents):
        """The name of a limit: a constant of an enum without a name."""
        name = node["referencedDecl"].get("name")
        if node["referencedDecl"]["kind"] == "EnumConstantDecl" and name in self.limits:
            self.add_constant(place, f"{name} + 1", parents)
            self.add_constant(place, f"{name} - 1", parents)

    def condition(self, node):
        """Negates a condition, unless its operator is a relation, which is negated above."""
        inner = node
        while inner["kind"] in WRAPPERS and inner.get("inner"):
            inner = inner["inner"][0]
        if inner.get("opcode") in RELATIONS | {"!"}:
            return
        place = self.place(node)
        if place is not None:
            text = self.text(place)
            self.add(place, f"!({text})", f"negate {self.head(text)}")

    def on_IfStmt(self, node, place, parents):
        self.condition(node["inner"][0])
        for child in node["inner"][1:]:
            self.call(child)

    def on_WhileStmt(self, node, place, parents):
        self.condition(node["inner"][0])
        self.call(node["inner"][-1])

    def on_DoStmt(self, node, place, parents):
        self.condition(node["inner"][1])
        self.call(node["inner"][0])

    def on_ForStmt(self, node, place, parents):
        if node["inner"][2]:
            self.condition(node["inner"][2])
        self.call(node["inner"][-1])

    def on_ConditionalOperator(self, node, place, parents):
        self.condition(node["inner"][0])

    def on_CompoundStmt(self, node, place, parents):
        for child in node.get("inner", []):
            self.call(child)

    def on_CaseStmt(self, node, place, parents):
        self.call(node["inner"][-1])

    def on_DefaultStmt(self, node, place, parents):
        self.call(node["inner"][-1])

    def call(self, node):
        """Removes a statement that is a call."""
        inner = node
        while inner.get("kind") in WRAPPERS and inner.get("inner"):
            inner = inner["inner"][0]
        if inner.get("kind") == "CallExpr" and "assert" not in self.called(inner):
            place = self.place(node)
            if place is not None:
                self.add(place, "(void)0", f"remove {self.head(self.text(place))}")

    def on_ReturnStmt(self, node, place, parents):
        if not node.get("inner"):
            return
        value = node["inner"][0]
        inner = value
        while inner["kind"] in WRAPPERS and inner.get("inner"):
            inner = inner["inner"][0]
        where = self.place(value)
        if where is None or inner["kind"] == "IntegerLiteral":
            return
        text = self.text(where)
        if self.returns == "bool" or self.returns == "_Bool":
            if inner.get("opcode") not in RELATIONS | {"!"}:
                self.add(where, f"!({text})", f"return {self.head(text)} => negated")
        elif self.returns.endswith("*") or self.is_integer(value):
            self.add(where, "0", f"return {self.head(text)} => 0")


def limits_of(sources):
    """The constants of enums without a name."""
    names = set()
    for text in sources.values():
        for body in re.findall(rb"\benum \{([^}]*)\}", text):
            names.update(name.decode() for name in re.findall(rb"\b([A-Z]\w*)\s*=", body))
    return names


def find(job):
    """The mutants of one compiled file and of the headers that it includes."""
    command, sources = job
    options = [word for word in shlex.split(command["command"])[1:]
               if re.match(r"-(D|I|isystem|std)", word) or word.startswith("/") and
               os.path.isdir(word)]
    tree = subprocess.run(
        ["clang", "-fsyntax-only", "-w", "-Xclang", "-ast-dump=json", *options, command["file"]],
        cwd=command["directory"], stdout=subprocess.PIPE, check=True).stdout
    return Finder(sources).run(json.loads(tree))


class Renderer:
    """Writes all mutants of one file into its text."""

    def __init__(self, text, spans):
        self.text = text
        self.spans = spans  # [(begin, end, [(number, replacement)])], outer ones first
        self.next = 0

    def render(self, begin, end):
        out = []
        while self.next < len(self.spans) and self.spans[self.next][0] < end:
            first, last, mutants = self.spans[self.next]
            self.next += 1
            out.append(self.text[begin:first])
            inner = self.render(first, last)
            removed = all(replacement == "(void)0" for _, replacement in mutants)
            chain = b"".join(b"MUTANT(%d) ? (%s) : " % (number, replacement.encode())
                             for number, replacement in mutants)
            out.append(b"(" + chain + (b"(void)(" if removed else b"(") + inner + b"))")
            begin = last
        out.append(self.text[begin:end])
        return b"".join(out)


def nested(spans):
    """Without those that overlap another only in part."""
    kept, open_spans = [], []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        while open_spans and open_spans[-1] <= span[0]:
            open_spans.pop()
        if open_spans and span[1] > open_spans[-1]:
            continue
        open_spans.append(span[1])
        kept.append(span)
    return kept


def copy_tree(tree):
    """Copies the files of the repository, so that only what differs is compiled again."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not re.match(r"src/.*\.[ch]$", name):
            to = tree / name
            to.parent.mkdir(parents=True, exist_ok=True)
            if not to.exists() or to.read_bytes() != (ROOT / name).read_bytes():
                shutil.copy(ROOT / name, to)


def main():
    compile_commands, tree, listing = map(pathlib.Path, sys.argv[1:])
    sources = {str(path): path.read_bytes()
               for path in sorted((ROOT / "src").rglob("*.[ch]"))}
    commands = {}
    for command in json.loads(compile_commands.read_text()):
        if command["file"] in sources:  # once for each set of definitions
            defined = " ".join(sorted(re.findall(r"-D\w+", command["command"])))
            commands.setdefault((command["file"], defined), command)
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(find, [(command, sources) for command in commands.values()])
        found = sorted({mutant for mutants in results for mutant in mutants})

    copy_tree(tree)
    numbered, keys = [], {}
    for path, text in sources.items():
        mutants = [mutant for mutant in found if mutant[0] == path]
        spans = {}
        for _, begin, end, replacement, change, function in mutants:
            spans.setdefault((begin, end), []).append((replacement, change, function))
        out = []
        name = os.path.relpath(path, ROOT / "src")
        for begin, end in nested(spans):
            chosen = []
            for replacement, change, function in spans[begin, end]:
                key = f"{name} {function}: {change}"
                keys[key] = keys.get(key, 0) + 1
                if keys[key] > 1:
                    key += f" #{keys[key]}"
                numbered.append({"number": len(numbered) + 1, "file": name, "key": key,
                                 "line": text.count(b"\n", 0, begin) + 1})
                chosen.append((numbered[-1]["number"], replacement))
            out.append((begin, end, chosen))
        rendered = Renderer(text, out).render(0, len(text))
        if out:
            rendered = b'#include "%s"\n#line 1\n' % str(HERE / "mutant.h").encode() + rendered
        to = tree / "src" / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists() or to.read_bytes() != rendered:
            to.write_bytes(rendered)
    listing.write_text("".join(json.dumps(mutant) + "\n" for mutant in numbered))


if __name__ == "__main__":
    main()
