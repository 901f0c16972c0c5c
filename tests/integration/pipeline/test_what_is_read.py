"""What an evaluation and an explanation read: as much as they find, not every chat, and the same however many policies."""

from datetime import timedelta

import pytest
from sqlalchemy import event, insert, text

from chat_hygiene import wiring
from chat_hygiene.pipeline import evaluate, explain
from chat_hygiene.settings import load_settings
from chat_hygiene.store import upcoming, versions
from chat_hygiene.store.tables import chats, devices
from chat_policies import Policy
from support.world import NOW

CHATS, RIPE = 5_000, 10
DAY = timedelta(days=1)
# What a plan may not say: each chat is read.
EVERY_CHAT = {"sqlite": ("SCAN chats", "SCAN c "), "postgresql": ("Seq Scan on chats",)}
RULES = {
    "resolved": {"resolved_for": "30d"},
    "status": {"status": ["pending", "banned"]},
    "quiet": {"no_inbound_for": "30d"},
    "inactive": {"inactive_for": "30d"},
}
INDEXES = {
    "resolved": "ix_chats_status",
    "status": "ix_chats_status",
    "quiet": "ix_chats_last_inbound_at",
    "inactive": "ix_chats_last_inbound_at",
}
# SQLite reads all rather than sort what it finds there.
SERVERS_ALONE = {"ix_chats_last_inbound_at"}


@pytest.fixture
def ledger(database_url):
    keys = {"audit_key": "a" * 32, "pseudonym_key": "p" * 32}
    settings = load_settings(database_url=database_url, actor="tester", canary_chats="off", **keys)
    with wiring.open_ledger(settings, clock=lambda: NOW) as ledger:
        with ledger.context.sessions.begin() as session:
            seen = dict.fromkeys(("last_online_at", "last_full_sync_at"), NOW)
            session.execute(
                insert(devices).values(id=1, provider="test", device="d1", status="operative", **seen)
            )
            session.execute(insert(chats), [chat(number) for number in range(1, CHATS + 1)])
        yield ledger


def chat(number):
    """Those that every rule matches are far apart; the others are young, and open."""
    ripe = number % (CHATS // RIPE) == 0
    times = ("status_updated_at", "last_message_at", "last_inbound_at", "last_outbound_at")
    return {
        "id": number,
        "device_id": 1,
        "wid": f"{number}@c.us",
        "kind": "chat",
        "unread": False,
        "status": ("pending" if number // (CHATS // RIPE) % 2 else "resolved") if ripe else "active",
        "chat_ref": f"chat_{number:032d}",
        "key_id": "1",
        "chat_hint": "",
        "synced_at": NOW,
        **dict.fromkeys(times, NOW - (60 * DAY if ripe else 10 * DAY)),
    }


def store(ledger, name, when, *, unless=None, **limits):
    document = {
        "name": name,
        "mode": "enforce",
        "schedule": "0 3 * * *",
        "when": when,
        "delete": {"from_whatsapp": True},
        "limits": {"max_chats": 1000, "max_share": "100%", **limits},
        **({"unless": unless} if unless else {}),
    }
    with ledger.context.sessions.begin() as session:
        change = versions.Change("new", Policy.from_document(document), None, None)
        versions.store(session, change, now=NOW, actor="tester")


def analyse(engine):
    """A server knows its tables, and has vacuumed them; an SQLite file is planned for unseen."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum analyze")


@pytest.fixture
def ran(ledger):
    """The statements that the ledger sends, and their values."""
    engine, found = ledger.context.sessions.kw["bind"], []
    event.listen(engine, "before_cursor_execute", lambda *args: found.append((args[2], args[3])))
    return found


def plan(engine, sql, values, *, few=False):
    """With `few` the server is told not to read a table from its start, as it would until it has found these few rows."""
    words = "explain query plan " if engine.dialect.name == "sqlite" else "explain "
    with engine.connect() as connection:
        if few and engine.dialect.name == "postgresql":
            connection.exec_driver_sql("set local enable_seqscan = off")
        return [f"{row[-1]} " for row in connection.exec_driver_sql(words + sql, values)]


def inserted(ran):
    """The tables that candidates and jobs were put into, in turn, each with its statement and values."""
    return [
        (table, each) for each in ran for table in ("run_candidates", "jobs") if f"INTO {table} " in each[0]
    ]


@pytest.mark.parametrize("name", RULES)
def test_a_run_reads_the_chats_that_may_be_ripe_and_no_other(ledger, engine, ran, name):
    store(ledger, name, RULES[name])
    analyse(engine)
    ran.clear()
    report = evaluate.run(ledger.context, name, trigger="manual", slot=NOW, now=NOW)
    assert report.queued == report.funnel.matched > 0
    ((table, statement),) = inserted(ran)
    assert table == "jobs"
    if engine.dialect.name == "postgresql" or INDEXES[name] not in SERVERS_ALONE:
        read = plan(engine, *statement)
        assert not reads_all(engine, read)
        assert any(INDEXES[name] in line for line in read)


@pytest.mark.parametrize("name", RULES)
def test_groups_and_what_nobody_has_read_are_passed_over_within_the_index(ledger, engine, ran, name):
    store(ledger, name, RULES[name], unless={"unread": True})
    analyse(engine)
    ran.clear()
    evaluate.run(ledger.context, name, trigger="manual", slot=NOW, now=NOW)
    ((_, statement),) = inserted(ran)
    if engine.dialect.name == "postgresql":
        read = plan(engine, *statement)
        mine = [read[place + 1] for place, line in enumerate(read) if INDEXES[name] in line]
        assert mine
        assert all("(kind = 'chat'::text)" in line and "(unread = false)" in line for line in mine), read
    elif INDEXES[name] not in SERVERS_ALONE:
        assert {"kind", "unread"} <= looked_at_before_the_row(engine, *statement)


def looked_at_before_the_row(engine, sql, values):
    """The columns that SQLite's program takes from the index before it goes to the row."""
    with engine.connect() as connection:
        program = connection.exec_driver_sql(f"explain {sql}", values).all()
    name = "ix_chats_status"
    keys = [column.name for index in chats.indexes if index.name == name for column in index.columns]
    seeks = next(place for place, step in enumerate(program) if step.opcode == "DeferredSeek")
    index, row = program[seeks].p1, program[seeks].p3
    columns = [step for step in program[seeks:] if step.opcode == "Column" and step.p1 in {index, row}]
    first = next(place for place, step in enumerate(columns) if step.p1 == row)
    return {keys[step.p2] for step in columns[:first]}


@pytest.mark.parametrize(("limits", "tables"), [
    # As many as it may: what it queued counts once.
    ({"max_chats": RIPE}, ["jobs"]),
    ({"max_chats": RIPE - 1}, ["run_candidates"]),
    # Tried and taken back.
    ({"max_share": "0.1%"}, ["jobs", "run_candidates"]),
    ({"canary": 3}, ["run_candidates", "jobs"]),
])  # fmt: skip
def test_candidates_are_put_down_first_only_where_some_may_have_to_wait(ledger, ran, limits, tables):
    store(ledger, "resolved", {"status": ["resolved", "pending"]}, **limits)
    ran.clear()
    report = evaluate.run(ledger.context, "resolved", trigger="manual", slot=NOW, now=NOW)
    assert report.funnel.matched == RIPE
    assert [table for table, _ in inserted(ran)] == tables
    assert report.queued == (RIPE if tables == ["jobs"] else limits.get("canary", 0))


def test_a_brake_counts_a_population_no_further_than_it_has_to_and_within_an_index(ledger, engine, ran):
    store(ledger, "resolved", RULES["resolved"])
    analyse(engine)
    ran.clear()
    report = evaluate.run(ledger.context, "resolved", trigger="manual", slot=NOW, now=NOW)
    (look,) = [each for each in ran if "(SELECT chats.device_id AS device_id" in each[0]]
    assert "LIMIT" in look[0]
    assert report.queued in (look[1].values() if isinstance(look[1], dict) else look[1])
    within = {
        "sqlite": "USING COVERING INDEX ix_chats_there ",
        "postgresql": "Index Only Scan using ix_chats_there ",
    }
    read = plan(engine, *look, few=True)
    assert any(within[engine.dialect.name] in line for line in read), read


def reads_all(engine, lines):
    return [line for line in lines if any(every in line for every in EVERY_CHAT[engine.dialect.name])]


def test_what_keeps_one_chat_back_is_found_without_reading_every_chat_or_job(ledger, engine, ran):
    store(ledger, "resolved", {"resolved_for": "30d"})
    evaluate.run(ledger.context, "resolved", trigger="manual", slot=NOW, now=NOW)
    analyse(engine)
    ran.clear()
    with ledger.reading() as session:
        queued = chat(CHATS)["chat_ref"]
        assert upcoming.blocked_by(session, "d1", queued) == {"resolved": "offline"}
    (look,) = (each for each in ran if "report_v1_upcoming" in each[0])
    lines = plan(engine, *look)
    assert not reads_all(engine, lines)
    assert engine.dialect.name != "sqlite" or any(
        "ix_jobs_chat_ref (chat_ref=? AND state=?)" in line for line in lines
    )


def test_an_explanation_asks_many_policies_by_as_many_statements_as_a_few(ledger, ran):
    counts = []
    for many in (2, 20):
        for number in range(many):
            store(
                ledger, f"p{many}-{number}", {"resolved_for": f"{100 + number}d", "agent": f"agent-{number}"}
            )
        ran.clear()
        with ledger.reading() as session:
            (report,) = explain.run(session, [chat(1)["chat_ref"]], ledger.settings, now=NOW)
        counts.append((len(report.policies), len(ran)))
    (few, statements), (more, as_many) = counts
    assert (few, more) == (2, 22)
    assert as_many == statements, counts


# SQLite plans a statement once, whatever it is asked with.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_run_is_planned_for_its_own_days_however_many_went_before_on_its_connection(ledger):
    store(ledger, "resolved", RULES["resolved"])
    for minutes in range(20):
        slot = NOW + timedelta(minutes=minutes)
        evaluate.run(ledger.context, "resolved", trigger="manual", slot=slot, now=NOW)
    with ledger.reading() as session:
        plans = text("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
        kept = session.execute(plans).all()
    mine = [each for each in kept if "FROM chats" in each.statement and "status" in each.statement]
    assert {each.statement.split()[0] for each in mine} == {"SELECT", "INSERT"}
    assert [each.generic_plans for each in mine] == [0] * len(mine)
    assert all(each.custom_plans > 10 for each in mine)
