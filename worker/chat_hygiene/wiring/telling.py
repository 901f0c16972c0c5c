"""Logs, set up for the settings of a process: what may never appear in them is known here."""

from chat_hygiene import logs
from chat_hygiene.settings import SECRETS, Settings
from chat_hygiene.store.pseudonyms import mask_numbers


def configure_logs(settings: Settings, *, level: int) -> None:
    """Sends every event to stderr, ours from `level` on, without the settings' secrets and without full numbers."""
    values = (getattr(settings, name) for name in SECRETS)
    secrets = [value.get_secret_value() for value in values if value is not None]
    secrets += settings.notify_addresses
    logs.configure(secrets=secrets, mask=mask_numbers, level=level)
