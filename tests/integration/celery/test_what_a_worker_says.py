"""A worker and a beat speak in lines of JSON on stderr, and in nothing else."""

import pytest

from support.command import COMMAND
from support.processes import ON_POSTGRESQL, until


@ON_POSTGRESQL
@pytest.mark.parametrize("verb", ["worker", "beat"])
def test_its_log_is_all_that_it_says(deployment, tmp_path, verb):
    process = deployment.start(str(COMMAND), verb)
    until(lambda: f"{verb} is ready" in process.said(), "it starts", process)
    assert all(event["event"] for event in process.events())
    assert [file.read_text() for file in (tmp_path / "processes").glob("*.out")] == [""]
