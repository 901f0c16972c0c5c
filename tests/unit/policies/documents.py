"""Short ways to write and read policy documents in tests."""

from pathlib import Path

import pytest

from chat_policies import DocumentError, load

EXAMPLES = Path(__file__).parents[3] / "policies" / "examples"
BAD = Path(__file__).parent / "bad"

HEAD = 'version: 1\ndefaults: {schedule: "0 3 * * *"}\npolicies:\n'


def one(text):
    """The only policy of a document whose policy has these lines."""
    (policy,) = load(f"{HEAD}  - name: p\n    {text}\n".encode(), "test.yaml")
    return policy


def problems(data):
    """The problems of a document that must be refused."""
    with pytest.raises(DocumentError) as refused:
        load(data if isinstance(data, bytes) else data.encode(), "test.yaml")
    return refused.value.problems
