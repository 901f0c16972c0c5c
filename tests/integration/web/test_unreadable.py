"""With a stored policy that this program cannot read, every page shows the rest, and the story says what it does not know."""

import pytest
from sqlalchemy import insert, update

from chat_hygiene.store.tables import policies, policy_versions
from chat_hygiene.web.page import Deed, Page, Sheet
from chat_hygiene.web.pages import PARTS
from support.world import NOW

GIVEN = {"chat": "chat_2", "hold": "1", "job": "8", "run": "2", "policy": "resolved-30d"}


@pytest.mark.parametrize(("policy", "name"), [(1, "resolved-30d"), (2, "keep-contracts")])
def test_every_page_is_shown_and_the_story_names_it_with_what_to_do(ana, house, policy, name):
    with house.sessions.begin() as session:
        later = {"policy_id": policy, "version": 3, "document": {"name": name, "of": "a newer program"}}
        session.execute(
            insert(policy_versions).values(created_by="ana", created_at=NOW, rule="later", **later)
        )
        session.execute(update(policies).where(policies.c.id == policy).values(version=3))
    answers = {
        path: ana.client.get(path, params=GIVEN).status_code
        for part in PARTS
        if isinstance(part, Page | Deed | Sheet)
        for path in [part.path.format_map(GIVEN)]
    }
    assert {path: status for path, status in answers.items() if status != 200} == {}
    story = ana.get("/chats/chat_2").text
    assert f"{name}, version 3, was stored by a newer program" in story
    assert "apply a file that says this policy anew" in story
    assert "What was done to it" in story
