"""The items of an answer: read while Python looks for no cycles, and never longer."""

import gc

import pytest

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.providers.answers import Answer, listed


@pytest.fixture(params=[True, False], ids=["collecting", "not collecting"])
def collecting(request):
    was = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if was else gc.disable)()


def refuse(_item):
    raise BadAnswerError("no usable id")


def test_no_cycles_are_looked_for_while_a_page_is_read(collecting):
    found = listed(Answer(200, {}, b"[1, 2]"), lambda item: (item, gc.isenabled()), call="GET /chats")
    assert found == [(1, False), (2, False)]
    assert gc.isenabled() is collecting


@pytest.mark.parametrize(
    ("body", "words"),
    [(b'["a"]', "no usable id"), (b"{}", "something else than a list"), (b"[", "is not JSON")],
)
def test_after_a_page_that_cannot_be_used_all_is_as_before(collecting, body, words):
    with pytest.raises(BadAnswerError, match=words):
        listed(Answer(200, {}, body), refuse, call="GET /chats")
    assert gc.isenabled() is collecting
