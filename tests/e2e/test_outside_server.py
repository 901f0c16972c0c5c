"""The whole job against a server that was written from the API's facts alone, judged by an oracle of its own."""

import re
import socket
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from support import inbox
from support.command import environment, run
from support.outside import TOKEN, Outside, serving

VIEWS = [
    *("policies", "runs", "deletions", "deletions_daily", "upcoming", "failures", "debt", "devices", "holds"),
    *("changes", "audit", "health"),
]


@pytest.fixture(params=["404", "listed"])
def world(request):
    outside = Outside(removed=request.param)
    inbox.fill(outside, 240, seed=11)
    with serving(outside):
        yield outside


def test_a_run_deletes_exactly_what_the_policy_says_once_each_read_before_and_after(
    world, database_url, engine, tmp_path
):
    env = environment(database_url, world.url)
    (tmp_path / "policies.yaml").write_text(inbox.POLICIES)
    doomed = inbox.doomed(world)
    assert len(doomed) > 10, "the made-up inbox must have something to delete"

    applied = run(["policy", "apply", "policies.yaml", "--yes"], env, tmp_path)
    assert applied.returncode == 0, applied.stderr
    ran = run(["run", "--yes"], env, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    deletes = world.deletes()
    assert sorted((call.device, call.wid) for call in deletes) == sorted(doomed)
    assert all(call.body == {"whatsapp": True} for call in deletes)
    for call in deletes:
        mine = [each for each in world.calls if each.method == "GET" and each.wid == call.wid]
        assert any(0 <= call.at - each.at <= 10 and each.status == 200 for each in mine), (
            "read within 10 s before"
        )
        assert any(each.at >= call.at for each in mine), "read back after"

    before = len(world.deletes())
    again = run(["run", "--yes"], env, tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(world.deletes()) == before

    shown = applied.stdout + applied.stderr + ran.stdout + ran.stderr + again.stdout + again.stderr
    assert TOKEN not in shown
    _assert_no_numbers(world, shown)
    with engine.connect() as connection:
        for view in VIEWS:
            rows = connection.execute(text(f"select * from report_v1_{view}")).all()
            _assert_no_numbers(world, repr(rows))
        outcomes = connection.execute(
            text("select outcome, count(*) from report_v1_deletions group by 1")
        ).all()
    assert [tuple(row) for row in outcomes] == [("deleted", len(doomed))]
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert TOKEN.encode() not in file.read_bytes(), file.name
    verified = run(["audit", "verify"], env, tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _assert_no_numbers(world, shown):
    digits = re.sub(r"[\s().+-]", "", shown)
    leaked = [wid for chats in world.chats.values() for wid in chats if wid.split("@")[0] in digits]
    assert not leaked, f"full numbers are shown, first of {len(leaked)}: {leaked[0]}"


def test_half_a_request_does_nothing(world):
    """Else a worker that is killed while it sends would look as if it had deleted without the flags it meant to send."""
    device, wid = next((device, wid) for device, chats in world.chats.items() for wid in chats)
    address = urlsplit(world.url)
    head = f"DELETE {address.path}/chat/{device}/chats/{wid} HTTP/1.1\r\nHost: x\r\nToken: {TOKEN}\r\nContent-Length: 17\r\n\r\n"
    with socket.create_connection((address.hostname, address.port)) as line:
        line.sendall(head.encode())
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b"", "it was answered"
    assert not world.calls
    assert world.chats[device][wid]["status"] != "removed"
