"""The conditions a policy may use. The table is the whole register: a new condition is one file and one line here."""

from chat_policies.conditions.age import InactiveFor, NoInboundFor, NoOutboundFor, OlderThan
from chat_policies.conditions.base import Condition
from chat_policies.conditions.chat import Chat
from chat_policies.conditions.choices import Kind, Status, WhatsappStatus
from chat_policies.conditions.flags import Archived, Assigned, Locked, Muted, Pinned, Unread
from chat_policies.conditions.labels import Labels
from chat_policies.conditions.people import Agent, Department
from chat_policies.conditions.resolved_for import ResolvedFor
from chat_policies.conditions.waiting_for_us import WaitingForUs

CONDITIONS: dict[str, type[Condition]] = {
    "status": Status,
    "resolved_for": ResolvedFor,
    "inactive_for": InactiveFor,
    "no_inbound_for": NoInboundFor,
    "no_outbound_for": NoOutboundFor,
    "older_than": OlderThan,
    "kind": Kind,
    "labels": Labels,
    "unread": Unread,
    "pinned": Pinned,
    "muted": Muted,
    "archived": Archived,
    "locked": Locked,
    "assigned": Assigned,
    "agent": Agent,
    "department": Department,
    "waiting_for_us": WaitingForUs,
    "whatsapp_status": WhatsappStatus,
    "chat": Chat,
}
"""By the name a document uses, in the order in which words and clauses list them."""

__all__ = ["CONDITIONS", "Condition"]
