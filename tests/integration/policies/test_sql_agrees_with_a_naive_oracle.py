import json
import unicodedata
from collections import defaultdict
from datetime import datetime

import pytest
from hypothesis import given
from sqlalchemy import JSON, BigInteger, Boolean, Text, insert, select, true

from chat_hygiene.store.tables import chats, devices
from chat_hygiene.store.types import Instant
from chat_policies import Clause, Compiler, Policy, has_label, load
from chat_policies.facts import FACTS
from integration.policies import oracle
from integration.policies.profiles import cases
from integration.policies.strategies import (
    ATOMS,
    DEVICES,
    EVERY_PLACE,
    EVERY_SORT,
    LABELS,
    MIN_AGE,
    NOW,
    ONE_FACT_OFF,
    OPENINGS,
    QUIET,
    situations,
)

GUARDED = ("kind", "pinned", "locked")


@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        connection.execute(
            insert(devices),
            [{"id": number, "provider": "test", "device": f"d{number}"} for number in (1, 2, 3)],
        )
        yield connection
        connection.rollback()


def compiled(policy, keeps, chat=chats):
    keeping = [Policy.from_document(keep) for keep in keeps]
    compiler = Compiler(keeping, chat, now=NOW, min_age=MIN_AGE, devices=DEVICES)
    return compiler.policy(Policy.from_document(policy))


def insert_chats(connection, inbox):
    connection.execute(
        insert(chats), [chat | {"key_id": "1", "chat_hint": "", "synced_at": NOW} for chat in inbox]
    )


def asked(connection, inbox, query):
    """The query's rows with only these chats in the table."""
    with connection.begin_nested() as point:
        insert_chats(connection, inbox)
        rows = connection.execute(query).all()
        point.rollback()
    return rows


def test_the_same_chats_match_and_each_clause_has_the_same_value(connection):
    total, matched, seen = 0, 0, defaultdict(set)

    def compare(situation):
        nonlocal total, matched
        policy, keeps, inbox = situation
        rule = compiled(policy, keeps)
        query = rule.explain(chats).add_columns(rule.matches().label("matches")).order_by(chats.c.id)
        parts = {part: oracle.tree(policy[part])[1] for part in ("when", "unless") if part in policy}
        for chat, row in zip(inbox, asked(connection, inbox, query), strict=True):
            expected = oracle.matches(policy, keeps, chat, NOW, MIN_AGE, DEVICES)
            assert row.matches == expected, (chat, row)
            total, matched = total + 1, matched + expected
            values = {verdict.clause.name: verdict.value for verdict in rule.read_explain(row)}
            for part, nodes in parts.items():
                for name, node in zip(policy[part], nodes, strict=True):
                    if (
                        part == "when"
                        and name not in ATOMS
                        and any(oracle.mentions(node, fact) for fact in GUARDED)
                    ):
                        continue  # the clause has its guards in it: the match above tells
                    wanted = oracle.value_of(node, chat, NOW)
                    assert values[f"{part}.{name}"] is wanted, (name, chat)
                    seen[name].add(wanted)

    for focus in ATOMS:
        cases(14)(given(situations(focus))(compare))()
    assert total >= 5000
    assert matched / total >= 0.2
    for name in (*ATOMS, "any", "all", "not"):
        assert seen[name] >= ({True, False} if name == "labels" else {True, False, None}), (name, seen[name])


def test_every_condition_in_every_place_with_one_fact_off(connection):
    insert_chats(connection, ONE_FACT_OFF)
    for place in EVERY_PLACE:
        policy = {"name": "p", "schedule": "0 3 * * *", **place}
        keeps = [{"name": "k", "action": "keep", "when": policy.pop("keep")}] if "keep" in policy else []
        found = set(connection.scalars(select(chats.c.id).where(compiled(policy, keeps).matches())))
        expected = {
            chat["id"] for chat in ONE_FACT_OFF if oracle.matches(policy, keeps, chat, NOW, MIN_AGE, DEVICES)
        }
        assert found == expected, place


def test_naming_a_fact_opens_only_the_branch_that_names_it(connection):
    insert_chats(connection, EVERY_SORT)
    for when in OPENINGS:
        policy = {"name": "p", "schedule": "0 3 * * *", "when": when}
        found = set(connection.scalars(select(chats.c.id).where(compiled(policy, []).matches())))
        expected = {
            chat["id"] for chat in EVERY_SORT if oracle.matches(policy, [], chat, NOW, MIN_AGE, DEVICES)
        }
        assert found == expected, when


def test_a_funnel_counts_what_the_clauses_say_chat_by_chat(connection):
    hold = Clause("hold", "held", chats.c.muted, wanted=False, facts=("muted",))

    @cases(40)
    @given(situations())
    def compare(situation):
        policy, keeps, inbox = situation
        rule = compiled(policy, keeps).with_clauses(hold)
        (counts,) = asked(connection, inbox, rule.funnel(chats))
        funnel = rule.read_funnel(counts)
        people = [rule.read_explain(row) for row in asked(connection, inbox, rule.explain(chats))]

        def passes(verdicts, *kinds):
            return all(v.holds for v in verdicts if v.clause.name.partition(".")[0] in kinds)

        own = ("scope", "when", "unless")
        present = [verdicts for verdicts in people if verdicts[0].holds]
        scoped = [verdicts for verdicts in people if passes(verdicts, "scope")]
        met = [verdicts for verdicts in people if passes(verdicts, *own)]
        assert (funnel.seen, funnel.in_scope) == (len(present), len(scoped))
        assert funnel.matched == sum(passes(v, "hold", "keep") for v in met)
        assert funnel.held == sum(not passes(v, "hold") for v in met)
        assert funnel.kept == sum(passes(v, "hold") and not passes(v, "keep") for v in met)
        for i, count in enumerate(funnel.clauses):
            among = present if count.name.startswith("scope.") else scoped
            values = [verdicts[i].value for verdicts in among]
            assert count.unknown == values.count(None)
            assert count.failed == values.count(not rule.clauses[i].wanted)

    compare()


def test_the_clauses_work_on_an_alias_and_beside_other_tables(connection):
    chat = chats.alias("reader")
    policy = {"name": "p", "schedule": "0 3 * * *", "when": {"labels": ["vip"], "inactive_for": "30d"}}
    query = (
        select(chat.c.id, devices.c.device)
        .join_from(chat, devices)
        .where(compiled(policy, [], chat).matches())
    )
    inbox = [
        {"id": n, "chat_ref": f"chat_{n}", **QUIET, "wid": None, "labels": labels}
        for n, labels in ((1, []), (2, ["vip"]))
    ]
    assert asked(connection, inbox, query) == [(2, "d1")]


def test_each_odd_label_is_found_by_itself_and_by_nothing_else(connection):
    stored = sorted({unicodedata.normalize("NFC", label) for label in LABELS})
    inbox = [
        {"id": n, "chat_ref": f"chat_{n}", **QUIET, "wid": None, "labels": ["other", label, ""]}
        for n, label in enumerate(stored)
    ]
    for label in LABELS:
        policy = {"name": "p", "schedule": "0 3 * * *", "when": {"labels": {"any": [label], "all": [label]}}}
        query = select(chats.c.id).where(compiled(policy, []).matches())
        ((found,),) = asked(connection, inbox, query)
        assert stored[found] == unicodedata.normalize("NFC", label)


def nested(rules, levels):
    for _ in range(levels):
        rules = {"not": {"not": rules}}
    return rules


@pytest.mark.parametrize(
    "rules",
    [
        {"any": [{"inactive_for": f"{n}h"} for n in range(1, 501)]},
        {"labels": {"all": [f"label {n}" for n in range(500)]}},
        {"chat": [f"{n}@c.us" for n in range(500)]},
        nested({"inactive_for": "30d"}, 13),
    ],
    ids=["conditions", "labels", "chats", "depth"],
)
def test_the_largest_policy_that_a_file_can_hold_runs(connection, rules):
    document = {
        "version": 1,
        "policies": [{"name": "p", "schedule": "0 3 * * *", "when": rules}],
    }
    (policy,) = load(json.dumps(document).encode(), "test.yaml")
    rule = compiled(policy.to_document(), [])
    inbox = [{"id": 1, "chat_ref": "chat_1", **QUIET, "wid": None}]
    for query in (rule.funnel(chats), rule.explain(chats), select(chats.c.id).where(rule.matches())):
        asked(connection, inbox, query)


def test_a_label_can_be_one_that_another_row_names(connection):
    inbox = [{"id": 1, "chat_ref": "chat_1", **QUIET, "wid": None, "labels": ["d2", "100%"]}]
    query = (
        select(devices.c.device)
        .join_from(devices, chats, true())
        .where(has_label(chats.c.labels, devices.c.device))
    )
    assert asked(connection, inbox, query) == [("d2",)]


def test_a_clause_can_be_asked_whether_it_fails(connection):
    rule = compiled({"name": "p", "schedule": "0 3 * * *", "when": {"pinned": True}}, [])
    inbox = [{"id": 1, "chat_ref": "chat_1", **QUIET, "wid": None}]
    query = select(*(clause.holds().is_(False) for clause in rule.clauses)).select_from(chats)
    (row,) = asked(connection, inbox, query)
    failing = [clause.name for clause, fails in zip(rule.clauses, row, strict=True) if fails]
    assert failing == ["scope.pinned", "when.pinned"]


def test_the_stored_table_has_every_fact_with_its_type():
    types = {int: BigInteger, str: Text, bool: Boolean, list: JSON, datetime: Instant}
    for fact, kind in FACTS.items():
        assert isinstance(chats.c[fact].type, types[kind]), fact
    assert not chats.c.labels.nullable
