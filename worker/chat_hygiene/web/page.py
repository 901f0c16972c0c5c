"""What the page is made of: a `Page` to look at, a `Deed` to do, a `Sheet` to take away, a `Search`. Each is declared, none is a handler."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from chat_hygiene.core.errors import HygieneError
from chat_hygiene.wiring import Ledger


class Group(StrEnum):
    """The parts of the menu, in their order."""

    NOW = "Now"
    RULES = "Rules"
    RECORD = "Record"


class MissingError(HygieneError):
    """There is no such thing to show: 404, with this sentence."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One look or one deed of one person.

    Attributes:
        ledger: acts in this person's name.
        operator: may decide, and sees names; a reader sees pseudonyms and hints, and nothing that a person typed.
        given: the path's parameters, and those of the query or, for a deed, the form's fields.
    """

    ledger: Ledger
    now: datetime
    operator: bool
    given: Mapping[str, str]

    def text(self, name: str) -> str:
        """A parameter without blanks around it; empty when it is not given."""
        return self.given.get(name, "").strip()

    def number(self, name: str) -> int:
        """A parameter that is a row's id. Raises MissingError for anything else."""
        text = self.text(name)
        if not re.fullmatch("[0-9]{1,18}", text):
            raise MissingError(f"there is no {name.replace('_', ' ')} of that number")
        return int(text)

    def choice(self, name: str, among: Iterable[str]) -> str | None:
        """A parameter that is one of these; None for anything else."""
        text = self.text(name)
        return text if text in set(among) else None


Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Something to look at.

    Attributes:
        name: how templates link to it: `to("runs")`.
        read: what its template shows; runs in a thread. Raises MissingError.
        group: where it stands in the menu; None: it does not.
    """

    path: str
    name: str
    title: str
    template: str
    read: Callable[[Visit], Content]
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that an operator does, always with a reason: GET asks, POST does and goes `back` to a page.

    Attributes:
        ask: what the form shows: `lead`, what will happen, in sentences; `verb`, on its button; `hidden`, fields that go
            along. A template of its own may extend `deed.html` by more fields.
        do: does it, with `visit.text("reason")`, and says what was done. Raises HygieneError: then the form is shown
            again with the error.
        back: the path to go to, with the given parameters in it: `/runs/{run}`.
    """

    path: str
    name: str
    title: str
    ask: Callable[[Visit], Content]
    do: Callable[[Visit], str]
    back: str
    template: str = "deed.html"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to take away as CSV. `rows`: at most `sheets.MOST`, or it is refused."""

    path: str
    name: str
    header: Sequence[str]
    rows: Callable[[Visit], Iterable[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class Search:
    """A form of a page whose fields stand in no address: sent by POST, by readers too, and nothing is written.

    Attributes:
        find: the path of what was found. Raises HygieneError: then `page` is shown with it as `problem`.
    """

    path: str
    name: str
    page: Page
    find: Callable[[Visit], str]


Part = Page | Deed | Sheet | Search
