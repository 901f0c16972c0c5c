"""The one place that reads the time. Everything below a face is handed `now`.

A long-running stage (drain) asks the clock it was given again for each job; no other module may.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current instant, zone-aware, in UTC."""
    return datetime.now(UTC)
