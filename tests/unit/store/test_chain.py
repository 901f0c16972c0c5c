"""What is hashed of an event: the same bytes for good, whatever somebody put into its row."""

import json
import math

from hypothesis import example, given
from hypothesis import strategies as st

from chat_hygiene.store.chain import encoded

texts = st.text(st.characters(codec=None)) | st.text(st.characters(max_codepoint=0x7F))
values = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary()


def by_the_standard_library(found: list[object]) -> bytes:
    return json.dumps(found, separators=(",", ":"), default=lambda value: {"bytes": value.hex()}).encode()


@given(st.lists(values))
@example(["\x7f"])
@example(['\x00\x1f\b\f\n\r\t"\\/', "é", "\u2028", "😀"])
@example(["\ud800"])
@example([2**63, -(2**63) - 1, 2**64])
@example([math.inf, -math.inf, math.nan, 1e16, -0.0])
@example([True, 1, None, b"\x00"])
def test_every_value_is_written_as_the_standard_library_writes_it(found):
    assert encoded(found) == by_the_standard_library(found)
