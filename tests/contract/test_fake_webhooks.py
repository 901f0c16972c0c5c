"""The fake keeps webhooks as the service does."""

from datetime import UTC, datetime

import httpx

from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World


def test_a_webhook_needs_a_short_name_a_url_and_events_and_its_url_only_once():
    world = World(now=lambda: datetime(2026, 5, 4, tzinfo=UTC))
    good = {"name": "n" * 30, "url": "https://example.org/a", "events": ["chat:update"]}
    bad = [{"name": "n" * 31}, {"name": ""}, {"url": None}, {"events": []}, {"events": [7]}]
    with serve(world) as server, httpx.Client(headers={"Token": "fake-token"}, trust_env=False) as browser:
        where = f"{server.url}/webhooks"
        for body in (*(good | each for each in bad), [good], None):
            assert browser.post(where, json=body).status_code == 400
        assert [browser.post(where, json=good).status_code for _ in range(2)] == [201, 409]
        assert browser.get(where).json() == world.webhooks
    assert [webhook["url"] for webhook in world.webhooks] == ["https://example.org/a"]
