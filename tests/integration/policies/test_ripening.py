from datetime import timedelta
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from chat_policies import Policy, ripening
from integration.policies import oracle
from integration.policies.profiles import cases
from integration.policies.strategies import ATOMS, DEVICES, MIN_AGE, NOW, situations

LONG = timedelta(days=10_000)


def test_between_two_ripening_instants_nothing_turns():
    turned = set()

    def compare(situation, moment):
        policy, keeps, inbox = situation
        rule, others = Policy.from_document(policy), [Policy.from_document(keep) for keep in keeps]
        for chat in inbox:
            turns = sorted(set(chain(*ripening(rule, others, chat, MIN_AGE).values())))

            def match(at, chat=chat):
                return oracle.matches(policy, keeps, chat, at, MIN_AGE, DEVICES)

            before = [turn for turn in turns if turn <= moment]
            last = (
                before[-1] if before else min((NOW - LONG, *(turn - timedelta(seconds=1) for turn in turns)))
            )
            assert match(moment) == match(last), chat
            turned.update(
                after for after in turns if match(after) and not match(after - timedelta(microseconds=1))
            )

    moments = st.timedeltas(-LONG, LONG).map(lambda off: NOW + off)
    for focus in ATOMS:
        cases(6)(given(situations(focus), moments)(compare))()
    assert len(turned) >= 5


def test_a_chat_ripens_at_the_very_second_at_which_it_is_old_enough():
    policy = Policy.from_document({"name": "p", "schedule": "0 3 * * *", "when": {"resolved_for": "30d"}})
    facts = {"status": "resolved", "status_updated_at": NOW, "last_message_at": NOW - timedelta(days=1)}
    assert ripening(policy, [], facts, MIN_AGE) == {
        "scope.age_floor": [NOW - timedelta(days=1), NOW + timedelta(days=6)],
        "when.resolved_for": [NOW, NOW + timedelta(days=30)],
    }


def test_a_chat_of_which_no_time_is_known_does_not_ripen():
    policy = Policy.from_document({"name": "p", "schedule": "0 3 * * *", "when": {"inactive_for": "30d"}})
    assert ripening(policy, [], {"last_message_at": None}, MIN_AGE) == {}
