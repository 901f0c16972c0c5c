"""What goes wrong on the way to any provider, and which of our errors it must become."""

from chat_hygiene.core import errors
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import Fault

BREAKDOWNS: dict[str, tuple[Fault, type[errors.ProviderError]]] = {
    "400": (faults.status(400), errors.RefusedError),
    "401": (faults.status(401), errors.UnauthorizedError),
    "402": (faults.status(402), errors.UnauthorizedError),
    "403": (faults.status(403), errors.UnauthorizedError),
    "404": (faults.status(404), errors.NotFoundError),
    "409": (faults.status(409), errors.ConflictError),
    "410": (faults.status(410), errors.RefusedError),
    "422": (faults.status(422, b"<h1>No</h1>"), errors.RefusedError),
    "429": (faults.rate_limited(), errors.RateLimitedError),
    "500": (faults.status(500, b"<html>oops"), errors.UnknownOutcomeError),
    "502": (faults.status(502), errors.UnknownOutcomeError),
    "503": (faults.status(503), errors.UnknownOutcomeError),
    "504": (faults.status(504), errors.UnknownOutcomeError),
    "redirect": (faults.status(302, headers={"location": "/v1/devices"}), errors.BadAnswerError),
    "not modified": (faults.status(304), errors.BadAnswerError),
    "cut": (faults.cut(), errors.UnknownOutcomeError),
    "reset": (faults.reset(), errors.UnknownOutcomeError),
    "hangs up": (faults.acts_and_hangs_up(), errors.UnknownOutcomeError),
    "huge": (faults.huge(16 * 1024**2 + 1), errors.BadAnswerError),
}
SLOWNESS = {"slow drip": faults.slow_drip(0.05), "late": faults.delay(10)}
BROKEN_JSON = {
    "malformed": faults.malformed(),
    "empty": faults.status(200),
    "no content": faults.status(204),
    "html": faults.status(200, b"<!doctype html><title>Welcome</title>"),
    "wrong shape": faults.status(200, b'"chats"'),
    "null": faults.status(200, b"null"),
    "too deep": faults.status(200, b"[" * 200_000),
    "too many digits": faults.status(200, b"[" + b"9" * 5000 + b"]"),
    "not UTF-8": faults.status(200, b'["\xff\xfe"]'),
    "unknown packing": faults.status(200, b"[]", {"content-encoding": "br"}),
    "false packing": faults.status(200, b"[]", {"content-encoding": "gzip"}),
}
