"""One line per outcome, with the ids of job, run, policy and device; no name, no chat id."""

import io
import json
import logging

import pytest
import structlog

from chat_hygiene import logs
from chat_hygiene.store.pseudonyms import mask_numbers


@pytest.fixture
def lines():
    root, ours = logging.getLogger(), logging.getLogger("chat_hygiene")
    before = root.handlers[:], root.level, ours.level
    stream = io.StringIO()
    logs.configure(secrets=[], mask=mask_numbers, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:], root.level, ours.level = before


def test_an_outcome_is_one_line_that_names_the_job_and_nobody(rig, lines):
    wid = rig.chat(1)
    rig.apply()
    rig.run()
    (told,) = [line for line in lines() if line["event"].startswith("job ")]
    assert told["event"] == "job deleted"
    assert (told["job_id"], told["run_id"], told["policy_id"]) == (1, 1, 1)
    assert told["chat_ref"].startswith("chat_")
    assert told["whatsapp"] == "reported"
    assert wid.split("@")[0] not in json.dumps(told)
    assert "Person" not in json.dumps(told)
