import pytest

from chat_policies import load
from unit.policies.documents import one

PHONE = "34600111222"


def test_a_rule_reads_as_one_line():
    policy = one(
        "when: {resolved_for: 30d, no_inbound_for: 30d}\n    unless: {labels: [vip, legal], unread: true}"
    )
    assert policy.words() == (
        "resolved for 30 d or more and no message from the customer for 30 d or more,"
        " unless labelled vip or legal, or unread"
    )


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("{inactive_for: 12h}", "no message either way for 12 h or more"),
        (
            "{older_than: 2w, no_outbound_for: 1d}",
            "no message from us for 1 d or more and first message 14 d or more ago",
        ),
        ("{status: [pending, active], unread: false}", "status pending or active, and not unread"),
        (
            "{labels: {any: [a, b], all: [c], none: [d]}}",
            "labelled a or b, and labelled c, and not labelled d",
        ),
        ("{any: [{kind: group, pinned: true}, {muted: false}]}", "any of (kind group and pinned; not muted)"),
        ("{not: {locked: true, waiting_for_us: true}}", "not (locked and waiting for our answer)"),
        ("{all: [{archived: true}, {assigned: false}]}", "archived and not assigned to an agent"),
        ("{agent: a1, department: [d1, d2]}", "agent a1, and department d1 or d2"),
        (
            "{whatsapp_status: removed, waiting_for_us: false}",
            "not waiting for our answer and status in WhatsApp removed",
        ),
        ("{chat: [chat_a, b@c.us]}", "one of 2 named chats"),
    ],
)
def test_each_condition_has_its_words(when, told):
    assert one(f"when: {when}").words() == told


@pytest.mark.parametrize(
    "when",
    [
        f'{{labels: ["{PHONE}"]}}',
        '{labels: ["+34 600 111-222"]}',
        f'{{agent: "{PHONE}"}}',
        f'{{chat: ["{PHONE}@c.us"]}}',
        f'{{any: [{{department: "x{PHONE}"}}, {{not: {{labels: {{none: ["{PHONE}"]}}}}}}]}}',
    ],
)
def test_words_never_show_a_phone_number(when):
    shown = one(f"when: {when}").words()
    assert sum(char.isdigit() for char in shown) < 7


def test_numbers_that_are_no_phone_numbers_stay():
    (policy,) = load(
        b'version: 1\npolicies: [{name: p, action: keep, when: {labels: ["2024", "case 12-34"]}}]',
        "test.yaml",
    )
    assert policy.words() == "labelled 2024 or case 12-34"
