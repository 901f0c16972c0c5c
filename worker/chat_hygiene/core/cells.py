"""Cells of a CSV file that a spreadsheet only shows."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def shown_only(value: object) -> object:
    """The same; a text that a spreadsheet would take for a formula gets an apostrophe in front, as OWASP has it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
