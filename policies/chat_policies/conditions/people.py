"""Conditions on whose chat it is: the ids of agents and departments, exact."""

from chat_policies.conditions.base import Text
from chat_policies.conditions.choices import Choice


class Agent(Choice[Text]):
    """Assigned to one of these agents."""

    facts = ("agent",)
    phrase = "agent"


class Department(Choice[Text]):
    """Assigned to one of these departments."""

    facts = ("department",)
    phrase = "department"
