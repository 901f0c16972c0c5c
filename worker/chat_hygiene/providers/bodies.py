"""The body of an answer, unpacked as it comes in."""

import zlib
from collections.abc import AsyncIterable

MAX_BODY = 16 * 1024 * 1024


async def read(stream: AsyncIterable[bytes], packing: str) -> tuple[bytes, str]:
    """The body, unpacked, and what is wrong with it. Never holds more than the cap, whatever a server packs."""
    packing = packing.strip().lower()
    if packing not in {"identity", "gzip"}:
        return b"", "is packed in a way that was not asked for"
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if packing == "gzip" else None
    body, received = bytearray(), 0
    async for chunk in stream:
        received += len(chunk)
        try:
            body += unpacker.decompress(chunk, MAX_BODY + 1 - len(body)) if unpacker else chunk
        except zlib.error:
            return b"", "is not the gzip it claims to be"
        if max(received, len(body)) > MAX_BODY:
            return b"", f"is larger than {MAX_BODY // 1024**2} MiB"
    if unpacker and received and not unpacker.eof:
        return b"", "is not the gzip it claims to be"
    return bytes(body), ""
