"""A plan is carried out as it was written, or not at all."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from chat_hygiene.core.errors import HygieneError, InvalidInputError, SafetyStopError
from chat_hygiene.pipeline import plan

KEY = b"k" * 32
NOW = datetime(2026, 5, 9, 3, 0, 0, 5, tzinfo=UTC)
WEEK = timedelta(days=7)


def made():
    candidates = tuple(plan.Candidate(chat_ref=f"chat_{n}", device="d1", generation=n) for n in (1, 2))
    planned = plan.Planned(policy="resolved-30d", version=3, digest="ab" * 32, candidates=candidates)
    other = plan.Planned(policy="inactive-90d", version=1, digest="cd" * 32, candidates=candidates[:1])
    return plan.make([planned, other], now=NOW, lasts=WEEK)


def read(data, key=KEY):
    return plan.read(data, key, source="plan.json")


def paths(value, path=()):
    """Every place in a document: objects, lists and leaves."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, inner in members:
        yield from paths(inner, (*path, name))


def changed(document, path, value):
    copy = json.loads(json.dumps(document))
    *way, last = path
    inner = copy
    for name in way:
        inner = inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return copy


def test_what_was_written_is_read():
    assert read(plan.write(made(), KEY)) == made()
    assert made().chats == 3


def test_the_signature_is_an_hmac_over_the_canonical_json_of_the_rest():
    document = json.loads(plan.write(made(), KEY))
    signature = document.pop("signature")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    assert signature == hmac.new(KEY, canonical, hashlib.sha256).hexdigest()


def test_no_byte_of_a_plan_can_be_changed_added_or_dropped():
    data = plan.write(made(), KEY)
    for at in range(len(data)):
        for forged in (
            bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]]),
            bytes([*data[:at], data[at] ^ 32, *data[at + 1 :]]),
            data[:at] + data[at + 1 :],
            data[:at] + b" " + data[at:],
            data[:at],
        ):
            with pytest.raises((InvalidInputError, SafetyStopError)):
                read(forged)


def test_no_field_of_a_plan_can_be_changed_or_left_out():
    document = json.loads(plan.write(made(), KEY))
    for path in list(paths(document))[1:]:
        for value in (None, "other", 7, True, [], {}, "2026-05-09T03:00:00.000005Z"):
            forged = changed(document, path, value)
            text = json.dumps(forged, indent=2)
            if text == json.dumps(document, indent=2):
                continue
            # What says that it is a plan at all, and of which shape, comes first.
            foreign = path in (("kind",), ("version",)) and value is not True
            with pytest.raises(InvalidInputError if foreign or path == ("kind",) else SafetyStopError):
                read(f"{text}\n".encode())


def test_a_chat_cannot_be_added_by_naming_a_field_twice():
    text = plan.write(made(), KEY).decode()
    head, _, _ = text.partition('  "policies"')
    twice = text.replace(head, head + '  "policies": [],\n', 1)
    assert json.loads(twice) == json.loads(text)
    with pytest.raises(SafetyStopError):
        read(twice.encode())


def test_a_plan_made_with_another_key_is_refused():
    with pytest.raises(SafetyStopError, match="another AUDIT_KEY"):
        read(plan.write(made(), b"other" * 8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"version: 1",
        b"[]",
        b"null",
        b'"plan"',
        b"[" * 100_000,
        b'{"version": 1, "kind": "preview"}',
        b'{"version": 2, "kind": "plan"}',
        b'{"kind": "plan"}',
    ],
)
def test_what_is_no_plan_is_told_in_one_sentence(data):
    with pytest.raises(InvalidInputError) as raised:
        read(data)
    assert "plan.json" in str(raised.value)
    assert "preview --out" in raised.value.fix


def test_a_plan_is_good_until_it_expires_and_not_before_it_was_made():
    def refusal(now):
        try:
            plan.check(made(), now=now)
        except HygieneError as error:
            return str(error)
        return None

    assert refusal(NOW) is None
    assert refusal(NOW + WEEK - timedelta(microseconds=1)) is None
    assert "out of date since 2026-05-16 03:00 UTC" in refusal(NOW + WEEK)
    # A clock a little apart is none that ran ahead.
    assert refusal(NOW - timedelta(minutes=4)) is None
    assert "still to come" in refusal(NOW - timedelta(minutes=6))
