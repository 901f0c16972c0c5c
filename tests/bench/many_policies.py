"""A hundred policies: evaluating all of them beside one, and explaining one chat against all of them."""

from collections.abc import Iterator
from statistics import mean

from sqlalchemy import func, select

from bench import deck
from bench.ground import ENGINES, Ground
from bench.measuring import Row, expect, medians, ms, resident, seconds
from bench.world import MILLION, World, world
from chat_hygiene.pipeline import evaluate, explain
from chat_hygiene.store import policies
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import chats, jobs
from integration.policies import oracle

AGENTS, TEAMS = range(1, 21), range(1, 6)
LOOK = 0.05
"""Seconds that somebody waits for an explanation without noticing."""


def bench(on: Ground) -> Iterator[Row]:
    """Both engines: explaining one of a million chats; evaluating as many only with the big sizes, which takes minutes."""
    for engine in ENGINES:
        found = world(on, engine)
        yield from _explaining(found, engine, _stored(found))
        if not on.large:
            found = world(on, engine, MILLION // 10)
            _stored(found)
        twin = world(on, engine, found.size, number=2)
        _stored(twin)
        yield from _evaluating(found, twin, engine)


def _stored(found: World) -> dict[str, dict[str, object]]:
    rules = {f"agent-{agent}-team-{team}": _rule(agent, team) for agent in AGENTS for team in TEAMS}
    for name, rule in rules.items():
        found.store(name, rule)
    return rules


def _rule(agent: int, team: int) -> dict[str, object]:
    """Each agent in each team has a policy of its own, so that all together match what the first run matches."""
    when = deck.FIRST["when"] | {"agent": f"agent-{agent}", "department": f"team-{team}"}
    return {**deck.FIRST, "when": when}


def _evaluating(found: World, twin: World, engine: str) -> Iterator[Row]:
    with reading(found.context.sessions) as session:
        names = [each.policy.name for each in policies.load(session)]
    expect(len(names), len(AGENTS) * len(TEAMS), "policies")
    everyone = len(found.matching(deck.FIRST))
    held, queued = [], []

    def evaluated(where: World, name: str) -> int:
        report = evaluate.run(where.context, name, trigger="manual", slot=deck.NOW, now=deck.NOW)
        held.append(resident("self"))
        return report.queued

    def among(name: str) -> float:
        return seconds(lambda: queued.append(evaluated(found, name)))

    def alone(name: str) -> float:
        """What the one before cost where it is the only one, and queues as much."""
        twin.forget()
        return seconds(lambda: expect(evaluated(twin, name), queued[-1], "queued by one alone"))

    among(names[0])
    alone(names[0])
    found.forget()
    held.clear()
    queued.clear()
    # In turns, each of all and the same in a world of its own: a machine is not equally fast for minutes, and a server reads a
    # world a quarter faster when it has just been in another.
    turns = [(among(name), alone(name)) for name in names]
    every, single = sum(spent for spent, _ in turns), mean(spent for _, spent in turns)
    expect(sum(queued), everyone, "queued by all")
    first, last = held[0], max(held)
    with reading(found.context.sessions) as session:
        expect(session.scalar(select(func.count()).select_from(jobs)), everyone, "jobs")
    counted = f"{len(names)} policies, {everyone:,} jobs of {found.size:,} chats, as the oracle says"
    what = f"{len(names)} policies over {found.size:,} chats, {engine}"
    yield Row(
        f"evaluate {what}",
        f"≤ {len(names)} × one",
        every / single,
        len(names),
        ms(every),
        ms(single),
        counted,
        note="whole runs; all of them one after another, and after each the same once more, in a world where none has run",
    )
    yield Row(
        f"memory of the process, {what}",
        "≤ 20 MiB more than after the first",
        last / first,
        (first + 20) / first,
        f"{last:,.0f} MiB at most",
        f"{first:,.0f} MiB",
        counted,
    )


def _explaining(found: World, engine: str, rules: dict[str, dict[str, object]]) -> Iterator[Row]:
    matched = found.matching(_rule(1, 1))[-1]
    neither = next(number for number, card in enumerate(found.cards, 1) if card["status"] == "active")
    yield _explained(found, engine, rules, neither, "that none matches")
    judged = (
        "no limit of its policy can bind here; where one can, what it wants is counted as far as that matters"
    )
    yield _explained(found, engine, rules, matched, "that one matches and has not queued", judged)
    evaluate.run(found.context, "agent-1-team-1", trigger="manual", slot=deck.NOW, now=deck.NOW)
    yield _explained(found, engine, rules, matched, "that one has queued")
    found.forget()


def _explained(
    found: World, engine: str, rules: dict[str, dict[str, object]], chat_id: int, what: str, note: str = ""
) -> Row:
    settings, sessions = found.context.settings, found.context.sessions
    row = select(chats).where(chats.c.id == chat_id)
    with reading(sessions) as session:
        ref = session.execute(row).mappings().one()["chat_ref"]
    reports: list[explain.Report] = []

    def product() -> float:
        with reading(sessions) as session:
            return seconds(lambda: reports.extend(explain.run(session, [ref], settings, now=deck.NOW)))

    def look() -> float:
        with reading(sessions) as session:
            return seconds(lambda: expect(len(session.execute(row).all()), 1, "chats of that id"))

    spent, bare = medians(product, look)
    card = {"wid": None, "chat_ref": ref, **found.cards[(chat_id - 1) % deck.SIZE]}
    wanted = {
        name for name, rule in rules.items() if oracle.matches(rule, [], card, deck.NOW, deck.MIN_AGE, {})
    }
    for report in reports:
        said = {each.stored.policy.name for each in report.policies if each.matches}
        expect((len(report.policies), said), (len(rules), wanted), "what is said of the chat")
    return Row(
        f"explain a chat {what} against {len(rules)} policies, {found.size:,} chats, {engine}",
        f"≤ {LOOK * 1000:.0f} ms (1 × is that)",
        spent / LOOK,
        1,
        ms(spent),
        f"{ms(bare)} for its row by its id",
        f"{len(rules)} policies, each as the oracle says; matched by {len(wanted)}",
        note=note,
    )
