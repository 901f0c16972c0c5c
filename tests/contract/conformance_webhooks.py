"""What every provider must do that can call us."""

import pytest

from chat_hygiene.core import errors
from chat_hygiene.providers.fake.faults import Fault
from contract.breakdowns import BREAKDOWNS
from contract.conformance import TOKEN, Stage
from support.told import everything_told

HOOK = "https://public.example.org/webhooks/a-secret-in-a-path-0123456789"


@pytest.mark.anyio
class WebhookConformance:
    """Each test is a promise of `providers.base.Subscriber`."""

    async def test_a_webhook_is_registered_once_and_listed(self, stage: Stage):
        assert await stage.subscriber.webhooks() == []
        await stage.subscriber.register("chat-hygiene", HOOK)
        with pytest.raises(errors.ConflictError):
            await stage.subscriber.register("chat-hygiene again", HOOK)
        (only,) = await stage.subscriber.webhooks()
        assert (only.name, only.url, only.active) == ("chat-hygiene", HOOK, True)
        assert only.events

    @pytest.mark.parametrize(("fault", "expected"), BREAKDOWNS.values(), ids=BREAKDOWNS)
    async def test_every_breakdown_of_a_registration_is_one_of_our_errors_and_shows_no_url(
        self, stage: Stage, fault: Fault, expected: type
    ):
        stage.script(fault)
        with pytest.raises(errors.ProviderError) as caught:
            await stage.subscriber.register("chat-hygiene", HOOK)
        assert type(caught.value) is expected
        assert stage.calls() == 1, "nothing is repeated"
        assert TOKEN not in everything_told(caught.value)
        assert HOOK not in f"{caught.value!s} {caught.value!r} {vars(caught.value)}"
