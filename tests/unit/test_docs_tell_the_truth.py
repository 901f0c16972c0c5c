"""What the documents promise in words that code can check."""

import re
import tomllib
from pathlib import Path

from chat_hygiene.settings import Settings

ROOT = Path(__file__).parents[2]


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_names_every_setting():
    text = page("README.md")
    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in text] == []


def test_the_architecture_page_says_the_layers_in_the_linters_words():
    contracts = tomllib.loads(page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    text = re.sub(r"\s+", " ", page("ARCHITECTURE.md"))
    assert [each["name"] for each in contracts if each["name"] not in text] == []


def test_no_source_file_outgrows_its_noun():
    files = [
        path
        for folder in ("worker", "policies", "migrations", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert [path.name for path in files if path.read_text(encoding="utf-8").count("\n") > 300] == []
