"""The items of an answer."""

import pytest

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.providers.answers import Answer, listed


def refuse(_item):
    raise BadAnswerError("no usable id")


@pytest.mark.parametrize(
    ("body", "words"),
    [(b'["a"]', "no usable id"), (b"{}", "something else than a list"), (b"[", "is not JSON")],
)
def test_a_page_that_cannot_be_used_is_refused(body, words):
    with pytest.raises(BadAnswerError, match=words):
        listed(Answer(200, {}, body), refuse, call="GET /chats")
