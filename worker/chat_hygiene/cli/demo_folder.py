"""What the demo works in: a folder with an `.env` and policies, and the one that `--serve` keeps until `--reset`.

Only a folder that carries the demo's mark is ever removed.
"""

import os
import shutil
from pathlib import Path

from chat_hygiene.core.errors import InvalidInputError, UsageError

KEPT = Path("chat-hygiene-demo")
"""Where `--serve` works, under the working directory."""

LEDGER, POLICIES = "chat-hygiene.db", "policies.yaml"

_MARK = ".made-by-chat-hygiene-demo"
_MARK_TEXT = b"chat-hygiene demo --serve made this folder; chat-hygiene demo --reset removes it with all that is in it.\n"
_ENV = """\
# The fake account of chat-hygiene demo --serve. It answers as long as that command runs.
CHAT_HYGIENE_API_URL={url}
CHAT_HYGIENE_API_TOKEN={token}
CHAT_HYGIENE_DATABASE_URL=sqlite:///{ledger}
# Quick: an account of one's own need not be spared.
CHAT_HYGIENE_REQUESTS_PER_MINUTE=60000
CHAT_HYGIENE_RETRY_BASE_SECONDS=0.1
CHAT_HYGIENE_REFUSAL_CONFIRM_SECONDS=0.5
# The whole job at once. Elsewhere the first run of a policy takes the 10 oldest, and waits until those have ended well.
CHAT_HYGIENE_CANARY_CHATS=off
"""


def keep() -> Path:
    """Makes the folder of `--serve`; returns where it is. Raises UsageError when there is something already."""
    try:
        KEPT.mkdir(mode=0o700)
        (KEPT / _MARK).write_bytes(_MARK_TEXT)
    except FileExistsError:
        if _ours():
            fix = "add --reset to remove first what an earlier demo --serve left there"
        else:
            fix = "the demo did not make it: run the demo in another folder, or rename this one"
        raise UsageError(f"{KEPT} is there already", fix=fix) from None
    except OSError as error:
        raise InvalidInputError(f"{KEPT} cannot be made: {error.strerror}") from None
    return KEPT.resolve()


def remove() -> bool:
    """Removes the folder of `--serve`; False when there was none. Raises UsageError for one that is not the demo's."""
    if not os.path.lexists(KEPT):
        return False
    if not _ours():
        raise UsageError(
            f"{KEPT} was not made by the demo: it is left as it is", fix="rename it, or use another folder"
        )
    try:
        shutil.rmtree(KEPT)
    except OSError as error:
        raise InvalidInputError(f"{KEPT} cannot be removed: {error.strerror}") from None
    return True


def fill(folder: Path, *, url: str, token: str) -> None:
    """Writes `.env`, for the account at this URL, and the policies."""
    (folder / ".env").write_text(_ENV.format(url=url, token=token, ledger=LEDGER), encoding="utf-8")
    example = _examples() / "support-team.yaml"
    policies = example.read_text(encoding="utf-8").replace(example.name, POLICIES)
    (folder / POLICIES).write_text(policies, encoding="utf-8")


def _ours() -> bool:
    # A link is not: it may lead anywhere.
    try:
        return not KEPT.is_symlink() and (KEPT / _MARK).read_bytes() == _MARK_TEXT
    except OSError:
        return False


def _examples() -> Path:
    import chat_hygiene

    package = Path(chat_hygiene.__file__).parent
    installed, checkout = package / "examples", package.parents[1] / "policies" / "examples"
    return installed if installed.is_dir() else checkout
