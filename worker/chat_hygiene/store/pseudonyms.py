"""How a chat appears where no phone number may: a keyed pseudonym, a masked hint, and text with its numbers masked."""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from chat_policies.messages import LONG_NUMBER

PREFIX = "chat_"
"""What every pseudonym begins with, and no number."""

# No pseudonym is made over it: those are made over JSON.
_PRINT = b"the print of a pseudonym key"
# Letters only: a pseudonym never holds what looks like a number.
_LETTERS = bytes.maketrans(b"0123456789", b"ghijklmnop")

# Country codes of E.164: 1 and 7, those of two digits, and every other one has three.
_COUNTRY_CODE = "[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}"
_NUMBER = re.compile(rf"(?=({_COUNTRY_CODE}))[1-9][0-9]{{5,12}}([0-9]{{2}})@(?:c\.us|s\.whatsapp\.net)")
_KINDS = {"g.us": "group", "lid": "private", "newsletter": "channel", "broadcast": "broadcast"}


class Pseudonyms:
    """Keyed pseudonyms of chats: the same chat has the same one, and without a key nobody can tell whose it is.

    Args:
        keys: id to key; the first one writes, all of them look up.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys, self._ids = dict(keys), tuple(keys)

    def ref(self, provider: str, device: str, wid: str) -> tuple[str, str]:
        """The pseudonym to store, and the id of the key that made it."""
        return self.chosen(self.refs(provider, device, wid))

    def chosen(self, refs: Sequence[str], *, named: Collection[str] = ()) -> tuple[str, str]:
        """The same of a chat's `refs`; one of `named`, if an older key made that."""
        which = next((place for place, ref in enumerate(refs) if ref in named), 0) if named else 0
        return refs[which], self.ids[which]

    def refs(self, provider: str, device: str, wid: str) -> list[str]:
        """The pseudonyms under which the chat may be stored, the current one first."""
        return [_ref(key, provider, device, wid) for key in self._keys.values()]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys; the first one's key writes."""
        return self._ids

    def prints(self) -> dict[str, str]:
        """Key id to a mark that only this key makes: whether a key is the one it was, and nothing else, can be told by it."""
        return {
            key_id: hmac.digest(key, _PRINT, hashlib.sha256).hex()[:32] for key_id, key in self._keys.items()
        }


def hint(wid: str) -> str:
    """A chat id that a person may recognise and nobody can call: `+44 ··· 76`, `group ··· 12`."""
    if match := _NUMBER.fullmatch(wid):
        return f"+{match[1]} ··· {match[2]}"
    name, _, server = wid.partition("@")
    digits = [character for character in name if character.isdecimal()]
    tail = f" ··· {''.join(digits[-2:])}" if len(digits) > 2 else ""
    return f"{_KINDS.get(server, 'chat')}{tail}"


def number(wid: str) -> str:
    """A chat id as a person would dial it, `+447362053576`; of a chat that is not one person's, its id."""
    return f"+{wid.partition('@')[0]}" if _NUMBER.fullmatch(wid) else wid


def mask_numbers(text: str) -> str:
    """`text` with everything that looks like a phone number cut to its last two digits."""
    return LONG_NUMBER.sub(_last_two, text)


def _ref(key: bytes, provider: str, device: str, wid: str) -> str:
    digest = _begun(key, provider, device).copy()
    digest.update(f"{json.dumps(wid)}]".encode())
    return PREFIX + digest.digest()[:16].hex().encode().translate(_LETTERS).decode()


@lru_cache(maxsize=256)
def _begun(key: bytes, provider: str, device: str) -> hmac.HMAC:
    """The digest of the JSON list of a chat's three names, up to the chat's: a listing makes a great many of them."""
    return hmac.new(key, f"[{json.dumps(provider)}, {json.dumps(device)}, ".encode(), hashlib.sha256)


def _last_two(match: re.Match[str]) -> str:
    digits = [character for character in match[0] if character.isdecimal()]
    return f"··· {digits[-2]}{digits[-1]}"
