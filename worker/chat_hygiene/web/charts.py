"""Drawings as SVG, made here: attributes and classes, no style and no script. Each stands beside a table that says the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

_GAP = 0.22
"""Of a day's width: what stays free between two bars."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing, a count a day. `kind` is the class that gives it its look."""

    kind: str
    label: str
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The sheet, and how far the drawing stays from its edges."""

    width: float
    height: float
    left: float = 0
    top: float = 0
    bottom: float = 0

    def y(self, value: float, most: float) -> float:
        """How high a value stands."""
        inner = self.height - self.top - self.bottom
        return self.top + inner * (1 - value / most)


def bars(days: Sequence[date], series: Sequence[Series], title: str) -> Markup:
    """A bar a day, its series one upon the other, with an axis; what a bar stands for shows on hover."""
    frame = _Frame(720, 220, left=44, top=12, bottom=24)
    most = _nice(max((sum(values) for values in _stacks(series)), default=0))
    lines = [
        Markup(
            '<line class="rule" x1="{:g}" x2="{:g}" y1="{:g}" y2="{:g}"/><text x="{:g}" y="{:g}" class="y">{:,}</text>'
        ).format(frame.left, frame.width, y, y, frame.left - 6, y + 4, value)
        for value in sorted({0, most // 2, most})
        for y in [round(frame.y(value, most), 1)]
    ]
    step = (frame.width - frame.left) / max(1, len(days))
    labels = [
        Markup('<text x="{:g}" y="{:g}" class="x">{}</text>').format(
            round(frame.left + (index + 0.5) * step, 1), frame.height - 6, f"{day:%d %b}"
        )
        for index, day in enumerate(days)
        # From the last one back, so that today is named.
        if (len(days) - 1 - index) % 7 == 0
    ]
    return _svg(frame, "chart", title, [*lines, *_bars(frame, days, series, most), *labels])


def spark(days: Sequence[date], counts: Sequence[int], title: str) -> Markup:
    """The same without an axis, in a line of a table; its highest bar fills it."""
    frame = _Frame(150, 26, top=1, bottom=1)
    series = [Series("deleted", "", counts)]
    base = Markup('<line class="rule" x1="0" x2="{:g}" y1="25" y2="25"/>').format(frame.width)
    return _svg(frame, "spark", title, [base, *_bars(frame, days, series, max(1, *counts))])


def _bars(frame: _Frame, days: Sequence[date], series: Sequence[Series], most: float) -> Iterator[Markup]:
    step = (frame.width - frame.left) / max(1, len(days))
    for index, (day, values) in enumerate(zip(days, _stacks(series), strict=True)):
        if not sum(values):
            continue
        x, below, drawn = round(frame.left + (index + _GAP / 2) * step, 1), 0, Markup()
        for each, value in zip(series, values, strict=True):
            if value:
                top, foot = frame.y(below + value, most), frame.y(below, most)
                # So that a single chat beside thousands is still seen.
                height = max(1.5, foot - top)
                drawn += Markup('<rect class="{}" x="{:g}" y="{:g}" width="{:g}" height="{:g}"/>').format(
                    each.kind, x, round(foot - height, 1), round(step * (1 - _GAP), 1), round(height, 1)
                )
                below += value
        said = ", ".join(
            f"{value:,} {each.label}".strip() for each, value in zip(series, values, strict=True) if value
        )
        yield Markup("<g><title>{}: {}</title>{}</g>").format(f"{day:%Y-%m-%d}", said, drawn)


def _stacks(series: Sequence[Series]) -> list[tuple[int, ...]]:
    return list(zip(*(each.counts for each in series), strict=True))


def _nice(value: int) -> int:
    """The next even number of one digit and zeros that is not smaller: where an axis ends."""
    size = int(f"1{'0' * (len(str(value)) - 1)}")
    ends: list[int] = [n * size for n in (2, 4, 6, 8, 10)]
    return next(end for end in ends if end >= value)


def _svg(frame: _Frame, kind: str, title: str, drawn: Sequence[Markup]) -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        kind, frame.width, frame.height, title, Markup().join(drawn)
    )
