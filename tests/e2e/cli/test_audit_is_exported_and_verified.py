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
