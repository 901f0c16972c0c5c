"""Keys come and go: chats keep their pseudonyms, lookups find both, and no key goes that a protected chat depends on."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from chat_hygiene import wiring
from chat_hygiene.cli import keys as doctor
from chat_hygiene.core.debts import ABANDONED_AFTER
from chat_hygiene.core.errors import Exit, InvalidInputError, UsageError
from chat_hygiene.providers.fake.records import chat_record
from chat_hygiene.store.tables import metadata
from chat_hygiene.wiring import holding, naming, revealing
from integration.pipeline.conftest import DEVICE

FIRST, SECOND = f"1:{'p' * 32}", f"2:{'q' * 32}"
NUMBER, OTHER = "+44 7700 900001", "+44 7700 900002"


def keys(rig, *given):
    rig.overrides["pseudonym_key"] = ",".join(given)


def known(rig):
    """Key and whether the id is still there, of each chat, the oldest row first."""
    return [(key, wid is not None) for key, wid in rig.sql("select key_id, wid from chats order by id")]


def explained(rig, chat):
    with rig.ledger() as ledger:
        return [report.chat["key_id"] for report in wiring.explain(ledger, chat, now=rig.now())]


def held(rig, chat):
    with rig.ledger() as ledger:
        aim = holding.aim(ledger, chat=chat, on=None)
        return holding.place(ledger, aim, reason="case 7", until=None, progress=lambda _done, _of: None).new


def told(rig):
    with rig.ledger() as ledger:
        return [(check.ok, check.says) for check in doctor.checks(ledger)]


def test_from_rotation_to_destruction(rig):
    rig.chat(1)
    rig.apply()
    rig.sync()
    keys(rig, SECOND, FIRST)
    rig.chat(2, quiet_days=1)
    rig.sync()
    assert known(rig) == [("1", True), ("2", True)], (
        "an old chat keeps its pseudonym, a new one gets the new key's"
    )
    assert (explained(rig, NUMBER), explained(rig, OTHER)) == (["1"], ["2"]), (
        "a number is looked up under both"
    )

    keys(rig, SECOND)
    assert explained(rig, NUMBER) == ["1"], "a chat that is here is found by its id"
    assert [ok for ok, _ in told(rig)] == [True, None]
    assert "1 chat here has a pseudonym of the key 1, which is not given" in told(rig)[1][1]

    keys(rig, SECOND, FIRST)
    assert rig.run().outcomes == {"deleted": 1}
    assert known(rig) == [("1", False), ("2", True)]
    assert explained(rig, NUMBER) == ["1"], "what became of the chat can be told as long as its key is there"
    with rig.ledger() as ledger:
        before = wiring.audit_events(ledger, chat=NUMBER)
    assert "job.deleted" in {event["kind"] for event in before}

    keys(rig, SECOND)
    assert told(rig) == [(True, "from the settings; pseudonym key 2: 1 chat here, 0 past")]
    assert explained(rig, NUMBER) == [], "without its key nobody can tell whose row it is"
    with rig.ledger() as ledger:
        assert wiring.audit_events(ledger, chat=NUMBER) == []
        assert len(wiring.audit_events(ledger)) >= len(before)
    assert rig.verified(), "the chain does not depend on it"

    rig.offset = timedelta(days=1)
    rig.chat(1, quiet_days=0)
    rig.sync()
    assert known(rig) == [("1", False), ("2", True), ("2", True)], "a chat that comes back is a new one"
    assert rig.sql("select generation from chats order by id") == [(1,), (1,), (1,)]


def test_a_key_that_a_hold_needs_stops_all_work_until_it_is_back_or_the_number_held_anew(rig):
    rig.chat(2)
    rig.apply()
    rig.sync()
    (old,) = held(rig, NUMBER)
    rig.chat(1)
    keys(rig, SECOND)
    for work in (rig.run, rig.sync):
        with pytest.raises(
            InvalidInputError, match=f"the pseudonym key 1 is missing: .* by hold {old}, nothing"
        ):
            work()
    assert rig.deleted() == []
    ((_, keyring), (ok, says)) = told(rig)
    assert (ok, "nothing is synced or deleted" in says) == (False, True), keyring

    (new,) = held(rig, NUMBER)
    with rig.ledger() as ledger:
        holding.release(ledger, [old], reason="held anew")
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.deleted() == ["447700900002@c.us"]
    assert rig.sql("select id, key_id from holds order by id") == [(old, "1"), (new, "2")]

    keys(rig, SECOND, FIRST)
    assert told(rig)[0][1].endswith(
        "pseudonym key 2: 1 chat here, 0 past, 1 hold; pseudonym key 1: 0 chats here, 1 past"
    )


def test_a_worker_does_not_start_either(rig):
    from chat_hygiene.wiring.serving import Service

    rig.sync()
    held(rig, NUMBER)
    keys(rig, SECOND)
    service = Service(rig.settings(), stop=lambda: False, clock=rig.now)
    with pytest.raises(InvalidInputError, match="the pseudonym key 1 is missing"):
        service.drain()
    service.close()


def test_a_policy_that_keeps_a_chat_by_its_pseudonym_needs_the_key_once_the_chat_is_erased(rig):
    rig.chat(1)
    rig.apply()
    rig.sync()
    ((ref,),) = rig.sql("select chat_ref from chats")
    keep = f"  - name: keep-one\n    action: keep\n    when: {{chat: [{ref}]}}"
    rig.run()
    rig.apply(more=keep)
    keys(rig, SECOND)
    rig.chat(1)
    with pytest.raises(InvalidInputError, match="by policy keep-one, nothing would protect them"):
        rig.run()
    keys(rig, SECOND, FIRST)
    assert rig.run().outcomes == {}
    assert len(rig.deleted()) == 1


def test_another_key_under_a_known_id_is_refused_by_everything(rig):
    rig.chat(1)
    rig.sync()
    keys(rig, f"1:{'x' * 32}")
    with pytest.raises(
        InvalidInputError, match="key 1 is not the one that this database was written with"
    ) as caught:
        rig.ledger().__enter__()
    assert caught.value.exit_code is Exit.INVALID
    assert "2:KEY" in caught.value.fix
    keys(rig, f"2:{'x' * 32}")
    assert rig.sync().complete, "one that is lost is replaced under an id of its own"
    ((prints,),) = rig.sql("select detail from switches where name = 'pseudonym_keys'")
    prints = json.loads(prints) if isinstance(prints, str) else prints
    assert set(prints) == {"1", "2"}
    assert not any(key in str(prints) for key in ("x" * 32, "p" * 32))


@pytest.mark.parametrize(
    "spelt",
    [
        NUMBER,
        "447700900001",
        "+44 (7700) 900-001",
        "\u202a+44\u00a07700\u2011900\u200b001",
        "\u0664\u0664\u0667\u0667\u0660\u0660\u0669\u0660\u0660\u0660\u0660\u0661",
        "４４７７００９００００１",  # noqa: RUF001 - full-width digits
        " 447700900001@c.us",
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_number_is_found_however_it_is_written(rig, spelt):
    rig.chat(1)
    rig.sync()
    assert explained(rig, spelt) == ["1"]


@pytest.mark.parametrize("typed", ["", "Ada", "Ada 447700900001", "07700 900001", "12345", "4" * 16])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_can_be_no_number_is_refused_without_being_quoted(rig, typed):
    with rig.ledger() as ledger, pytest.raises(UsageError) as caught:
        naming.pseudonyms_of(ledger, typed)
    assert not typed or typed not in f"{caught.value} {caught.value.fix}"


def test_full_numbers_are_in_the_audit_before_they_are_seen_and_only_of_rows_that_have_one(rig):
    rig.chat(1)
    rig.chat(2, quiet_days=1)
    rig.apply()
    rig.run()
    rig.world.add_chat(DEVICE, chat_record("12036304@g.us", last_message_at=rig.now()))
    rig.sync()
    refs = [ref for (ref,) in rig.sql("select chat_ref from chats order by wid is not null, wid desc")]
    with rig.ledger() as ledger:
        shown = revealing.numbers(ledger, refs, where="a test")
        assert shown == {refs[1]: "+447700900002", refs[2]: "12036304@g.us"}
        (event, *_) = wiring.audit_events(ledger)
        assert (event["kind"], event["actor"]) == ("numbers.shown", "tester")
        assert json.loads(event["detail"]) == {"count": 2, "where": "a test"}
        assert revealing.numbers(ledger, refs[:1], where="a test") == {}, "the deleted one's number is gone"
        assert len(wiring.audit_events(ledger)) == event["seq"], "and nobody saw one"
        revealing.numbers(ledger, refs[1:2], where="a test")
        assert wiring.audit_events(ledger)[0]["chat_ref"] == refs[1]


def test_the_name_goes_at_the_outcome_and_the_id_once_nothing_is_owed(rig):
    """Every column of every table is searched, after each way to end."""
    rig.world.removed_chats = "listed"
    wids = [rig.chat(number, name=f"Nadia {number}") for number in range(1, 6)]
    for wid in wids[2:]:
        rig.world.refuse(DEVICE, wid)
    rig.apply()
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]
    rig.world.forget(DEVICE, wids[1])
    rig.run()
    assert rig.states() == {"deleted": 1, "already_gone": 1, "removed_locally": 3}
    assert places(rig, "Nadia") == set(), "a name outlived the outcome"
    assert places(rig, "4477009") == {("chats", "wid", wid) for wid in wids[2:]}, (
        "an id stays only while it is owed"
    )

    rig.world.change_chat(DEVICE, wids[2], waStatus="removed")
    rig.run()
    assert places(rig, "4477009") == {("chats", "wid", wid) for wid in wids[3:]}, "settled"
    with rig.ledger() as ledger:
        ((job,),) = rig.sql(
            "select j.id from jobs j join chats c on c.id = j.chat_id where c.wid = :wid", wid=wids[3]
        )
        wiring.write_off(ledger, job, reason="it was deleted by hand")
    assert places(rig, "4477009") == {("chats", "wid", wids[4])}, "written off"
    rig.offset = ABANDONED_AFTER + timedelta(days=1)
    rig.world.forget(DEVICE, wids[4])
    rig.run()
    assert rig.sql("select count(*) from jobs where debt_state = 'abandoned'") == [(1,)]
    assert places(rig, "4477009") == set(), "abandoned"


def places(rig, text):
    """(table, column, value) of each value that holds the text, in whatever type its column is."""
    with rig.ledger() as ledger, ledger.reading() as session:
        return {
            (table.name, column.name, str(value))
            for table in metadata.sorted_tables
            for column in table.columns
            for value in session.execute(select(column)).scalars()
            if text in str(value)
        }
