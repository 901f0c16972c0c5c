"""Where a listing ends, judged page by page, in the memory of one page.

The API has no total and no cursor: third parties stop on a page shorter than asked. But a service that caps the size
below ours answers every page short, and one that ignores `page` never ends. So a page that is short of what was asked
ends the listing only when it is also shorter than the largest one seen; otherwise the next page is looked at.
"""

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.providers.base import Page

REPEATS = 3
"""So many pages in a row that mostly show the page before them are no progress."""


class Listing:
    """One walk through a listing in pages of `asked` items."""

    def __init__(self, asked: int) -> None:
        self._asked = asked
        self._largest = 0
        self._before: frozenset[str] = frozenset()
        self._repeats = 0
        self.may_be_over = False
        """The last page was short of what was asked: the next one may not exist."""

    def goes_on(self, page: Page) -> bool:
        """Whether another page is to be read. Raises BadAnswerError when the service shows the same page over and over."""
        self._largest = max(self._largest, page.size)
        self.may_be_over = page.size < self._asked
        if page.size == 0 or page.size < self._largest:
            return False
        shown = frozenset(facts.wid for facts in page.chats)
        # A list that shifts while it is read repeats a few; one that stands still repeats nearly all.
        same = bool(shown) and 2 * len(shown & self._before) > len(shown)
        self._repeats = self._repeats + 1 if same else 0
        self._before = shown
        if self._repeats >= REPEATS:
            raise BadAnswerError("the listing shows the same page over and over, so its end cannot be found")
        return True
