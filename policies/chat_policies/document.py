"""A policy file: bytes in, policies out, or every error of it at once; and the JSON Schema for editors."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError, WithJsonSchema

from chat_policies.complaints import complaints
from chat_policies.conditions.base import Items
from chat_policies.durations import Duration
from chat_policies.errors import DocumentError, Problem, Text
from chat_policies.messages import quoted, refuse
from chat_policies.policy import DeleteOptions, Grace, Limits, Mode, Part, Policy
from chat_policies.reader import Finding, Node, read
from chat_policies.schedule import Schedule, Zone

LARGEST = 1024 * 1024
"""Bytes."""
MOST_PROBLEMS = 100


def _version(value: object) -> object:
    if isinstance(value, bool) or value != 1:
        raise refuse("must be 1", "that is the form which this program reads: version: 1")
    return value


Version = Annotated[int, BeforeValidator(_version), WithJsonSchema({"const": 1})]


class Defaults(Part):
    """What the policies of a file share. A policy's own key replaces it; within limits and delete, member by member."""

    timezone: Zone | None = None
    schedule: Schedule | None = None
    mode: Mode | None = None
    grace: Grace | None = None
    delete: DeleteOptions | None = None
    limits: Limits | None = None
    catch_up: Duration | None = None


class Document(Part):
    """A policy file of version 1."""

    version: Version
    defaults: Defaults | None = None
    policies: Items[Policy]


def load(data: bytes, source: str) -> tuple[Policy, ...]:
    """The policies of a file, in their order. `source` is what errors call it.

    Raises DocumentError with every problem of the file; then nothing of it may be used.
    """
    text = _decode(data, source)
    root, found = read(text)
    policies: tuple[Policy, ...] | None = None
    if root is not None:
        merged = _with_defaults(root)
        try:
            policies = Document.model_validate(merged.plain()).policies
        except ValidationError as error:
            errors = (
                problem
                for problem in error.errors(include_url=False, include_input=False)
                # Part of `delete` may stand in each policy.
                if problem["type"] != "missing" or problem["loc"][0] != "defaults"
            )
            found += complaints(merged, {"": Document, "defaults": Defaults}, errors)
        found += _used_twice(root, text)
    if found or policies is None:
        raise DocumentError(source, _problems(found, text), text)
    return policies


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file, for editors. It knows the shape; `load` also knows what makes sense."""
    schema: dict[str, Any] = _tidy(Document.model_json_schema())
    schema["$defs"]["DeleteDefaults"] = schema["$defs"]["DeleteOptions"] | {"required": []}
    schema["$defs"]["Defaults"]["properties"]["delete"] = {"$ref": "#/$defs/DeleteDefaults"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Chat retention policies",
    } | schema


def _decode(data: bytes, source: str) -> Text:
    if len(data) > LARGEST:
        raise DocumentError(source, [Problem(1, 1, f"is larger than {LARGEST} bytes", "split the file")])
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return Text(data.decode())
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = Text(before).position(len(before))
        problem = Problem(line, column, "is not UTF-8 from here on", "save the file as UTF-8")
        raise DocumentError(source, [problem]) from None


def _with_defaults(root: Node) -> Node:
    """The document with its defaults written into each deleting policy, every value keeping its own place."""
    if not isinstance(root.value, dict):
        return root
    defaults, policies = root.value.get("defaults"), root.value.get("policies")
    if defaults is None or policies is None or not isinstance(policies.value, list):
        return root
    shared = {
        name: node
        for name, node in (defaults.value.items() if isinstance(defaults.value, dict) else ())
        # No valid default is larger; a huge invalid one must not be copied into every policy.
        if name in Defaults.model_fields and node.size <= 16 and node.value is not None
    }
    filled = [_filled(policy, shared) for policy in policies.value]
    return Node(root.start, root.value | {"policies": Node(policies.start, filled)}, root.keys)


def _filled(policy: Node, shared: dict[str, Node]) -> Node:
    if not isinstance(policy.value, dict) or _scalar(policy, "action") == "keep":
        return policy
    own = policy.value
    value = shared | own
    for name in ("limits", "delete"):
        if name in own and name in shared and _scalar(own[name], "from_whatsapp") is not False:
            value[name] = _joined(own[name], shared[name])
    # Where a key came from the defaults, its value says the place.
    return Node(policy.start, value, {name: node.start for name, node in value.items()} | policy.keys)


def _joined(own: Node, shared: Node) -> Node:
    if not isinstance(own.value, dict) or not isinstance(shared.value, dict):
        return own
    return Node(own.start, shared.value | own.value, shared.keys | own.keys)


def _scalar(node: Node, key: str) -> object:
    found = node.value.get(key) if isinstance(node.value, dict) else None
    return found.value if found else None


def _used_twice(root: Node, text: Text) -> Iterator[Finding]:
    policies = root.value.get("policies") if isinstance(root.value, dict) else None
    first: dict[str, int] = {}
    for policy in policies.children() if policies else ():
        node = policy.value.get("name") if isinstance(policy.value, dict) else None
        if node is None or not isinstance(node.value, str):
            continue
        if node.value in first:
            line, _ = text.position(first[node.value])
            yield Finding(
                node.start, f"the name {quoted(node.value)} is used twice: first on line {line}", "rename one"
            )
        first.setdefault(node.value, node.start)


def _problems(found: list[Finding], text: Text) -> list[Problem]:
    distinct = sorted(set(found), key=lambda finding: (finding.offset, finding.message))
    problems = [
        Problem(*text.position(one.offset), one.message, one.hint) for one in distinct[:MOST_PROBLEMS]
    ]
    if (more := len(distinct) - MOST_PROBLEMS) > 0:
        last = problems[-1]
        problems.append(Problem(last.line, last.column, f"and {more} more problems", "mend these first"))
    return problems


def _tidy(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Without what pydantic adds for Python: titles, Python's defaults, and null for "not written"."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _tidy(value) for key, value in schema.items() if key not in {"title", "default"}}
    if kept.get("type") == "array":
        kept["minItems"] = 1  # no list of a document may be empty
    written = [option for option in kept.get("anyOf", ()) if option != {"type": "null"}]
    if len(written) == 1:
        return {key: value for key, value in kept.items() if key != "anyOf"} | written[0]
    return kept | {"anyOf": written} if written else kept
