import csv
import io
import json

import pytest
from sqlalchemy import create_engine, text


@pytest.fixture
def done(anywhere, policies):
    anywhere("policy", "apply", policies, "--yes")
    anywhere("sync")
    return anywhere


def tamper(url):
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            names = (
                connection.execute(text("select name from sqlite_master where type = 'trigger'"))
                .scalars()
                .all()
            )
            for name in names:
                connection.execute(text(f"drop trigger {name}"))
        else:
            connection.execute(text("alter table audit_events disable trigger all"))
        connection.execute(text("update audit_events set actor = 'somebody else' where seq = 2"))
    engine.dispose()


def test_untouched_it_holds_and_tampered_with_it_is_8(done):
    assert "the audit holds" in done("audit", "verify").stderr
    tamper(done.settings["database_url"])
    assert "event 2 or its seal was changed" in done("audit", "verify", code=8).stderr
    verdict = done.json("audit", "verify", code=8)
    assert (verdict["ok"], verdict["seq"]) == (False, 2)
    assert done.json("doctor", code=8)["exit_code"] == 8


def test_csv_and_json_lines_say_the_same(done):
    lines = [json.loads(line) for line in done("audit", "export", "--json").stdout.splitlines()]
    rows = list(csv.DictReader(io.StringIO(done("audit", "export").stdout)))
    assert [line["seq"] for line in lines] == [int(row["seq"]) for row in rows][:-1]
    assert {line["version"] for line in lines} == {1}
    for line, row in zip(lines, rows, strict=False):
        assert (line["kind"], line["at"], line["actor"]) == (row["kind"], row["at"], row["actor"])
        assert line["detail"] == (json.loads(row["detail"]) if row["detail"] else None)
    assert rows[-1]["kind"] == "audit.exported"


def test_a_spreadsheet_only_shows_an_export(command):
    command("stop", "--reason", "a test", actor="=1+1")
    rows = list(csv.DictReader(io.StringIO(command("audit", "export").stdout)))
    assert "'=1+1" in {row["actor"] for row in rows}
    assert "=1+1" not in {row["actor"] for row in rows}


def test_an_export_goes_to_a_new_file_only(command):
    command("audit", "export", "--out", "events.csv")
    before = (command.folder / "events.csv").read_text()
    assert "events.csv" in command("audit", "export", "--out", "events.csv", code=3).stderr
    assert (command.folder / "events.csv").read_text() == before


def test_a_list_is_newest_first(done):
    assert "--limit shows more" in done("audit", "list", "--limit", "3").stderr
    seqs = [event["seq"] for event in done.json("audit", "list", "--limit", "3")["events"]]
    assert seqs == sorted(seqs, reverse=True)
    assert len(seqs) == 3


def test_a_head_that_was_exported_shows_that_the_ledger_is_another_one(done):
    done("audit", "head", "--out", "head.json")
    done("audit", "export")
    assert done.json("audit", "verify", "--head", "head.json")["head"] == "proven"
    assert "there already" in done("audit", "head", "--out", "head.json", code=2).stderr
    other = {"database_url": "sqlite:///emptied.db"}
    said = done("audit", "verify", "--head", "head.json", code=8, **other).stderr
    assert "had reached" in said
    assert "older copy" in said
    head = (done.folder / "head.json").read_text()
    done.file("altered.json", head.replace('"version": 1', '"version":  1'))
    done("audit", "verify", "--head", "altered.json", code=8)
    done("audit", "verify", "--head", "policies.yaml", code=3)


def test_a_purge_asks_exports_first_and_leaves_what_verifies(done):
    quick = {"audit_kept_seconds": "0.001"}
    assert "nothing to do" in done("audit", "purge", "--yes").stderr
    assert "--yes" in done("audit", "purge", code=2, **quick).stderr
    events = len(done.json("audit", "list")["events"])
    purged = done.json("audit", "purge", "--yes", "--export", "gone.csv", **quick)
    assert purged["purged"] == events
    rows = list(csv.DictReader(io.StringIO((done.folder / "gone.csv").read_text())))
    assert [int(row["seq"]) for row in rows] == list(range(1, events + 1))
    verdict = done.json("audit", "verify")
    assert (verdict["ok"], verdict["purged"], verdict["sealed"]) == (True, events, 2)
    assert "gone.csv" in done("audit", "purge", "--yes", "--export", "gone.csv", code=3, **quick).stderr
    assert done.json("audit", "verify")["purged"] == events, "it purged what it could not export"
