"""What was deleted: each of the last days, by outcome and by policy. Days are UTC, as they are counted."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta

from chat_hygiene.web import charts
from chat_hygiene.web.charts import Series
from chat_hygiene.web.page import Content, Group, Page, Sheet, Visit
from chat_hygiene.wiring import recalling
from chat_hygiene.wiring.recalling import OUTCOMES

DAYS = 30

WORDS = {
    "deleted": "deleted",
    "removed_locally": "removed here, perhaps still in WhatsApp",
    "already_gone": "gone before",
    "failed": "failed for good",
}
HEADS = {
    "deleted": "Deleted",
    "removed_locally": "Only here",
    "already_gone": "Gone before",
    "failed": "Failed",
}


def _read(visit: Visit) -> Content:
    days = _days(visit)
    rows = recalling.counted(visit.ledger, days[0], days[-1])
    by_day = {day: [row for row in rows if row["day"] == day] for day in days}
    chats = {each: [sum(row[each] for row in by_day[day]) for day in days] for each in OUTCOMES}
    drawn = [Series(each, WORDS[each], chats[each]) for each in OUTCOMES if each != "failed"]
    return {
        "heads": HEADS,
        "words": WORDS,
        "days": [{"day": day, **_sums(by_day[day])} for day in reversed(days) if by_day[day]],
        "total": _sums(rows),
        "chart": charts.bars(days, drawn, f"Chats that left on each of the last {DAYS} days"),
        "policies": [_policy(name, days, rows) for name in sorted({row["policy"] for row in rows})],
    }


def _policy(name: str, days: Sequence[date], rows: Sequence[Mapping[str, object]]) -> Content:
    mine = [row for row in rows if row["policy"] == name]
    left = {row["day"]: row["deleted"] for row in mine}
    counts = [int(str(left.get(day, 0))) for day in days]
    return {"policy": name, "chart": charts.spark(days, counts, f"Deleted a day by {name}"), **_sums(mine)}


def _sums(rows: Sequence[Mapping[str, object]]) -> dict[str, int]:
    return {each: sum(int(str(row[each])) for row in rows) for each in OUTCOMES}


def _days(visit: Visit) -> list[date]:
    today = visit.now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(DAYS))]


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    days = _days(visit)
    for row in recalling.deletions(visit.ledger, days[0], days[-1]):
        yield tuple(str(row[name]) if name == "day" else row[name] for name in _HEADER)


_HEADER = ("day", "policy", "device", *OUTCOMES)

PARTS = (
    Page("/deleted", "deleted", "Deleted", "deleted.html", _read, Group.RECORD),
    Sheet("/deleted.csv", "deleted_sheet", _HEADER, _rows),
)
