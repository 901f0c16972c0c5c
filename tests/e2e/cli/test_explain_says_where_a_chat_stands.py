"""`explain` to somebody who is tired: what is to happen to this chat, when, where it stands, and what is in its way."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from chat_hygiene.clock import utc_now
from chat_hygiene.store.engine import create_engine, sessions
from chat_hygiene.store.tables import holds, jobs, run_candidates

DAY = timedelta(days=1)
POLICIES = """
version: 1
defaults: {schedule: "0 3 * * *"}
policies:
  - name: resolved-30d
    mode: enforce
    when: {resolved_for: 30d, no_inbound_for: 30d}
    delete: {from_whatsapp: true}
    limits: {max_chats: LIMIT, max_share: 100%, canary: off}
  - name: quiet-90d
    when: {inactive_for: 90d}
"""


@pytest.fixture
def standing(anywhere):
    """Runs the policies, of which the first may queue so many chats; gives a way into the store."""

    def run(limit, code=0):
        file = anywhere.file("policies.yaml", POLICIES.replace("LIMIT", str(limit)))
        anywhere("policy", "apply", file, "--yes")
        anywhere("run", "--yes", code=code)
        url = anywhere.settings.get("database_url", f"sqlite:///{anywhere.folder / 'chat-hygiene.db'}")
        engine = create_engine(url)
        engines.append(engine)
        return sessions(engine)

    engines = []
    yield run
    for engine in engines:
        engine.dispose()


def verdicts(command, chat_ref):
    (told,) = command.json("explain", chat_ref)["chats"]
    return told, {each["policy"]: each for each in told["policies"]}


def test_a_queued_chat_knows_its_day_and_its_place(anywhere, standing):
    standing(1000)
    queued = sorted(anywhere.json("jobs", "list")["jobs"], key=lambda job: job["id"])
    job = queued[2]
    of_device = sum(each["device"] == job["device"] for each in queued)
    told, by = verdicts(anywhere, job["chat_ref"])
    stands = by["resolved-30d"]["queued"]
    assert stands["place"] == {"in_policy": 3, "of_policy": len(queued)} | {
        name: stands["place"][name] for name in ("on_device", "of_device")
    }
    assert stands["place"]["of_device"] == of_device
    assert stands["leaves_at"] == job["not_before"]
    assert told["holds"] == []
    text = anywhere("explain", job["chat_ref"]).stdout
    assert text.index("resolved-30d: leaves in 6 d") < text.index("quiet-90d: ")
    assert f"job {job['id']}: 3rd of {len(queued)} of this policy" in text
    assert "a new message or a hold takes it off" in text


def test_a_late_chat_under_a_hold_says_who_holds_it(anywhere, standing):
    store = standing(1000)
    job = anywhere.json("jobs", "list")["jobs"][0]
    late = utc_now() - 2 * DAY
    with store.begin() as session:
        row = session.execute(select(jobs).where(jobs.c.id == job["id"])).one()
        session.execute(update(jobs).where(jobs.c.id == row.id).values(not_before=late, next_attempt_at=late))
        hold = {"scope": "device", "device_id": row.device_id, "reason": "court case", "held_by": "ana"}
        session.execute(insert(holds).values(placed_at=late, **hold))
    told, by = verdicts(anywhere, job["chat_ref"])
    assert (told["holds"][0]["held_by"], by["resolved-30d"]["blocked_by"]) == ("ana", "hold")
    assert "reason" not in told["holds"][0]
    text = anywhere("explain", job["chat_ref"]).stdout
    assert "held by ana for 2 d, until it is released, as its whole number (hold 1): court case" in text
    assert "resolved-30d: should be gone since" in text
    assert "in its way now: a hold covers it" in text
    checks = {each["part"]: each for each in anywhere.json("doctor")["checks"]}
    assert checks["late"]["ok"] is None
    assert "1 chat should be gone and is not" in checks["late"]["says"]
    assert checks["late"]["says"].endswith(": 1 held")
    assert "hold list" in checks["late"]["fix"]


def test_a_withheld_chat_says_which_run_awaits_whom(anywhere, standing):
    store = standing(0, code=5)
    (first, *_) = anywhere.json("preview", "resolved-30d")["policies"][0]["chats"]
    _, by = verdicts(anywhere, first["chat_ref"])
    withheld = by["resolved-30d"]["withheld"]
    assert (withheld["withheld_by"], withheld["run_state"]) == ("brake", "awaiting_approval")
    assert by["resolved-30d"]["blocked_by"] == "brake"
    text = anywhere("explain", first["chat_ref"]).stdout
    assert "resolved-30d: matches, but is not queued" in text
    assert "run 1 did not queue it: a brake or the canary held it back" in text
    assert "run 1 awaits an approval until" in text
    with store.begin() as session:
        session.execute(update(run_candidates).values(not_before=utc_now() - DAY))
    assert "resolved-30d: should be gone since" in anywhere("explain", first["chat_ref"]).stdout
    checks = {each["part"]: each for each in anywhere.json("doctor")["checks"]}
    assert "resolved-30d (run 1)" in checks["approvals"]["says"]
    assert "held back by a brake or a canary" in checks["late"]["says"]
    assert "runs list" in checks["late"]["fix"]


def test_a_chat_that_nothing_keeps_says_when_it_goes(anywhere):
    anywhere("policy", "apply", anywhere.file("p.yaml", POLICIES.replace("LIMIT", "1000")), "--yes")
    anywhere("sync", "--full")
    (first, *_) = anywhere.json("preview", "resolved-30d")["policies"][0]["chats"]
    text = anywhere("explain", first["chat_ref"]).stdout
    assert "resolved-30d: goes: the next run, at " in text
    assert "queues it, and it leaves 7 d later" in text


def test_doctor_tells_how_many_chats_no_policy_covers(anywhere, standing):
    standing(1000)
    checks = {each["part"]: each for each in anywhere.json("doctor")["checks"]}
    assert checks["coverage"]["ok"] is True
    assert "on Support ES" in checks["coverage"]["says"], "groups, channels and pinned chats are there"
    assert "late" not in checks
    assert "approvals" not in checks
