"""How every verb speaks: data on stdout, talk on stderr; a table or one JSON document; questions and progress.

Text that came from outside (names, labels, aliases) is put on one line and never read as markup: a chat's name is
whatever a stranger typed.
"""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from chat_hygiene.core import words
from chat_hygiene.core.errors import UsageError
from chat_hygiene.logs import one_line

JSON_VERSION = 1
"""Of every document that `--json` prints; fields are only ever added within it."""

count, span = words.count, words.span

_PIPE_WIDTH = 200
_LIST = 100

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout instead of text.")]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="At most so many, the newest; without it 100, with --json all.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

Show = Callable[[str, int, int | None], None]
"""Shows (what is being done, how many are done, of how many or None when that is not known)."""


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width: rich would cut a table to 80 columns, and nobody sees what was cut.
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)


class Output:
    """What one call of the command prints."""

    def __init__(self, *, as_json: bool = False, one_stream: bool = False) -> None:
        """`one_stream`: the talk is part of the data, and goes to stdout too."""
        self.as_json = as_json
        self._data = _console(stderr=False)
        self._talk = self._data if one_stream else _console(stderr=True)

    @property
    def terminal(self) -> bool:
        """Whether the data is read by a person at a terminal."""
        return self._data.is_terminal

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def document(self, kind: str, **fields: object) -> None:
        """The verb's result as JSON: `{"version": 1, "kind": …}` and the fields."""
        json.dump(
            {"version": JSON_VERSION, "kind": kind, **fields},
            sys.stdout,
            default=plain,
            ensure_ascii=False,
            indent=2,
        )
        sys.stdout.write("\n")
        sys.stdout.flush()  # a server that prints its address goes on running

    def line(self, *parts: str | Text) -> None:
        """A line of data; what a terminal wraps stays as far in as it began."""
        _print(self._data, _join(parts))

    def heading(self, title: str, command: str) -> None:
        """A title, with the command that does what follows, if one does."""
        self.line()
        self.line(Text(title, style="bold cyan"))
        if command:
            self.line(Text(f"$ {command}", style="dim"))

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        empty: str = "nothing",
        whole: Collection[str] = (),
        most: int | None = None,
    ) -> None:
        """A table of data; the last column takes what room is left, and those in `whole` are never wrapped.

        `empty` is said when there are no rows; `most` is how many were asked for.
        """
        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        for position, name in enumerate(columns):
            last = position == len(columns) - 1
            table.add_column(name, overflow="fold", ratio=1 if last else None, no_wrap=name in whole)
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        if table.row_count:
            self._data.print(table)
        else:
            self.say(empty)
        if most is not None and table.row_count == most:
            self.say(f"These are the newest {most:,}; --limit shows more.")

    def most(self, limit: int | None) -> int | None:
        """How many rows a list shows: a person gets 100 unless another number is asked for, a program all."""
        return limit if limit is not None or self.as_json else _LIST

    def say(self, *parts: str | Text) -> None:
        """A line of talk."""
        _print(self._talk, _join(parts))

    def good(self, text: str) -> None:
        """Says that something went well."""
        self.say(mark(True), " ", text)

    def warn(self, text: str) -> None:
        """Says what somebody should look at."""
        self.say(Text("!", style="bold yellow"), " ", text)

    def failed(self, text: str) -> None:
        """Says what went wrong."""
        self.say(mark(False), " ", text)

    def require_answer(self, *, yes: bool) -> None:
        """Raises UsageError when there is neither --yes nor a terminal to ask on."""
        if not yes and not self.can_ask:
            raise UsageError("this needs a confirmation, and there is no terminal to ask on", fix="add --yes")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Asks on a terminal. Raises UsageError when the answer is not yes, or when there is nobody to ask."""
        self.require_answer(yes=yes)
        if not yes and not typer.confirm(one_line(question), err=True):
            raise UsageError("not confirmed: nothing was done")

    def confirm_by_name(self, question: str, name: str, *, yes: bool) -> None:
        """Asks on a terminal for a name to be typed, for what nobody should agree to in passing. Raises UsageError."""
        self.require_answer(yes=yes)
        if yes:
            return
        words = f"{one_line(question)} Type {name} to go on"
        if typer.prompt(words, err=True, default="", show_default=False).strip() != name:
            raise UsageError("not confirmed: nothing was done")

    @contextmanager
    def progress(self) -> Iterator[Show]:
        """A progress bar on a terminal, nothing elsewhere."""
        if not self._talk.is_terminal:
            yield lambda _words, _done, _total: None
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._talk, transient=True) as bar:
            task = bar.add_task("Starting", total=None)

            def show(words: str, done: int, total: int | None) -> None:
                bar.tasks[0].total = total  # an update takes None for "as it was"
                bar.update(task, description=words, completed=done)

            yield show


def mark(verdict: bool | None) -> Text:
    """✔, ✘, or ? for what is not known."""
    if verdict is None:
        return Text("?", style="bold yellow")
    return Text("✔", style="bold green") if verdict else Text("✘", style="bold red")


def instant(value: datetime | None) -> str:
    """To the minute, in UTC."""
    return "never" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def name_of(alias: str | None, device: str) -> str:
    """What a device is called: its alias, with numbers masked, else its id."""
    from chat_hygiene.store.pseudonyms import mask_numbers

    return mask_numbers(alias) if alias else device


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, datetime):
        return Text(instant(value).removesuffix(" UTC"))
    return Text(one_line(str(value)))


def _join(parts: Sequence[str | Text]) -> Text:
    return Text.assemble(*(part if isinstance(part, Text) else _lines(part) for part in parts))


def _print(console: Console, text: Text) -> None:
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    inside = text.plain.lstrip(" ")
    indent = len(text) - len(inside)
    console.print(Padding(text[indent:], (0, 0, 0, indent), expand=False))


def _lines(text: str) -> str:
    # Our own sentences may have lines; what stands in them was cleaned where it was put in.
    return "\n".join(one_line(line) for line in text.split("\n"))


def plain(value: object) -> object:
    """A value as JSON and CSV have it: instants in ISO-8601 with Z, spans in seconds. Others raise TypeError."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form here")
