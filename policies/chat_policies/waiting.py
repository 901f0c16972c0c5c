"""How long a chat must have been quiet, at the least, before a policy deletes it."""

from datetime import timedelta

from chat_policies.conditions import Condition
from chat_policies.conditions.age import Age, OlderThan
from chat_policies.policy import Policy
from chat_policies.rules import AllOf, AnyOf


def shortest_wait(policy: Policy, min_age: timedelta) -> timedelta:
    """The shortest silence after which a delete policy can delete a chat: its `when` or the age floor, then its grace."""
    return max(_shortest(AllOf(tuple(policy.when.members().values()))), min_age) + policy.grace


def _shortest(condition: Condition) -> timedelta:
    if isinstance(condition, AllOf):
        return max(_shortest(member) for member in condition.members)
    if isinstance(condition, AnyOf):
        return min(_shortest(member) for member in condition.members)
    # The age of a first message does not begin anew with the silence: it may be reached already.
    return (
        condition.root
        if isinstance(condition, Age) and not isinstance(condition, OlderThan)
        else timedelta(0)
    )
