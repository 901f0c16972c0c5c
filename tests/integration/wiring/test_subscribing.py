"""A webhook's address is checked before anybody is asked to call it: the token is to travel in it."""

import pytest

from chat_hygiene.core.errors import UsageError
from chat_hygiene.wiring.subscribing import subscribe


@pytest.mark.parametrize(
    "url",
    [
        "http://hygiene.example.org", "hygiene.example.org", "ftp://hygiene.example.org", "https://", "https://[::1",
        "https://a:99999", "https://user:word@example.org", "https://@example.org", "https://example.org?a=1",
        "https://example.org?", "https://example.org/#a", "https://exa mple.org", "https://exämple.org", "https://a\n.org", "",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_called_safely_is_refused(ledger, url):
    with pytest.raises(UsageError, match="--url"):
        subscribe(ledger, url)
