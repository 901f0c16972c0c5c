"""One fixed ledger: what every report view shows of it, and what the documented queries answer, the same on both engines.

`GOLDEN=write pytest FILE` writes the golden files anew; a look at the difference is the review.
"""

import json
import os
import re
from pathlib import Path

import pytest

from chat_hygiene.store.engine import reading
from chat_hygiene.store.views import VIEWS
from support.golden import PRIVATE, fill_golden, rows, written

HERE = Path(__file__).parent
QUESTIONS = HERE.parents[2] / "docs" / "questions.md"


def questions() -> dict[str, str]:
    """The documented queries by the heading that they stand under."""
    found: dict[str, str] = {}
    for part in re.split(r"^## ", QUESTIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        for number, query in enumerate(re.findall(r"```sql\n(.*?)```", body, re.DOTALL), 1):
            found[f"{heading} {number}"] = query
    return found


def compared(name: str, tables: list[tuple[str, list[str], list[list[object]]]]) -> None:
    golden, found = HERE / name, written(tables)
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert json.loads(found) == json.loads(golden.read_text(encoding="utf-8")), f"not as in {name}"


@pytest.fixture
def ledger(sessions):
    fill_golden(sessions)
    return sessions


def test_every_view_shows_what_the_golden_file_says(ledger):
    with reading(ledger) as session:
        shown = [
            (view.name, *rows(session, f"SELECT * FROM {view.name} ORDER BY 1, 2, 3, 4")) for view in VIEWS
        ]
    compared("report_views.json", shown)
    said = json.dumps(shown, ensure_ascii=False)
    assert [private for private in PRIVATE if private in said] == []


def test_every_documented_query_has_an_answer_from_the_views_alone(ledger):
    names = {view.name for view in VIEWS}
    with reading(ledger) as session:
        answers = []
        for question, query in questions().items():
            assert set(re.findall(r"\b(?:FROM|JOIN) (\w+)", query)) <= names, (
                f"{question} reads something else"
            )
            columns, found = rows(session, query)
            assert found, f"{question}: no answer"
            answers.append((question, columns, found))
    compared("report_questions.json", answers)
