"""A stored policy that this program cannot read, because a newer one stored it: it is named, and everything else goes on."""

import pytest

from chat_hygiene import wiring
from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.wiring import planning
from integration.pipeline.changing import KEEP, apply, documents, effects, old, states, turn
from integration.pipeline.deciding import foreseen, run
from support.timetable import DAY

ODD = "  - {name: odd, schedule: '0 3 * * *', when: {inactive_for: 90d}}\n"


@pytest.fixture
def spoilt(table):
    """A chat, the policy that deletes it, and another one that cannot be read."""
    table.number()
    table.chat(1)
    apply(table, documents(old(), ODD))
    table.spoil("odd", nonsense=1)
    return table


def look(table, call, *args, **more):
    with table.context() as context:
        return call(wiring.Ledger(context), *args, **more)


def test_it_is_named_and_the_others_are_seen_and_run(spoilt):
    (told,) = look(spoilt, wiring.unreadable)
    assert (told.policy, told.keeps) == ("odd", False)
    assert "odd, version 2, was stored by a newer program" in str(told)
    assert [each.policy.name for each, _ in look(spoilt, wiring.policies)] == ["old"]
    table = look(spoilt, planning.timetable, [], now=spoilt.now, until=spoilt.now + DAY)
    assert [each.stored.policy.name for each in table.planned] == ["old"]
    assert foreseen(spoilt) == "first"
    assert run(spoilt).queued == 1
    for call in (wiring.policies, wiring.to_run):
        with pytest.raises(UnreadablePolicyError, match="odd, version 2"):
            look(spoilt, call, ["odd"])


def test_a_file_that_lacks_it_leaves_it_and_one_that_names_it_says_it_anew(spoilt):
    turn(spoilt, "pause", "odd")
    with pytest.raises(UnreadablePolicyError, match="odd"):
        turn(spoilt, "resume", "odd")
    assert [change.what for change, _ in apply(spoilt, documents(old("31d")), prune=True)] == ["changed"]
    ((change, version),) = apply(spoilt, documents(ODD, old("31d")))[:1]
    assert (change.what, change.from_version, change.before, version) == ("changed", 2, None, 3)
    ((stored, _),) = look(spoilt, wiring.policies, ["odd"])
    assert (stored.state, stored.version) == ("paused", 3), "nobody resumed it"


def test_while_a_keep_policy_cannot_be_read_nothing_is_queued_and_nothing_stored_but_what_says_it_anew(table):
    table.number()
    table.chat(1)
    table.chat(2, labels=["vip"])
    apply(table, documents(old(), KEEP))
    table.spoil("keep-vip", nonsense=1)
    with pytest.raises(UnreadablePolicyError, match=r"keep-vip.*nothing may be deleted"):
        run(table)
    with pytest.raises(UnreadablePolicyError, match="keep-vip"):
        effects(table, documents(old("31d")))
    _, told = effects(table, documents(old("31d"), KEEP))
    assert told["old"].reach.extra == told["old"].reach.matches == 1, (
        "nothing is deleted by what is stored now"
    )
    apply(table, documents(old("31d"), KEEP))
    assert run(table).queued == 1
    assert states(table) == ["queued"]
