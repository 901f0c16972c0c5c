"""How many chats of a number no policy would ever delete is counted, so that a forgotten number is seen."""

import pytest
from sqlalchemy import insert, select, update

from chat_hygiene import wiring
from chat_hygiene.pipeline import coverage
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store.tables import policies, policy_versions

SALES = "5f0c1d2e3a4b5c6d7e8f9a0c"


@pytest.fixture
def filled(rig):
    """On the first number an old chat, a young one and a pinned one; on the second two old ones."""
    rig.world.add_device(device_record(SALES, alias="Sales"))
    rig.chat(1)
    rig.chat(2, quiet_days=1)
    rig.chat(3)
    rig.chat(4, device=SALES)
    rig.chat(5, device=SALES)
    rig.sync()
    rig.sql("update chats set pinned = true where name = 'Person 3'")
    return rig


def counted(rig) -> dict[str, int | None]:
    with rig.ledger() as ledger:
        coverage.count(ledger.context, now=ledger.now())
    return told(rig)


def told(rig) -> dict[str, int | None]:
    return dict(rig.sql("select alias, uncovered from report_v1_devices"))


def test_without_a_policy_that_enforces_nothing_is_covered(filled):
    assert counted(filled) == {"Support": 3, "Sales": 2}
    filled.apply(mode="observe")
    assert counted(filled) == {"Support": 3, "Sales": 2}


def test_the_scope_of_an_enforcing_policy_covers_young_chats_and_those_that_do_not_match(filled):
    filled.apply(when="{resolved_for: 3000d}")
    assert counted(filled) == {"Support": 1, "Sales": 0}, "the pinned one is left"


def test_a_paused_policy_covers_nothing(filled):
    filled.apply()
    filled.sql("update policies set state = 'paused'")
    assert counted(filled) == {"Support": 3, "Sales": 2}


def test_policies_cover_together(filled):
    second = """
  - name: pinned-too
    schedule: "0 3 * * *"
    mode: enforce
    devices: [Support]
    when: {pinned: true}
    delete: {from_whatsapp: true}
"""
    filled.apply(more=second)
    assert counted(filled) == {"Support": 0, "Sales": 0}
    filled.sql("update policies set state = 'retired' where name = 'resolved-30d'")
    assert counted(filled) == {"Support": 2, "Sales": 2}


def test_a_policy_that_names_a_number_nobody_has_covers_nothing(filled):
    filled.apply()
    with filled.ledger() as ledger, ledger.context.sessions.begin() as session:
        document = session.execute(select(policy_versions.c.document)).scalar_one() | {"devices": ["gone"]}
        row = {"policy_id": 1, "version": 2, "document": document, "rule": "x", "created_by": "x"}
        session.execute(insert(policy_versions).values(**row, created_at=filled.now()))
        session.execute(update(policies).values(version=2))
    assert counted(filled) == {"Support": 3, "Sales": 2}


def test_removed_and_missing_chats_need_no_policy(filled):
    filled.sql("update chats set removed_at = synced_at where name = 'Person 1'")
    filled.sql("update chats set missing_since = synced_at where name = 'Person 2'")
    filled.sql("update chats set status = 'removed' where name = 'Person 4'")
    assert counted(filled) == {"Support": 1, "Sales": 1}


def test_a_complete_sync_counts_its_number_anew(filled):
    assert told(filled) == {"Support": 3, "Sales": 2}
    filled.chat(6, device=SALES)
    filled.sync()
    assert told(filled) == {"Support": 3, "Sales": 3}


def test_a_policy_that_is_stored_or_paused_is_counted_at_once(filled):
    filled.apply()
    assert told(filled) == {"Support": 1, "Sales": 0}
    with filled.ledger() as ledger:
        wiring.pause(ledger, ["resolved-30d"], because="a look", now=ledger.now())
    assert told(filled) == {"Support": 3, "Sales": 2}
