"""The service as a database role of its own: it does all its work, and can only add to what proves it."""

import psycopg
import pytest
from sqlalchemy import make_url

from chat_hygiene import wiring
from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.pipeline import purge, reconcile, tick
from chat_hygiene.store import app_rights
from chat_hygiene.wiring import auditing, holding, stopping

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ROLE = "chat_hygiene_app"
REFUSED = """
UPDATE audit_events SET actor = 'eve'
UPDATE audit_seals SET hash = ''
DELETE FROM audit_events
DELETE FROM audit_seals
DELETE FROM audit_events WHERE seq < 0
TRUNCATE audit_events CASCADE
TRUNCATE audit_seals
SELECT * FROM audit_events FOR UPDATE
INSERT INTO audit_seals (position, event_id, hash) VALUES (1, 1, '') ON CONFLICT (position) DO UPDATE SET hash = ''
UPDATE policy_versions SET rule = 'all'
DELETE FROM policy_versions
ALTER TABLE audit_events DISABLE TRIGGER ALL
ALTER TABLE audit_seals DISABLE TRIGGER audit_seals_kept
ALTER TRIGGER audit_events_kept ON audit_events RENAME TO another
DROP TRIGGER audit_events_kept ON audit_events
CREATE TRIGGER mine BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_events_kept()
CREATE OR REPLACE FUNCTION audit_events_kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
CREATE RULE mine AS ON INSERT TO audit_events DO INSTEAD NOTHING
ALTER TABLE audit_events RENAME TO another
DROP TABLE audit_seals
SET session_replication_role = replica
SET ROLE postgres
""".strip().splitlines()


def plain(rig):
    return make_url(rig.database_url).set(drivername="postgresql").render_as_string(hide_password=False)


def as_owner(rig, *scripts):
    with psycopg.connect(plain(rig), autocommit=True) as connection:
        for script in scripts:
            connection.execute(script)


@pytest.fixture
def owner(rig):
    """The world as the owner of the tables has it; the role of the application is there."""
    as_owner(rig, app_rights.application(ROLE), f"ALTER ROLE {ROLE} PASSWORD 'app'")
    yield rig
    as_owner(rig, f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


@pytest.fixture
def service(owner):
    """The same as the service has it."""
    url = make_url(owner.database_url).set(username=ROLE, password="app")
    theirs, owner.database_url = owner.database_url, url.render_as_string(hide_password=False)
    yield owner
    owner.database_url = theirs


def test_it_does_the_whole_job(service):
    kept, _ = service.chat(1), service.chat(2)
    service.apply()
    service.sync()
    with service.ledger() as ledger:
        aim = holding.aim(ledger, chat=kept, on=None)
        placed = holding.place(ledger, aim, reason="a claim", until=None, progress=lambda *_: None)
        stopping.stop(ledger, reason="looking")
        stopping.start(ledger, reason="looked")
    service.run()
    assert service.states() == {"deleted": 1}
    with service.ledger() as ledger:
        holding.release(ledger, placed.new, reason="settled")
        context, now = ledger.context, ledger.now()
        tick.run(context, now=now)
        reconcile.run(context, now=now)
        purge.run(context, now=now)
        wiring.pause(ledger, ["resolved-30d"], because="a holiday", now=now)
        wiring.resume(ledger, ["resolved-30d"], because="back", now=now)
        assert len(list(auditing.export(ledger))) > 10
        assert wiring.verify_audit(ledger, exported=auditing.head(ledger)).head == "proven"


def test_it_can_only_add_to_the_audit(service):
    service.apply()
    answers = {}
    with psycopg.connect(plain(service), autocommit=True) as connection:
        for statement in REFUSED:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                answers[statement] = f"{error.sqlstate} {error}"
    assert [each for each in REFUSED if not answers.get(each, "").startswith("42501")] == [], answers
    assert service.verified()


def test_its_purge_of_the_audit_is_refused_with_what_to_do(service):
    with service.ledger() as ledger, pytest.raises(InvalidInputError) as caught:
        auditing.oldest(ledger, before=None)
    assert "owner" in str(caught.value)
    assert "CHAT_HYGIENE_DATABASE_URL" in caught.value.fix


@pytest.mark.parametrize(
    "right",
    [
        "GRANT UPDATE (actor) ON audit_events TO chat_hygiene_app",
        "GRANT DELETE ON audit_seals TO PUBLIC; GRANT TRUNCATE ON policy_versions TO chat_hygiene_app",
        "GRANT postgres TO chat_hygiene_app",
        "ALTER ROLE chat_hygiene_app CREATEROLE",
    ],
)
def test_rights_that_it_was_given_are_taken_back_or_refused(owner, right):
    as_owner(owner, right)
    sql = app_rights.application(ROLE)
    if "postgres" in right or "CREATEROLE" in right:
        with pytest.raises(psycopg.errors.RaiseException, match="could still do more"):
            as_owner(owner, sql)
    else:
        as_owner(owner, sql)
