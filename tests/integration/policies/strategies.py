"""Policies and chats of every sort: ties, future dates, nulls, odd labels; about half of the chats nearly match."""

from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, product

from hypothesis import strategies as st

from integration.policies import oracle

NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)
MIN_AGE = timedelta(days=7)
DEVICES = {"d1": 1, "sales": 1, "d2": 2, "d3": 3}

LABELS = (
    "vip", "VIP", "legal", "e\u0301te\u0301", "\u00e9t\u00e9", "Stra\u00dfe", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\u05e9\u05dc\u05d5\u05dd",
    "it's", '"q"', "100%", "what?", "a\\b", '{"a": 1}', '["vip"]', "null", "1", " vip", "a,b", "\u200d", "%s", ":x", "\u0130",
)  # fmt: skip
DURATIONS = ("1h", "12h", "7d", "2w", "30d", "90d", "3650d")
PEOPLE = ("a1", "A1", "a'1")
WIDS = ("34600111222@c.us", "120@g.us", "x%@lid", "chat_ab12")
INSTANTS = (
    None,
    *(NOW - oracle.duration(text) + timedelta(microseconds=off) for text in DURATIONS for off in (-1, 0, 1, 10**6)),
    NOW, NOW + timedelta(microseconds=1), NOW + timedelta(days=3),
    datetime(1999, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2025, 6, 1, 0, 0, 0, 5, tzinfo=UTC),
)  # fmt: skip


def some(*values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


def one_or_some(*values):
    return st.sampled_from(values) | some(*values)


ATOMS = {
    "status": one_or_some("active", "pending", "resolved", "archived", "muted", "banned"),
    **dict.fromkeys(
        ("resolved_for", "inactive_for", "no_inbound_for", "no_outbound_for", "older_than"),
        st.sampled_from(DURATIONS),
    ),
    "kind": one_or_some("chat", "group", "channel", "community"),
    "labels": some(*LABELS)
    | st.fixed_dictionaries({"any": some(*LABELS)}, optional={"all": some(*LABELS), "none": some(*LABELS)})
    | st.fixed_dictionaries({"none": some(*LABELS)}, optional={"all": some(*LABELS)}),
    **dict.fromkeys((*oracle.FLAGS, "waiting_for_us"), st.booleans()),
    "agent": one_or_some(*PEOPLE),
    "department": one_or_some(*PEOPLE),
    "whatsapp_status": one_or_some("invalid", "removed", "banned", "archived", "active"),
    "chat": one_or_some(*WIDS, "chat_1", "chat_3"),
}


@st.composite
def rules(draw, depth=2):
    names = draw(st.lists(st.sampled_from(sorted(ATOMS)), min_size=1, max_size=2, unique=True))
    written = {name: draw(ATOMS[name]) for name in names}
    if depth and draw(st.integers(0, 2)) == 0:
        nest = draw(st.sampled_from(("any", "all", "not", "not")))
        inner = rules(depth=depth - 1)
        written[nest] = draw(inner if nest == "not" else st.lists(inner, min_size=1, max_size=2))
        if draw(st.booleans()):
            written = {nest: written[nest]}
    return written


@st.composite
def policies(draw, focus=None):
    """A delete policy; `focus` names a condition that it has in `when` or `unless`."""
    policy = {"name": "p", "schedule": "0 3 * * *", "when": draw(rules())}
    if draw(st.booleans()):
        policy["unless"] = draw(rules(depth=1))
    if focus:
        part = draw(st.sampled_from(("when", "unless")))
        policy[part] = policy.get(part, {}) | {focus: draw(ATOMS[focus])}
    if draw(st.integers(0, 3)) == 0:
        policy["devices"] = draw(some(*DEVICES))
    return policy


@st.composite
def keep_policies(draw):
    keeps = []
    for number in range(draw(st.sampled_from((0, 0, 1, 2)))):
        keep = {
            "name": f"k{number}",
            "action": "keep",
            "when": draw(rules(depth=1) | st.just({"muted": False})),
        }
        if draw(st.booleans()):
            keep["devices"] = draw(some(*DEVICES))
        keeps.append(keep)
    return keeps


def flag():
    return st.sampled_from((None, True, False))


WILD = {
    "device_id": st.sampled_from((1, 2, 3)),
    "kind": st.sampled_from((None, "chat", "chat", "group", "channel", "community", "user", "")),
    "status": st.sampled_from((None, "active", "pending", "resolved", "archived", "removed", "odd", "")),
    "whatsapp_status": st.sampled_from((None, "invalid", "removed", "active", "odd")),
    **dict.fromkeys(("status_updated_at", "first_message_at", *oracle.MESSAGES), st.sampled_from(INSTANTS)),
    **dict.fromkeys(oracle.FLAGS, flag()),
    "agent": st.sampled_from((None, "", *PEOPLE)),
    "department": st.sampled_from((None, "", *PEOPLE)),
    "labels": st.lists(st.sampled_from((*LABELS, "")), max_size=3),
    "missing_since": st.sampled_from((None, None, None, NOW)),
    "removed_at": st.sampled_from((None, None, None, NOW)),
    "wid": st.sampled_from((None, *WIDS)),
}
QUIET = {
    "device_id": 1, "kind": "chat", "status": "resolved", "whatsapp_status": "active", "agent": "a1", "department": "a1",
    "labels": [], "missing_since": None, "removed_at": None, "wid": "34600000000@c.us",
    **dict.fromkeys(("status_updated_at", "first_message_at", *oracle.MESSAGES), NOW - timedelta(days=3650)),
    **dict.fromkeys(oracle.FLAGS, False),
}  # fmt: skip


def towards(written, chat):
    """Changes the chat so that each of these rules holds, unless a later one undoes it."""
    for name, value in written.items():
        if name in ("any", "all"):
            for each in value[:1] if name == "any" else value:
                towards(each, chat)
        elif name in ("status", "whatsapp_status", "kind", "agent", "department"):
            chat[name] = oracle.listed(value)[0]
        elif name in oracle.FLAGS:
            chat[name] = value
        elif name == "labels":
            sets = value if isinstance(value, dict) else {"any": value}
            chat["labels"] = [
                oracle.unicodedata.normalize("NFC", x) for x in sets.get("any", [])[:1] + sets.get("all", [])
            ]
        elif name == "waiting_for_us":
            chat["last_inbound_at"] = chat["last_outbound_at"] + timedelta(seconds=1 if value else 0)
        elif name == "resolved_for":
            chat["status"], chat["status_updated_at"] = "resolved", NOW - oracle.duration(value)
        elif name == "chat":
            chat["wid"] = oracle.listed(value)[0]


@st.composite
def inboxes(draw, policy, size=24):
    """Chats, each with all facts and an id, most of them near the policy."""
    found = []
    for number in range(1, size + 1):
        chat = {"id": number, "chat_ref": f"chat_{number}", **QUIET, "labels": []}
        if "devices" in policy:
            chat["device_id"] = DEVICES[policy["devices"][0]]
        towards(policy["when"], chat)
        # A sixth is anything, a third has a fact or two changed, half are as near as can be.
        changed = []
        if number % 6 == 0:
            changed = sorted(WILD)
        elif number % 3 == 1:
            changed = draw(st.lists(st.sampled_from(sorted(WILD)), min_size=1, max_size=2, unique=True))
        chat |= {name: draw(WILD[name]) for name in changed}
        if any((chat["device_id"], chat["wid"]) == (other["device_id"], other["wid"]) for other in found):
            chat["wid"] = f"{number}@c.us"
        found.append(chat)
    return found


QUIETLY = {"muted": False}
BRANCHES = (
    QUIETLY,
    {"not": {"unread": True}},
    {"kind": "group"},
    {"kind": ["chat", "channel"], **QUIETLY},
    {"pinned": True},
    {"pinned": False, **QUIETLY},
    {"locked": True, "kind": "group"},
    {"not": {"not": {"kind": "group"}}},
    {"any": [{"kind": "group", **QUIETLY}, {"pinned": True, **QUIETLY}]},
    {"all": [{"kind": "group", **QUIETLY}, {"not": {"locked": False}}]},
)
OPENINGS = [
    {how: list(pair), **more}
    for how in ("any", "all")
    for pair in combinations_with_replacement(BRANCHES, 2)
    for more in ({}, {"pinned": True})
]
"""Rules true of a quiet chat that name kind, pinned and locked in all sorts of places."""
EVERY_SORT = [
    {"id": n, "chat_ref": f"chat_{n}", **QUIET, "wid": None, "kind": kind, "pinned": pinned, "locked": locked}
    for n, (kind, pinned, locked) in enumerate(
        product(
            (None, "chat", "group", "channel", "community", "user"), (None, True, False), (None, True, False)
        )
    )
]


EVERY_ATOM = (
    *({name: value} for name in (*oracle.FLAGS, "waiting_for_us") for value in (True, False)),
    *({name: "30d"} for name in ("resolved_for", "inactive_for", *oracle.SINCE)),
    {"status": "resolved"}, {"status": ["active", "pending"]}, {"kind": ["chat", "group"]}, {"whatsapp_status": "active"},
    {"agent": "a1"}, {"department": ["A1", "a1"]}, {"chat": "chat_1"}, {"chat": ["34600000000@c.us"]},
    {"labels": ["vip"]}, {"labels": {"none": ["vip"]}},
)  # fmt: skip
EVERY_PLACE = [
    place
    for atom in EVERY_ATOM
    for place in (
        {"when": atom},
        {"when": {"not": atom}},
        {"when": {"not": atom | {"agent": "a1"}}},
        {"when": {"any": [atom, {"unread": True}]}},
        {"when": {"department": "a1"}, "unless": atom},
        {"when": {"department": "a1"}, "unless": {"not": atom}},
        {"when": {"department": "a1"}, "unless": {"not": atom | {"agent": "a1"}}},
        {"when": {"department": "a1"}, "unless": {"all": [atom, {"not": {"unread": True}}]}},
        {"when": {"department": "a1"}, "keep": atom},
        {"when": {"department": "a1"}, "keep": {"not": atom}},
        {"when": {"department": "a1"}, "keep": {"not": atom | {"agent": "a1"}}},
    )
]
"""Every condition, plain, negated and joined, in each place that decides."""
ONE_FACT_OFF = [
    {"id": n, "chat_ref": f"chat_{n}", **QUIET, "wid": f"{n}@c.us", "labels": [], **off}
    for n, off in enumerate(
        (
            {},
            {"labels": ["vip"]},
            {"wid": "34600000000@c.us"},
            *({fact: None} for fact in sorted(set(QUIET) - {"device_id", "labels"})),
            *({fact: True} for fact in oracle.FLAGS),
            *(
                {fact: NOW + timedelta(seconds=1)}
                for fact in ("status_updated_at", "first_message_at", *oracle.MESSAGES)
            ),
            *(
                {fact: NOW - timedelta(days=30)}
                for fact in ("status_updated_at", "first_message_at", *oracle.MESSAGES)
            ),
            *({fact: "other"} for fact in ("status", "whatsapp_status", "kind", "agent", "department")),
        )
    )
]


@st.composite
def situations(draw, focus=None):
    """A policy, the keep-policies beside it, and the chats they meet."""
    policy = draw(policies(focus))
    return policy, draw(keep_policies()), draw(inboxes(policy))
