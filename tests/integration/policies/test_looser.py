"""What lets more chats go is never called as strict as before: whole policies and inboxes, against the naive oracle."""

import unicodedata
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from chat_policies import Policy
from chat_policies.diff import looser
from integration.policies import oracle
from integration.policies.profiles import cases
from integration.policies.strategies import (
    ATOMS,
    BRANCHES,
    DEVICES,
    EVERY_SORT,
    MIN_AGE,
    NOW,
    ONE_FACT_OFF,
    OPENINGS,
    QUIET,
    keep_policies,
    policies,
    rules,
    some,
    towards,
)

DELETES = {"mode": "enforce", "delete": {"from_whatsapp": True}}


def deleting(document):
    return Policy.from_document(DELETES | document)


def reached(policy, inbox):
    return {chat["id"] for chat in inbox if oracle.matches(policy, [], chat, NOW, MIN_AGE, DEVICES)}


def kept(keep, inbox):
    """Those that a keep-policy does not let go."""
    return {
        chat["id"]
        for chat in inbox
        if oracle.on_device(keep, chat, DEVICES)
        and oracle.value_of(oracle.tree(keep["when"]), chat, NOW) is not False
    }


@st.composite
def edits(draw, before):
    """The policy after an edit of one or two of its parts, as people make them."""
    after = {**before, "when": dict(before["when"])}
    if "unless" in before:
        after["unless"] = dict(before["unless"])
    for _ in range(draw(st.integers(1, 2))):
        what = draw(st.sampled_from(("change", "change", "add", "drop", "devices", "nest")))
        part = draw(st.sampled_from([part for part in ("when", "unless") if part in after]))
        written = after[part]
        if what == "change" and (names := sorted(set(written) & set(ATOMS))):
            name = draw(st.sampled_from(names))
            written[name] = draw(ATOMS[name])
        elif what == "add":
            name = draw(st.sampled_from(sorted(ATOMS)))
            written[name] = draw(ATOMS[name])
        elif what == "drop" and len(written) > 1:
            del written[draw(st.sampled_from(sorted(written)))]
        elif what == "drop" and part == "unless":
            del after["unless"]
        elif what == "devices":
            after.pop("devices", None)
            if draw(st.booleans()):
                after["devices"] = draw(some(*DEVICES))
        elif what == "nest":
            written["any"] = draw(st.lists(rules(depth=0), min_size=1, max_size=2))
    return after


SINCE = {**{name: (column,) for name, column in oracle.SINCE.items()}, "inactive_for": oracle.MESSAGES}
SINCE["resolved_for"] = ("status_updated_at",)


def towards_each(name, value):
    """Facts at which a condition turns, or that are each of its values."""
    if name in SINCE:
        for off in (timedelta(0), timedelta(seconds=1)):
            status = {"status": "resolved"} if name == "resolved_for" else {}
            yield status | dict.fromkeys(SINCE[name], NOW - oracle.duration(value) + off)
    elif name == "labels":
        sets = value if isinstance(value, dict) else {"any": value}
        named = [unicodedata.normalize("NFC", label) for labels in sets.values() for label in labels]
        yield from ({"labels": labels} for labels in ([], named, *([label] for label in named)))
        yield {"labels": named[:1] + sets.get("all", [])}
        yield {"labels": sets.get("any", [])[:1] + sets.get("all", [])[:-1]}
    elif name in oracle.FLAGS:
        yield from ({name: each} for each in (True, False, None))
    elif name in ("status", "whatsapp_status", "kind", "agent", "department"):
        yield from ({name: each} for each in oracle.listed(value))
    elif name == "chat":
        yield from ({"wid": each} for each in oracle.listed(value))


def near(before, after):
    """Chats that two versions tell apart, if any do: as one of them wants them, with one fact at which either turns."""
    found = []
    for wanted in (before, after):
        base = {"id": 0, "chat_ref": "chat_0", **QUIET, "labels": []}
        towards(wanted["when"], base)
        for version in (before, after):
            for written in (version["when"], version.get("unless", {})):
                for name, value in written.items():
                    found += [base | facts for facts in towards_each(name, value)]
        found += [base | {"device_id": device} for device in set(DEVICES.values())]
    return [chat | {"id": 1000 + number} for number, chat in enumerate(found)]


@st.composite
def versions(draw):
    before = draw(policies())
    after = draw(edits(before) | policies() if draw(st.integers(0, 5)) == 0 else edits(before))
    return before, after, ONE_FACT_OFF + near(before, after)


@cases(400)
@given(versions())
def test_a_version_that_reaches_a_chat_more_is_looser(versions):
    before, after, inbox = versions
    more = reached(after, inbox) - reached(before, inbox)
    words = looser(deleting(before), deleting(after), canary=10)
    assert words or not more, f"chats {sorted(more)} would go by {after} and did not by {before}"


@st.composite
def one_condition(draw):
    """Two versions that differ in the values of one condition alone."""
    name = draw(st.sampled_from(sorted(ATOMS)))
    part = draw(st.sampled_from(("when", "unless")))
    base = {
        "name": "p",
        "schedule": "0 3 * * *",
        "when": {"agent" if name == "department" else "department": "a1"},
    }
    versions = [
        dict(base, **{part: (base["when"] if part == "when" else {}) | {name: draw(ATOMS[name])}})
        for _ in "ab"
    ]
    return (*versions, near(*versions))


@cases(600)
@given(one_condition())
def test_a_condition_that_lets_a_chat_more_through_is_looser(versions):
    before, after, inbox = versions
    more = reached(after, inbox) - reached(before, inbox)
    words = looser(deleting(before), deleting(after), canary=10)
    assert words or not more, f"chats {sorted(more)} would go by {after} and did not by {before}"


@cases(150)
@given(st.sampled_from((*BRANCHES, *OPENINGS)), st.sampled_from((*BRANCHES, *OPENINGS)))
def test_naming_kind_pinned_or_locked_somewhere_else_is_looser_where_it_opens(one, other):
    before, after = ({"name": "p", "schedule": "0 3 * * *", "when": when} for when in (one, other))
    more = reached(after, EVERY_SORT) - reached(before, EVERY_SORT)
    words = looser(deleting(before), deleting(after), canary=10)
    assert words or not more, f"{other} opens what {one} did not"


@cases(200)
@given(keep_policies(), st.data())
def test_a_keep_policy_that_keeps_a_chat_no_longer_is_looser(keeps, data):
    before = {"name": "k", "action": "keep", "when": {"labels": ["vip"]}} | (keeps[0] if keeps else {})
    after = data.draw(edits(before))
    inbox = ONE_FACT_OFF + near(before, after)
    gone = kept(before, inbox) - kept(after, inbox)
    words = looser(Policy.from_document(before), Policy.from_document(after), canary=10)
    assert words or not gone, f"chats {sorted(gone)} are kept by {before} and not by {after}"
