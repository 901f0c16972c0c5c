"""What every verb that needs settings does first: read them, and set up the log."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat_hygiene.settings import Settings


def settings(*, level: int = logging.WARNING) -> "Settings":
    """The settings, with the log on stderr from `level` on. Raises SettingsError."""
    from chat_hygiene.settings import load_settings
    from chat_hygiene.wiring.telling import configure_logs

    found = load_settings()
    configure_logs(found, level=level)
    return found
