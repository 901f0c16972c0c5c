"""What the installation's settings say for a policy that does not say it itself."""

from datetime import timedelta

from chat_hygiene.settings import Settings
from chat_policies import Policy


def canary_of(policy: Policy, settings: Settings) -> int | None:
    """How many chats the first enforcing run of a version queues; None: the canary is off."""
    written = policy.limits.canary or settings.canary_chats
    return None if written == "off" else written


def catch_up_of(policy: Policy, settings: Settings) -> timedelta:
    """For how long a missed slot is made up for."""
    return policy.catch_up or settings.catch_up_seconds
