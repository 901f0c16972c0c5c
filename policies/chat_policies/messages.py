"""Small helpers of the texts a person reads: refusals, suggestions, lists, masks."""

import difflib
import re
from collections.abc import Iterable, Sequence

from pydantic_core import PydanticCustomError

# Seven or more digits of any script, each at most four separators from the next.
# Separators: space, brackets, dot, comma, dashes, slash, plus, and marks that a screen does not show.
_SEPARATOR = r"[\s()\[\].,\-\u2010-\u2015\u2212/+_~'\u2019\xb7\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\u20e3\ufeff]"
LONG_NUMBER = re.compile(rf"[+(]*\d(?:{_SEPARATOR}{{0,4}}\d){{6,}}")
"""What could be a phone number, however it is written."""


def refuse(message: str, hint: str = "") -> PydanticCustomError:
    """A refusal to raise from a validator; `message` follows the quoted key ("must be …", "is …")."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'did you mean "resolved_for"?' for the nearest known word, or an empty text."""
    spelt = {name.lower().replace("_", "-"): name for name in known}
    camel = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", word[:100])
    near = difflib.get_close_matches(camel.lower().replace("_", "-"), spelt, n=1, cutoff=0.6)
    return f'did you mean "{spelt[near[0]]}"?' if near else ""


def one_of(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def all_of(phrases: Sequence[str]) -> str:
    """`a and b`; with a comma where an "or" within a phrase would make it unclear."""
    unclear = any(" or " in phrase.replace(" or more", "") for phrase in phrases)
    return (", and " if unclear else " and ").join(phrases)


def printable(text: str) -> str:
    """The text without characters that could steer the terminal that shows it."""
    return "".join(
        " " if char == "\t" else char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def quoted(word: str) -> str:
    """The word in quotes, cut when it is long: a file may hold anything."""
    return f'"{printable(word[:60])}{"…" if len(word) > 60 else ""}"'


def mask(text: str) -> str:
    """The text with everything hidden that looks like a phone number."""
    return LONG_NUMBER.sub("…", text)
