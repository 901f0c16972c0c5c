"""Where a long list goes on: an instant and a row's id, as one word in an address."""

from datetime import UTC, datetime

from chat_hygiene.web.page import MissingError

SIZE = 50

Key = tuple[datetime, int]


def written(key: Key | None) -> str | None:
    """For the query of the next page's address; None: there is no next page."""
    return None if key is None else f"{key[0].isoformat()}~{key[1]}"


def read(text: str) -> Key | None:
    """The other way round; empty: from the beginning. Raises MissingError for what was not written here."""
    if not text:
        return None
    instant, _, row = text.partition("~")
    try:
        at, number = datetime.fromisoformat(instant), int(row)
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MissingError("the list does not go on there") from None
    if at.tzinfo is None or not 0 <= number < 2**63:
        raise MissingError("the list does not go on there")
    return at, number
