"""A certificate tells what happened to one chat and is checked without the ledger; one changed byte, and it proves nothing."""

import json
import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_hygiene.core import certificate as words
from chat_hygiene.core import signed
from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.errors import AuditBrokenError, UsageError
from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.pipeline import certificate as certificates
from chat_hygiene.wiring import certifying
from integration.pipeline.conftest import DEVICE
from integration.pipeline.erasing import certificate, erase, says, told

KEY = b"a" * 32
HOSTILE = "Ada +44 7700 900001 447700900001@c.us ada@example.org"
NEVER = re.compile(r"Ada|example\.org|c\.us|\+?44 ?7700|Grace")


def check(data: bytes) -> certificates.Verdict:
    return certificates.check(data, KEY)


def of_run(rig, run_id: int) -> list[bytes]:
    with rig.ledger() as ledger:
        return list(certifying.of_run(ledger, run_id))


def test_it_says_what_when_and_under_which_rule_and_its_events_are_computed_again(rig):
    rig.world.removed_chats = "listed"
    rig.apply()
    rig.chat(1)
    rig.run()
    data = certificate(rig)
    verdict = check(data)
    assert (verdict.problem, verdict.bound) == (None, 0)
    found = verdict.document
    assert [each["event"]["kind"] for each in found["chain"]["events"]] == [
        "job.claimed",
        "job.intent",
        "job.deleted",
    ]
    assert verdict.proven == 3
    assert found["rule"]["policy"] == "resolved-30d"
    assert found["rule"]["words"] == "resolved for 30 d or more"
    assert found["chat"]["chat_hint"] == "+44 ··· 01"
    assert [found[side]["state"] for side in ("outcome", "whatsapp", "platform", "tables")] == [
        "deleted",
        "confirmed",
        "removed",
        "erased",
    ]
    assert all(found["when"][name] for name in ("run_at", "queued_at", "called_at", "ended_at"))
    assert found["when"]["requested_at"] is None
    assert told(rig, "certificate.issued") == [{}]
    assert rig.verified(), "and that is sealed, too"


def test_one_person_s_words_numbers_and_names_are_in_none(rig):
    wid = rig.chat(
        1,
        name=HOSTILE,
        labels=[HOSTILE, "case"],
        owner={"agent": "Grace Hopper"},
        quiet_days=60,
    )
    rig.world.refuse(DEVICE, wid)
    rig.apply(unless='unless: {labels: ["+44 7700 900001"]}', grace="7d")
    rig.run()
    erase(rig, reason="Ada asked for it", by="+44 7700 900001")
    found = (*of_run(rig, 1), *of_run(rig, 2))
    assert len(found) == 2
    for data in found:
        assert NEVER.search(json.dumps(says(data), ensure_ascii=False)) is None
        assert check(data).problem is None
    assert check(found[1]).bound > 1, "what a number was taken out of cannot be computed again"


def test_a_run_has_one_for_each_of_its_jobs_in_one_file_that_is_checked_without_the_ledger(rig, tmp_path):
    rig.apply()
    for number in (1, 2, 3):
        rig.chat(number)
    rig.run()
    file = tmp_path / "run.json"
    with rig.ledger() as ledger:
        assert certifying.save(file, certifying.of_run(ledger, 1)) == 3
        with pytest.raises(UsageError, match="already"):
            certifying.save(file, [])
    away = rig.settings().model_copy(update={"database_url": None})
    verdicts = list(certifying.check(away, file))
    assert [each.problem for each in verdicts] == [None] * 3
    assert len({each.document["job"] for each in verdicts}) == 3
    whole = file.read_bytes()
    for broken in (whole[:-10], whole + b"{}", b"", b"{\n}\n", whole.replace(b'"deleted"', b'"kept"', 1)):
        file.write_bytes(broken)
        assert any(each.problem for each in certifying.check(away, file)), f"{broken[-30:]!r} was taken"


def test_a_failed_or_cancelled_job_is_certified_as_having_deleted_nothing(rig):
    rig.apply(grace="7d")
    rig.chat(1)
    rig.run()
    with pytest.raises(UsageError, match="has not ended"):
        certificate(rig)
    erase(rig)
    found = says(certificate(rig, 1))
    assert found["outcome"]["state"] == "cancelled"
    assert "nothing was removed" in found["whatsapp"]["words"].lower()
    assert found["tables"]["state"] == "unchanged"
    with pytest.raises(UsageError, match="no job 9"):
        certificate(rig, 9)
    with pytest.raises(UsageError, match="no run 9"):
        of_run(rig, 9)


def refuses(rig, table: str, column: str, value: str) -> None:
    """Whoever changes that column of the only row gets no certificate until it is as it was."""
    ((old,),) = rig.sql(f"select {column} from {table}")
    rig.sql(f"update {table} set {column} = :value", value=value)
    with pytest.raises(AuditBrokenError, match=f"has {column} .*, and its sealed events say"):
        certificate(rig)
    rig.sql(f"update {table} set {column} = :old", old=old)


def test_a_row_that_was_changed_is_not_certified(rig):
    rig.apply()
    rig.chat(1)
    rig.run()
    long_ago = "2020-01-01T00:00:00.000000Z"
    refuses(rig, "jobs", "state", "already_gone")
    refuses(rig, "jobs", "whatsapp_state", "confirmed")
    refuses(rig, "jobs", "chat_ref", "chat_of_somebody_else")
    refuses(rig, "jobs", "finished_at", long_ago)
    refuses(rig, "jobs", "intent_at", long_ago)
    refuses(rig, "devices", "device", "another")
    rig.sql("update policies set name = 'another' where name = 'resolved-30d'")
    with pytest.raises(AuditBrokenError, match="has policy another, and its sealed events say resolved-30d"):
        certificate(rig)


def test_a_debt_that_no_sealed_event_settles_is_not_certified_as_settled(rig):
    rig.world.refuse(DEVICE, rig.chat(1, quiet_days=60))
    rig.apply()
    rig.run()
    assert says(certificate(rig))["debt"]["state"] == "open"
    refuses(rig, "jobs", "whatsapp_state", "confirmed")
    refuses(rig, "jobs", "debt_reason", "offline")
    rig.sql("update jobs set debt_state = 'settled', debt_next_probe_at = null")
    with pytest.raises(AuditBrokenError, match="debt_state settled, and its sealed events say open"):
        certificate(rig)


def test_every_state_that_a_job_can_end_in_has_its_words():
    assert set(words.OUTCOMES) == set(JobState) - set(OPEN_STATES)
    for state in ("not_asked", "confirmed", "reported", "unknown", "present", None):
        assert words.whatsapp(state, None)
    for state in ("removed", "forced", "unreachable", "unknown", None):
        assert words.platform(state)
    assert all(words.whatsapp("unknown", debt) for debt in DebtState)


@cache
def sample() -> bytes:
    """A certificate as it is made, of a made-up job."""
    events = [{"position": 1, "before": "", "hash": "", "event": dict.fromkeys(certificates.proofs.COLUMNS)}]
    chain = certificates.Chain(KEY)
    events[0]["event"] |= {"seq": 1, "at": "2026-05-09T03:00:00.000000Z", "kind": "job.deleted"}
    link = chain.follow(certificates.Link(), [*events[0]["event"].values()])
    events[0]["hash"] = link.hash
    document = {
        "version": 1,
        "kind": "certificate",
        "job": 7,
        "chat": {"chat_ref": "chat_abc", "chat_hint": "+44 ··· 01", "device": DEVICE},
        "outcome": {"state": "deleted", "words": "The chat was deleted."},
        "debt": None,
        "chain": {"key": chain.fingerprint, "events": events},
    }
    return signed.write(document, certificates._key(KEY))


def test_the_sample_holds():
    assert check(sample()).problem is None
    assert check(sample()).proven == 1
    other = certificates.check(sample(), b"b" * 32)
    assert "another audit key" in other.problem


@settings(max_examples=300)
@given(st.data())
def test_any_byte_that_differs_is_found(data):
    whole = bytearray(sample())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    assert check(bytes(whole)).problem is not None


@settings(max_examples=300)
@given(st.data())
def test_any_field_that_differs_is_found_also_when_it_is_spelt_as_we_do(data):
    document = json.loads(sample())
    where, fields = document, []
    while isinstance(where, dict | list) and where:
        key = data.draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
        fields.append((where, key))
        where = where[key]
    parent, key = fields[data.draw(st.integers(0, len(fields) - 1))]
    if data.draw(st.booleans()):
        del parent[key]
    else:
        old = parent[key]
        values = st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.just({}) | st.just([])
        parent[key] = data.draw(values.filter(lambda new: (type(new), new) != (type(old), old)))
    text = f"{json.dumps(document, indent=2)}\n".encode()
    assert check(text).problem is not None


@settings(max_examples=200)
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5).map(
        lambda value: json.dumps({"kind": "certificate", "version": 1, "chain": value}).encode()
    )
)
def test_what_is_no_certificate_is_refused_whatever_it_is(data):
    assert check(data).problem is not None
