"""The set of kinds is closed, and each of them is told somewhere."""

from pathlib import Path

import chat_hygiene
from chat_hygiene.core.events import Event

SOURCE = Path(chat_hygiene.__file__).parent


def test_every_kind_is_told_by_something():
    source = "".join(
        file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py") if file.name != "events.py"
    )
    assert [kind.name for kind in Event if f"Event.{kind.name}" not in source] == []


def test_every_kind_says_what_happened_in_a_sentence():
    assert [kind for kind in Event if not kind.meaning.endswith(".")] == []
    assert Event("stopped") is Event.STOPPED
    assert f"{Event.STOPPED}" == "stopped"
