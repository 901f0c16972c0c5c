"""What can be wrong with a policy, told so that a person can mend it: where, what, and what to write instead."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from chat_policies.messages import mask, printable

WINDOW = 100
"""Characters of the offending line that are shown at most."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` and `column` count from 1; `hint` is what to do, or empty."""

    line: int
    column: int
    message: str
    hint: str = ""


class Text:
    """A document's characters and its lines, as an editor counts them (LF, CR LF or CR end a line)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        for index, char in enumerate(text):
            if char == "\n" or (char == "\r" and text[index + 1 : index + 2] != "\n"):
                self._starts.append(index + 1)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of the character at `offset`."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The line without its end; empty beyond the last one."""
        if not 1 <= number <= len(self._starts):
            return ""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\r\n")


class DocumentError(ValueError):
    """A policy document that cannot be used, with every problem found in it, in the order of its lines."""

    def __init__(self, source: str, problems: Iterable[Problem], text: Text | None = None) -> None:
        super().__init__(source)
        self.source = source
        self.problems = tuple(problems)
        self._text = text or Text("")

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """`file:line:column: message`, the line, a caret and the hint, for each problem."""
        return "\n".join(line for problem in self.problems for line in self._lines(problem))

    def _lines(self, problem: Problem) -> Iterable[str]:
        yield f"{self.source}:{problem.line}:{problem.column}: {problem.message}"
        shown = self._text.line(problem.line)
        if shown.strip():
            first = max(0, problem.column - 1 - WINDOW // 2)
            before = printable(shown[first : problem.column - 1])
            yield f"    {before}{printable(shown[problem.column - 1 : first + WINDOW])}"
            yield f"    {' ' * sum(map(_width, before))}^"
        if problem.hint:
            yield f"    {problem.hint}"


class UnknownDeviceError(ValueError):
    """A policy names devices that do not exist: nothing of it may run. `names` are they, as written."""

    def __init__(self, policy: str, names: tuple[str, ...]) -> None:
        told = ", ".join(mask(name) for name in names)
        super().__init__(
            f'policy "{policy}" names {len(names)} unknown device{"s" * (len(names) > 1)}: {told}'
        )
        self.policy = policy
        self.names = names


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
