"""Evaluating a policy: candidates chosen and jobs inserted, beside the same rule by hand, in a loop and in Cloud Custodian."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench import deck, rivals
from bench.ground import ENGINES, Ground
from bench.measuring import Row, expect, medians, ms, seconds
from bench.world import MILLION, World, world
from chat_hygiene.pipeline import at_once, evaluate, rules
from chat_hygiene.pipeline.evaluation import Evaluation
from chat_hygiene.store import runs
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.tables import jobs

SAMPLE = 20_000
"""Chats that the slow ones are measured on; their time is scaled by how many more there are."""


@dataclass(frozen=True, slots=True)
class Case:
    """A policy in a world, and what the oracle says that it matches."""

    world: World
    stored: StoredPolicy
    rule: Mapping[str, Any]
    wanted: list[int]

    @property
    def reason(self) -> str:
        """As jobs say it."""
        return self.stored.policy.words()

    def start(self, session: Session) -> int:
        """A run for jobs to belong to."""
        return runs.start(
            session,
            self.stored.id,
            1,
            mode="enforce",
            trigger="manual",
            slot=deck.NOW,
            now=deck.NOW,
            by="bench",
        )

    def queued(self) -> None:
        """Raises when other chats have a job than those that the oracle finds."""
        with self.world.context.sessions.begin() as session:
            expect(
                session.scalars(select(jobs.c.chat_id).order_by(jobs.c.chat_id)).all(), self.wanted, "jobs"
            )

    def timed(self, work: Callable[[Session, int], object]) -> float:
        """The seconds that `work` takes with a new run, its commit included; what it queued is looked at afterwards."""
        sessions = self.world.context.sessions
        with sessions.begin() as session:
            run_id = self.start(session)

        def whole() -> None:
            with sessions.begin() as session:
                work(session, run_id)

        spent = seconds(whole)
        self.queued()
        return spent

    def by_product(self, session: Session, run_id: int) -> None:
        """What a run does from the stored policy to its queued jobs, the brakes' judgement included."""
        context, stored = self.world.context, self.stored
        compiled = rules.clauses(session, stored.policy, context.settings, now=deck.NOW)
        evaluation = Evaluation(context, session, stored, run_id, compiled, deck.NOW)
        expect(at_once.queue(evaluation), (len(self.wanted), 0), "queued at once")

    def by_hand(self, session: Session, run_id: int) -> None:
        """One statement."""
        statement = rivals.insert_select(self.world.engine.dialect.name)
        session.execute(statement, rivals.instants(self.rule) | self.run(run_id))

    def run(self, run_id: int) -> dict[str, Any]:
        """What a job says of its run."""
        return {"run_id": run_id, "policy_id": self.stored.id, "reason": self.reason}


def case_of(found: World, name: str, rule: Mapping[str, Any]) -> Case:
    """Stores the policy."""
    return Case(found, found.store(name, rule), rule, found.matching(rule))


def bench(on: Ground) -> Iterator[Row]:
    """Both engines: 1 % match beside all three, 20 % beside the statement by hand, with the big sizes of a million chats."""
    for engine in ENGINES:
        yield from _daily(case_of(world(on, engine), "daily", deck.DAILY), engine)
    for engine in ENGINES:
        size = MILLION if on.large else MILLION // 10
        yield from _first(case_of(world(on, engine, size), "first", deck.FIRST), engine)


def _daily(each: Case, engine: str) -> Iterator[Row]:
    found, size = each.world, each.world.size
    expect(len(each.wanted), size // 100, "matches")
    sample = [{**card, "id": place} for place, card in enumerate(found.cards)] * (SAMPLE // deck.SIZE)
    custodian = rivals.Custodian(each.rule)

    def by_loop() -> float:
        with found.context.sessions.begin() as session:
            run_id = each.start(session)
        with found.context.sessions.begin() as session:
            work = partial(rivals.loop, session, each.rule, each.run(run_id), most=SAMPLE)
            spent = seconds(lambda: expect(work(), SAMPLE // 100, "jobs of the loop"))
        return spent * size / SAMPLE

    def by_custodian() -> float:
        chats = [dict(chat) for chat in sample]
        return seconds(lambda: expect(len(custodian.run(chats)), SAMPLE // 100, "passed")) * size / SAMPLE

    product, hand, loop, c7n = medians(
        lambda: each.timed(each.by_product),
        lambda: each.timed(each.by_hand),
        by_loop,
        by_custodian,
        between=found.forget,
    )
    found.forget()
    name = each.stored.policy.name
    whole = seconds(lambda: evaluate.run(found.context, name, trigger="manual", slot=deck.NOW, now=deck.NOW))
    each.queued()
    counted = f"{len(each.wanted):,} jobs of {size:,} chats, those of the oracle"
    what = f"evaluate {size:,} chats, 1 % match, {engine}"
    yield Row(
        what,
        "≤ 2 × a hand-written INSERT … SELECT",
        product / hand,
        2,
        ms(product),
        ms(hand),
        counted,
        note=f"candidates chosen and jobs inserted; a whole run, with funnel, brakes and audit, once: {ms(whole)}",
    )
    scaled = f"measured on {SAMPLE:,} chats and scaled"
    yield Row(
        what, "≥ 100 × faster than an ORM loop", loop / product, 100, ms(product), ms(loop), counted,
        at_least=True, note=f"the loop {scaled}; the statement by hand is {loop / hand:,.0f} × faster",
    )  # fmt: skip
    yield Row(
        what, "≥ 20 × faster than Cloud Custodian's filters", c7n / product, 20, ms(product), ms(c7n), counted,
        at_least=True,
        note=f"its filters alone, over dicts with datetimes, {scaled}; the statement by hand is {c7n / hand:,.0f} × faster",
    )  # fmt: skip


def _first(each: Case, engine: str) -> Iterator[Row]:
    size = each.world.size
    expect(len(each.wanted), size // 5, "matches")
    product, hand = medians(
        lambda: each.timed(each.by_product), lambda: each.timed(each.by_hand), between=each.world.forget
    )
    yield Row(
        f"evaluate {size:,} chats, 20 % match, {engine}",
        "≤ 3 × a hand-written INSERT … SELECT",
        product / hand,
        3,
        ms(product),
        ms(hand),
        f"{len(each.wanted):,} jobs of {size:,} chats, those of the oracle",
    )
