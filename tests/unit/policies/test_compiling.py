from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Boolean, column, table

from chat_policies import Compiler, Policy, UnknownDeviceError
from chat_policies.facts import FACTS
from chat_policies.rules import Rules
from unit.policies.documents import one

CHAT = table(
    "chat", column("id"), *(column(fact, Boolean() if kind is bool else None) for fact, kind in FACTS.items())
)
KEEP = Policy.from_document({"name": "keep-contracts", "action": "keep", "when": {"labels": ["contract"]}})


def compiled(policy, keeps=(), devices=None):
    now = datetime(2025, 1, 1, tzinfo=UTC)
    return compiler(keeps, devices or {}, now).policy(policy)


def compiler(keeps, devices, now):
    return Compiler(keeps, CHAT, now=now, min_age=timedelta(days=7), devices=devices)


def test_every_clause_has_a_name_of_its_own():
    rule = compiled(
        one("when: {resolved_for: 30d, any: [{unread: true}]}\n    unless: {labels: [vip]}"), [KEEP]
    )
    assert [clause.name for clause in rule.clauses] == [
        "scope.removed", "scope.missing", "scope.device", "scope.kind", "scope.pinned", "scope.locked", "scope.age_floor",
        "when.resolved_for", "when.any", "unless.labels", "keep.keep-contracts",
    ]  # fmt: skip
    assert [clause.name for clause in rule.clauses if not clause.wanted] == [
        "unless.labels",
        "keep.keep-contracts",
    ]


def test_what_is_asked_for_by_name_has_to_be_there_and_not_kept_and_nothing_else():
    rule = compiler([KEEP], {}, datetime(2025, 1, 1, tzinfo=UTC)).request()
    assert [(clause.name, clause.wanted) for clause in rule.clauses] == [
        ("scope.removed", True),
        ("scope.missing", True),
        ("keep.keep-contracts", False),
    ]


def test_a_policy_without_a_rule_is_never_compiled_to_all_chats():
    nothing = one("when: {unread: true}").model_copy(update={"when": Rules.model_construct()})
    with pytest.raises(ValueError, match="never means all chats"):
        compiled(nothing)


@pytest.mark.parametrize(
    ("when", "scope"),
    [
        ("{unread: true}", ["one-to-one chats only", "not pinned", "not locked"]),
        ("{kind: [group, channel], pinned: true}", ["groups and channels only", "pinned only", "not locked"]),
        ("{any: [{kind: group}, {pinned: true}]}", ["one-to-one chats, and groups where named", "pinned only where named", "not locked"]),
        ("{not: {kind: chat}}", ["one-to-one chats only", "not pinned", "not locked"]),
        ("{all: [{kind: group}, {kind: community}]}", ["no kind of chat", "not pinned", "not locked"]),
    ],
)  # fmt: skip
def test_the_scope_says_what_is_named(when, scope):
    words = {clause.name: clause.words for clause in compiled(one(f"when: {when}")).clauses}
    assert [words["scope.kind"], words["scope.pinned"], words["scope.locked"]] == scope


def test_a_device_that_does_not_exist_stops_the_policy():
    policy = one("when: {unread: true}\n    devices: [sales, nowhere]")
    with pytest.raises(UnknownDeviceError, match='policy "p" names 1 unknown device: nowhere') as refused:
        compiled(policy, devices={"sales": 1})
    assert refused.value.names == ("nowhere",)


def test_a_device_that_does_not_exist_in_a_keep_policy_stops_every_policy():
    keep = Policy.from_document(KEEP.to_document() | {"devices": ["gone"]})
    with pytest.raises(UnknownDeviceError, match="keep-contracts"):
        compiled(one("when: {unread: true}"), [keep])


def test_a_keep_policy_deletes_nothing():
    with pytest.raises(ValueError, match="deletes nothing"):
        compiled(KEEP)


def test_no_clause_shows_a_chat_id():
    rule = compiled(one("when: {chat: ['34600111222@c.us']}"))
    assert all("wid" not in clause.facts for clause in rule.clauses)
