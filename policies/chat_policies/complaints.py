"""Turns what pydantic refuses into findings: at its place in the file, in plain English, with what to do."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from chat_policies.conditions import CONDITIONS
from chat_policies.conditions.labels import Labels
from chat_policies.messages import did_you_mean, one_of, quoted
from chat_policies.policy import DeleteOptions, Limits, Policy
from chat_policies.reader import Finding, Node
from chat_policies.rules import Rules

_MODELS: dict[str, type[BaseModel]] = {
    "policies": Policy,
    "when": Rules,
    "unless": Rules,
    "any": Rules,
    "all": Rules,
    "not": Rules,
    "labels": Labels,
    "delete": DeleteOptions,
    "limits": Limits,
}
"""What the mapping under a key is."""


def complaints(
    root: Node, top: dict[str, type[BaseModel]], errors: Iterable[ErrorDetails]
) -> Iterator[Finding]:
    """One finding for each error; `top` adds what the root ("") and its keys are. Values found empty are left out."""
    for error in errors:
        place = _Place(root, error["loc"])
        if place.node is not None and place.node.value is None:
            continue  # the reader has said so
        if error["type"] == "extra_forbidden":
            model = (_MODELS | top)[place.under]
            yield Finding(
                place.key, f"unknown key {quoted(place.name)}", _known_key(place.name, place.under, model)
            )
        else:
            message, hint = _told(error, place.node)
            yield Finding(place.value, f"{place.subject} {message}", hint)


class _Place:
    """Where an error's location leads in the document, as far as the document goes."""

    def __init__(self, root: Node, loc: tuple[int | str, ...]) -> None:
        self.node: Node | None = root
        self.key = self.value = root.start
        self.name = ""
        self.under = ""
        self.subject = "the document"
        node = root
        for part in loc:
            if isinstance(node.value, dict) and isinstance(part, str):
                self.under, self.name = self.name, part
                self.subject = quoted(part)
                if part not in node.value:  # a key that is missing: its mapping is the place
                    self.node = None
                    return
                self.key, node = node.keys[part], node.value[part]
            elif isinstance(node.value, list) and isinstance(part, int):
                node = node.value[part]
                self.subject = f"item {part + 1} of {quoted(self.name)}"
            else:
                continue  # a step that only the model has: a value alone is a list of one, a list of labels is `any`
            self.node, self.value = node, node.start


def _known_key(key: str, under: str, model: type[BaseModel]) -> str:
    names = [field.alias or name for name, field in model.model_fields.items()]
    if model is Policy and key in CONDITIONS:
        return 'a condition stands under "when" or "unless"'
    return (
        did_you_mean(key, names)
        or f"{f'under {chr(34)}{under}{chr(34)}' if under else 'here'} stand {one_of(names)}"
    )


def _told(error: ErrorDetails, node: Node | None) -> tuple[str, str]:
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "refused":
        return context["message"], context["hint"]
    if error["type"] in _TEXTS:
        return _TEXTS[error["type"]](context, node.written if node else "")
    return error["msg"], ""


def _not_text(_: dict[str, Any], written: str) -> tuple[str, str]:
    return "must be text", f"put it in quotes: {quoted(written)}" if written else ""


def _not_boolean(_: dict[str, Any], written: str) -> tuple[str, str]:
    words = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
    return "must be true or false", f"write {words.get(written.lower(), 'true or false, without quotes')}"


def _not_listed(context: dict[str, Any], written: str) -> tuple[str, str]:
    listed = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
    return f"must be {one_of(listed)}", did_you_mean(written, listed)


_TEXTS: dict[str, Callable[[dict[str, Any], str], tuple[str, str]]] = {
    "missing": lambda _c, _w: ("is missing", ""),
    "literal_error": _not_listed,
    "string_type": _not_text,
    "bool_type": _not_boolean,
    "int_type": lambda _c, _w: ("must be a whole number, without quotes", ""),
    "greater_than_equal": lambda c, _w: (f"must be {c['ge']} or more", ""),
    "less_than_equal": lambda c, _w: (f"must be {c['le']} or less", ""),
    "string_too_short": lambda _c, _w: ("must not be empty", ""),
    "string_too_long": lambda c, _w: (f"is longer than {c['max_length']} characters", ""),
    "tuple_type": lambda _c, _w: ("must be a list", "write [one, two]"),
    "model_type": lambda _c, _w: ("must be a mapping", "write key: value pairs under it"),
}
