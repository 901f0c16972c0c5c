"""How long hypothesis searches: the same cases each time unless HYPOTHESIS_PROFILE says `search`."""

import os

from hypothesis import HealthCheck, Phase, settings

_SEARCH = os.environ.get("HYPOTHESIS_PROFILE") == "search"


def cases(number):
    """Settings for a test that runs `number` examples, twenty times as many and random ones in a search."""
    return settings(
        max_examples=number * 20 if _SEARCH else number,
        derandomize=not _SEARCH,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
