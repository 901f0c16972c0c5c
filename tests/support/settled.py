"""Settings that many tests want alike, read once: reading them costs more than most of what is done with them."""

from typing import Any

from chat_hygiene.settings import Settings, load_settings

_READ: dict[str, Settings] = {}


def settled(**given: Any) -> Settings:
    """What `load_settings` makes of these, for a test that changes nothing in the environment. Not to be changed."""
    key = repr(sorted(given.items()))
    if key not in _READ:
        _READ[key] = load_settings(**given)
    return _READ[key]
