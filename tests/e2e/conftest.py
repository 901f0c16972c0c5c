"""The command without its imports: one warm process of this test process, forked for each run."""

from collections.abc import Iterator

import pytest

from support.forking import Run, forking


@pytest.fixture(scope="session")
def forked() -> Iterator[Run]:
    with forking() as run:
        yield run
