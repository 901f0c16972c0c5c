"""The digest of a list is one, whoever puts it in order."""

import hashlib
from random import Random

import pytest
from sqlalchemy import Integer, Text, column, select, table, text

from chat_hygiene.store import lists

REFS = [f"chat_{letter}{number}" for letter in ("a", "B", "b", "Z", "0", "") for number in range(400)]


@pytest.fixture
def listed(sessions):
    """A table of them in no order."""
    rows = [{"ref": ref, "life": life} for life, ref in enumerate(REFS, 1)]
    Random(1).shuffle(rows)
    with sessions.begin() as session:
        session.execute(text("CREATE TABLE listed (ref text, life integer)"))
        session.execute(text("INSERT INTO listed VALUES (:ref, :life)"), rows)
    return sessions


def test_the_database_and_python_put_a_list_in_one_order(listed):
    naive = hashlib.sha256()
    for ref, life in sorted(zip(REFS, range(1, len(REFS) + 1), strict=True)):
        naive.update(f"{ref} {life}\n".encode())
    with listed.begin() as session:
        found = lists.digest_of(
            session, select(column("ref", Text), column("life", Integer)).select_from(table("listed"))
        )
    assert found == lists.digest(zip(REFS, range(1, len(REFS) + 1), strict=True)) == naive.hexdigest()
