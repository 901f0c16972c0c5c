"""How the places for jobs are shared out among the devices that want some."""

from collections.abc import Sequence


def shares(wanted: Sequence[int], free: int) -> list[int]:
    """How many of `free` places each gets who wants so many: the same, and what one has no use for goes to those after it.

    Where there are fewer places than those who want one, the first get one each.
    """
    found = []
    for others, most in zip(range(len(wanted), 0, -1), wanted, strict=True):
        found.append(min(most, free, max(1, free // others)))
        free -= found[-1]
    return found
