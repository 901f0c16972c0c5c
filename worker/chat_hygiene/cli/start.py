"""What every verb that needs settings does first: read them, and set up the log."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat_hygiene.settings import Settings


def settings() -> "Settings":
    """The settings, with the log on stderr from warnings on. Raises SettingsError."""
    from chat_hygiene import logs
    from chat_hygiene.settings import SECRETS, load_settings
    from chat_hygiene.store.pseudonyms import mask_numbers

    found = load_settings()
    values = (getattr(found, name) for name in SECRETS)
    secrets = [value.get_secret_value() for value in values if value is not None]
    logs.configure(secrets=secrets, mask=mask_numbers, level=logging.WARNING)
    return found
