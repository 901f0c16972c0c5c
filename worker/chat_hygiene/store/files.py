"""Files that nothing may be lost of: written whole under another name, then put in place."""

import os
import secrets
from pathlib import Path


def write_new(file: Path, data: bytes) -> bool:
    """Writes a file that only its owner may read, and keeps it through a power cut; False when there is one already.

    Of two processes that write at once the first wins, and neither ever reads half a file. Raises OSError.
    """
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, file)
        except FileExistsError:
            return False
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        draft.unlink()
    return True
