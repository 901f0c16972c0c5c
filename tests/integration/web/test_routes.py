"""Every route answers its own methods, and whatever it answers is nothing a browser would run or a stranger could use."""

from itertools import product

import pytest

from chat_hygiene.store import heartbeats
from chat_hygiene.wiring.health import SILENCE
from support.site import TOKEN
from support.world import NOW

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READ = {"GET": 200, "HEAD": 200}
TABLE = {
    "/healthz": READ,
    "/readyz": {"GET": 503, "HEAD": 503},
    "/metrics": READ,
    f"/webhooks/{TOKEN}": {"POST": 400},
    "/webhooks/wrong": {"POST": 404},
}
UNKNOWN = (
    "/healthz/",
    "/webhooks",
    "/webhooks/",
    f"/webhooks/{TOKEN}/",
    "/docs",
    "/static/x",
    "/%2e%2e/etc",
    "/leaving/",
)


@pytest.mark.parametrize("path", TABLE)
def test_each_route_takes_its_own_methods_only(site, path):
    found = {method: site.client.request(method, path).status_code for method in METHODS}
    assert found == dict.fromkeys(METHODS, 405) | TABLE[path]
    allowed = site.client.request("DELETE", path).headers["allow"]
    assert set(allowed.split(", ")) == set(TABLE[path])


def test_unknown_paths_are_not_found(site):
    for path in UNKNOWN:
        found = {method: site.client.request(method, path).status_code for method in METHODS}
        assert found == dict.fromkeys(METHODS, 404), path


def test_a_wrong_token_looks_like_any_unknown_path(site):
    unknown = site.post(b"{}", "/nowhere")
    for path in ("/webhooks/wrong", f"/webhooks/{TOKEN[:-1]}", f"/webhooks/{TOKEN}x", f"/webhooks/{TOKEN.upper()}",
                 "/webhooks/%ff%00", "/webhooks/☎"):  # fmt: skip
        given = site.post(b"{}", path)
        assert (given.status_code, given.content) == (404, unknown.content)
        assert {**given.headers, "date": ""} == {**unknown.headers, "date": ""}


@pytest.mark.parametrize("more", [{"webhook_token": None}])
def test_without_a_token_there_is_no_endpoint(site):
    for method in METHODS:
        assert site.client.request(method, f"/webhooks/{TOKEN}").status_code == 404


def test_every_answer_has_the_headers_and_names_no_server(site):
    for method, path in product(("GET", "POST"), (*TABLE, "/nowhere")):
        headers = site.client.request(method, path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert not {"server", "x-powered-by"} & set(headers)


def test_the_process_lives_though_nothing_works_and_is_ready_only_when_all_of_it_does(site, world):
    lives = site.get("/healthz")
    assert (lives.status_code, lives.json()["ok"]) == (200, False)
    with world.begin() as session:
        for part in SILENCE:
            heartbeats.beat(session, part, now=NOW)
    ready = site.get("/readyz")
    assert (ready.status_code, ready.json()["ok"]) == (200, True)
    parts = {part["name"]: part for part in ready.json()["parts"]}
    assert parts["delete"] == {"name": "delete", "ok": True, "says": "works", "age_seconds": 0.0}


def test_nothing_that_is_shown_holds_a_name_a_number_or_a_reason(site):
    shown = "".join(site.get(path).text for path in ("/healthz", "/readyz", "/metrics"))
    assert not any(word in shown for word in ("447362053576", "Ada", "Lovelace", "chat_5", "Support", "ana"))
