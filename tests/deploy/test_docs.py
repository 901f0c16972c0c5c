"""What is written from the code says what the code says; and it works as it is written."""

import re
import runpy
import sqlite3

from chat_hygiene.store.engine import create_engine, sessions
from chat_hygiene.store.views import VIEWS
from deploy.stack import ROOT
from support.world import fill

WRITTEN = runpy.run_path(str(ROOT / "docs" / "make.py"))["written"]()


def test_every_file_that_is_made_from_the_code_is_up_to_date():
    old = [name for name, text in WRITTEN.items() if (ROOT / name).read_text(encoding="utf-8") != text]
    assert old == [], "run: make docs"


def test_a_cell_of_a_table_is_one_cell():
    for view in VIEWS:
        for column in view.columns:
            assert "|" not in column.doc, f"{view.name}.{column.name}"


def test_a_copy_made_as_written_holds_the_reports_and_nothing_else(sqlite_databases, tmp_path):
    url = sqlite_databases.copy(tmp_path / "chat-hygiene.db")
    engine = create_engine(url)
    fill(sessions(engine))
    engine.dispose()
    (copying,) = re.findall(r"```sql\n(ATTACH .*?)```", WRITTEN["docs/report-views.md"], re.DOTALL)
    copy = sqlite3.connect(f"file:{tmp_path / 'reports.db'}", uri=True)
    copy.executescript(copying.replace("file:chat-hygiene.db", f"file:{tmp_path / 'chat-hygiene.db'}"))
    copy.execute("DETACH ledger")
    assert {name for (name,) in copy.execute("SELECT name FROM sqlite_master")} == {
        view.name for view in VIEWS
    }
    assert copy.execute("SELECT count(*) FROM report_v1_deletions").fetchone() == (3,)
    copy.close()
