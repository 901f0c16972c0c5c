"""Reads a YAML text into plain nodes that remember where they stand, within bounds that hold for any input.

It works on the parser's events, not on its recursive composer: deep nesting ends at a limit, aliases are counted as
what they expand to, and duplicate keys are found. Only the JSON-like part of YAML 1.2 is taken: no tags, no merge
keys, no directives, one document; plain words are text except numbers, true, false and null.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from chat_policies.errors import Text
from chat_policies.messages import quoted

MOST_NODES = 50_000
DEEPEST = 32

_NOT_TEXT = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = re.compile("true|True|TRUE"), re.compile("false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a character offset."""

    offset: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value of the document; `size` and `height` count all nodes and levels below it, aliases expanded."""

    start: int
    value: "Scalar | list[Node] | dict[str, Node]"
    keys: dict[str, int] = field(default_factory=dict)
    """Where each key of a mapping stands."""
    written: str = ""
    """Of a scalar: its characters, before numbers and words are told apart."""
    size: int = 1
    height: int = 1

    def plain(self) -> object:
        """The value without its places."""
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return self.value

    def children(self) -> "Iterator[Node]":
        """The nodes right below it."""
        if isinstance(self.value, list):
            yield from self.value
        elif isinstance(self.value, dict):
            yield from self.value.values()


class _Stop(Exception):  # noqa: N818 - not an error by itself: it carries one
    """Nothing after this can be read."""

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.finding = Finding(offset, message, hint)


def read(text: Text) -> tuple[Node | None, list[Finding]]:
    """The root node, or None when the text cannot be read, and what was found wrong on the way."""
    reader = _Reader(text)
    try:
        return reader.read(), reader.found
    except _Stop as stop:
        return None, [*reader.found, stop.finding]


@dataclass(slots=True)
class _Open:
    """A mapping or list that has begun and not ended."""

    start: int
    anchor: str | None
    nodes: list[Node] | None
    pairs: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    key: Node | None = None

    def close(self) -> Node:
        value = self.pairs if self.nodes is None else self.nodes
        below = list(self.pairs.values() if self.nodes is None else self.nodes)
        size = 1 + sum(node.size for node in below)
        height = 1 + max((node.height for node in below), default=0)
        return Node(self.start, value, self.keys, size=size, height=height)


class _Reader:
    def __init__(self, text: Text) -> None:
        self.text = text
        self.found: list[Finding] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._count = 0
        self._root: Node | None = None

    def read(self) -> Node:
        if odd := _NOT_TEXT.search(self.text.text):
            raise _Stop(odd.start(), f"holds the control character U+{ord(odd[0]):04X}", "take it out")
        for event in self._events():
            self._take(event)
        if self._root is None or self._root.value is None:
            raise _Stop(0, "the file is empty", "start with version: 1")
        return self._root

    def _events(self) -> Iterator[Event]:
        last = 0
        try:
            for event in YAML(typ="safe", pure=True).parse(self.text.text):
                last = event.start_mark.index
                yield event
        except MarkedYAMLError as error:
            # What is never closed is best looked for where it was opened.
            unclosed = "end of stream" in str(error.problem) and error.context_mark
            mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
            tab = "\\t" in str(error.problem)
            raise _Stop(
                mark.index if mark else last,
                f"is not YAML: {error.problem or error.context}{f' {error.context}' if unclosed else ''}",
                "indent with spaces, not with tabs" if tab else "",
            ) from None
        except (YAMLError, ValueError, OverflowError):
            raise _Stop(last, "is not YAML: something after this cannot be read") from None

    def _take(self, event: Event) -> None:
        start = event.start_mark.index
        if isinstance(event, DocumentStartEvent):
            if self._root is not None:
                raise _Stop(
                    start, "a second document begins here", "one file holds one document: take the --- out"
                )
            if event.version or event.tags:
                self.found.append(Finding(0, "directives (%) are not used here", "take the line out"))
        elif isinstance(event, AliasEvent):
            node = self._aliased(start, event.anchor)
            self._bound(start, node.size, node.height)
            self._add(node)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent | ScalarEvent):
            if event.tag is not None:
                self.found.append(
                    Finding(start, f"tags are not used here: {quoted(str(event.tag))}", "take the tag out")
                )
            if event.anchor:
                self._anchors[event.anchor] = None
            if isinstance(event, ScalarEvent):
                self._bound(start, 1, 1)
                node = Node(start, _scalar(event), written=event.value)
                self._name(event.anchor, node)
                self._add(node)
            else:
                self._bound(start, 1, 1)
                listed = isinstance(event, SequenceStartEvent)
                self._open.append(_Open(start, event.anchor, [] if listed else None))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            ended = self._open.pop()
            self._name(ended.anchor, node := ended.close())
            self._add(node)

    def _aliased(self, start: int, name: str) -> Node:
        if name not in self._anchors:
            raise _Stop(start, f"the alias {quoted(name)} has no anchor before it")
        if (node := self._anchors[name]) is None:
            raise _Stop(
                start,
                f"the alias {quoted(name)} stands inside its own anchor",
                "a policy cannot contain itself",
            )
        return node

    def _name(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self._anchors[anchor] = node

    def _bound(self, start: int, size: int, height: int) -> None:
        self._count += size
        if self._count > MOST_NODES:
            raise _Stop(
                start,
                f"holds more than {MOST_NODES} values",
                "split the file; aliases count as what they stand for",
            )
        if len(self._open) + height > DEEPEST:
            raise _Stop(start, f"is nested deeper than {DEEPEST} levels", "write the rule flatter")

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
        elif (parent := self._open[-1]).nodes is not None:
            if node.value is None:
                self.found.append(
                    Finding(node.start, "an item is empty (null)", "write it, or take its line out")
                )
            parent.nodes.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            key, parent.key = parent.key, None
            self._pair(parent, key, node)

    def _pair(self, parent: _Open, key: Node, node: Node) -> None:
        name = key.written
        if isinstance(key.value, list | dict):
            self.found.append(Finding(key.start, "a key must be a word", "write key: value"))
        elif name == "<<":
            self.found.append(
                Finding(
                    key.start,
                    "merge keys (<<) are not used here",
                    "write the keys out, or put them under defaults",
                )
            )
        elif name in parent.pairs:
            first, _ = self.text.position(parent.keys[name])
            self.found.append(
                Finding(
                    key.start, f"duplicate key {quoted(name)}: first on line {first}", "keep one of the two"
                )
            )
        else:
            if node.value is None:
                self.found.append(
                    Finding(
                        key.start, f"{quoted(name)} is empty (null)", "give it a value, or leave the key out"
                    )
                )
            parent.pairs[name], parent.keys[name] = node, key.start


def _scalar(event: ScalarEvent) -> Scalar:
    text: str = event.value
    if event.style is not None:
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INT.fullmatch(text):
        return int(text)
    # Its value is never used: a fraction is refused wherever it stands.
    return 0.5 if _FLOAT.fullmatch(text) else text
