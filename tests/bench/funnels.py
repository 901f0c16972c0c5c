"""The funnel of a run, beside one aggregate by hand that counts the same clauses."""

from collections.abc import Iterator

from bench import deck, rivals
from bench.ground import ENGINES, Ground
from bench.measuring import Row, expect, medians, ms, seconds
from bench.world import World, world
from chat_hygiene.pipeline import rules
from chat_hygiene.store import candidates
from chat_hygiene.store.engine import reading
from chat_hygiene.store.policies import StoredPolicy
from chat_policies import Funnel


def bench(on: Ground) -> Iterator[Row]:
    """Both engines."""
    for engine in ENGINES:
        found = world(on, engine)
        yield _row(found, found.store("funnel", deck.DAILY), engine)


def _row(found: World, stored: StoredPolicy, engine: str) -> Row:
    wanted, sessions = len(found.matching(deck.DAILY)), found.context.sessions
    by_hand = rivals.aggregate(engine)
    told: list[Funnel] = []
    counted: list[tuple[int, ...]] = []

    def product() -> float:
        with reading(sessions) as session:
            compiled = rules.clauses(session, stored.policy, found.context.settings, now=deck.NOW)
            return seconds(lambda: told.append(candidates.funnel(session, compiled)))

    def hand() -> float:
        with reading(sessions) as session:
            at = {name: rivals.instants(deck.DAILY)[name] for name in ("floor", "since")}
            return seconds(lambda: counted.append(tuple(session.execute(by_hand, at).one())))

    fast, slow = medians(product, hand)
    for each in told:
        expect(each.matched, wanted, "chats that the funnel says match")
    for numbers in counted:
        expect(numbers, rivals.numbers(told[0]), "what the aggregate counts")
    return Row(
        f"the funnel of {found.size:,} chats, {engine}",
        "≤ 2 × one aggregate that counts the same clauses",
        fast / slow,
        2,
        ms(fast),
        ms(slow),
        f"{told[0].seen:,} seen, {told[0].in_scope:,} in scope, {wanted:,} match as the oracle says; all numbers of both are equal",
    )
