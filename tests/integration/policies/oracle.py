"""The rules once more, naively: plain Python over plain documents and dicts, written apart from the engine.

True, False and None (unknown) follow Kleene: an unknown decides nothing unless the rest decides without it.
"""

import unicodedata
from datetime import timedelta

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(days=7)}
MESSAGES = ("last_message_at", "last_inbound_at", "last_outbound_at")
FLAGS = ("unread", "pinned", "muted", "archived", "locked", "assigned")
SINCE = {
    "no_inbound_for": "last_inbound_at",
    "no_outbound_for": "last_outbound_at",
    "older_than": "first_message_at",
}


def all_of(values):
    values = list(values)
    return False if False in values else None if None in values else True


def any_of(values):
    values = list(values)
    return True if True in values else None if None in values else False


def negate(value):
    return None if value is None else not value


def duration(text):
    return int(text[:-1]) * UNITS[text[-1]]


def listed(value):
    return value if isinstance(value, list) else [value]


def silent(moments, now, age):
    known = [moment for moment in moments if moment is not None]
    if not known or any(moment > now for moment in known):
        return None
    return now - max(known) >= age


def member(fact, values):
    return None if fact is None else fact in listed(values)


def labelled(stored, wanted):
    sets = wanted if isinstance(wanted, dict) else {"any": wanted}
    sets = {how: [unicodedata.normalize("NFC", x) for x in names] for how, names in sets.items()}
    return (
        ("any" not in sets or any(x in stored for x in sets["any"]))
        and all(x in stored for x in sets.get("all", []))
        and not any(x in stored for x in sets.get("none", []))
    )


def atom(name, value, chat, now):
    if name in FLAGS:
        return None if chat[name] is None else chat[name] == value
    if name in ("status", "whatsapp_status", "kind", "agent", "department"):
        return member(chat[name], value)
    if name == "resolved_for":
        resolved = None if chat["status"] is None else chat["status"] == "resolved"
        return all_of([resolved, silent([chat["status_updated_at"]], now, duration(value))])
    if name == "inactive_for":
        return silent([chat[column] for column in MESSAGES], now, duration(value))
    if name in SINCE:
        return silent([chat[SINCE[name]]], now, duration(value))
    if name == "labels":
        return labelled(chat["labels"], value)
    if name == "waiting_for_us":
        theirs, ours = chat["last_inbound_at"], chat["last_outbound_at"]
        if theirs is None or ours is None or theirs > now or ours > now:
            return None
        return (theirs > ours) == value
    assert name == "chat", name
    return any_of([member(chat["wid"], value), chat["chat_ref"] in listed(value)])


def tree(rules, join="all"):
    """A mapping of rules as a tree of tuples, whose nodes are rewritten below."""
    nodes = []
    for name, value in rules.items():
        if name in ("any", "all"):
            nodes.append((name, [tree(each) for each in value]))
        elif name == "not":
            nodes.append(("not", tree(value)))
        else:
            nodes.append(("atom", name, value))
    return (join, nodes)


def value_of(node, chat, now):
    kind = node[0]
    if kind == "all":
        return all_of(value_of(each, chat, now) for each in node[1])
    if kind == "any":
        return any_of(value_of(each, chat, now) for each in node[1])
    if kind == "not":
        return negate(value_of(node[1], chat, now))
    if kind == "atom":
        return atom(node[1], node[2], chat, now)
    if node[1] == "kind":
        return None if chat["kind"] is None else chat["kind"] == "chat"
    return chat[node[1]] is not True


def mentions(node, fact):
    if node[0] in ("all", "any"):
        return any(mentions(each, fact) for each in node[1])
    return node[0] == "atom" and node[1] == fact


def guard(node, fact):
    """One-to-one only, pinned stays, locked stays: added to each branch that does not name the fact."""
    if node[0] == "any":
        return ("any", [guard(each, fact) for each in node[1]])
    if node[0] == "all" and mentions(node, fact):
        return ("all", [guard(each, fact) if mentions(each, fact) else each for each in node[1]])
    if node[0] == "atom" and node[1] == fact:
        return node
    return ("all", [node, ("default", fact)])


def matches(policy, keeps, chat, now, min_age, devices):
    when = tree(policy["when"])
    for fact in ("kind", "pinned", "locked"):
        when = guard(when, fact)
    if chat["removed_at"] is not None or chat["status"] == "removed" or chat["missing_since"] is not None:
        return False
    if not on_device(policy, chat, devices):
        return False
    if silent([chat[column] for column in MESSAGES], now, min_age) is not True:
        return False
    if value_of(when, chat, now) is not True:
        return False
    if "unless" in policy and value_of(tree(policy["unless"], "any"), chat, now) is not False:
        return False
    return not any(
        on_device(keep, chat, devices) and value_of(tree(keep["when"]), chat, now) is not False
        for keep in keeps
    )


def on_device(policy, chat, devices):
    named = policy.get("devices", "all")
    return named == "all" or chat["device_id"] in [devices[name] for name in named]
