"""What a policy does not say, the installation's settings say."""

from datetime import timedelta

import pytest

from chat_hygiene.pipeline.house import canary_of, catch_up_of
from chat_hygiene.settings import load_settings
from unit.policies.documents import one

ONE = "when: {unread: true}"


@pytest.mark.parametrize(
    ("written", "setting", "size"),
    [
        ("", 25, 25),
        ("", "off", None),
        ("\n    limits: {canary: 3}", "off", 3),
        ("\n    limits: {canary: off}", 25, None),
    ],
)
def test_a_canary_that_a_policy_does_not_write_is_the_installations(written, setting, size):
    settings = load_settings(_env_file=None, canary_chats=setting)
    assert canary_of(one(ONE + written), settings) == size, f"{written!r} with CANARY_CHATS {setting}"


def test_a_catch_up_window_that_a_policy_does_not_write_is_the_installations():
    settings = load_settings(_env_file=None, catch_up_seconds=7200)
    assert catch_up_of(one(ONE), settings) == timedelta(hours=2)
    assert catch_up_of(one(f"{ONE}\n    catch_up: 36h"), settings) == timedelta(hours=36)
