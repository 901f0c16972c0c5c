"""Says what went wrong: one clear message, what to do about it, and the exit code. Never a secret, never a number."""

import traceback

from chat_hygiene.cli.output import Output
from chat_hygiene.core.errors import Exit, HygieneError


def show(error: Exception, *, as_json: bool) -> Exit:
    """Prints the error on stderr, with `--json` also as a document on stdout; returns the code to exit with."""
    code, messages, fix = _explain(error)
    output = Output(as_json=as_json)
    for message in messages:
        output.failed(message)
    if code is Exit.UNEXPECTED:
        # Where it happened, without the values: one could be a token, a number or a name.
        for frame in traceback.extract_tb(error.__traceback__):
            output.say(f"    {frame.filename}:{frame.lineno} in {frame.name}")
    if fix:
        output.say(f"  → {fix}")
    if as_json:
        output.document("error", code=code, messages=messages, fix=fix or None)
    return code


def _explain(error: Exception) -> tuple[Exit, list[str], str]:
    if isinstance(error, HygieneError):
        return error.exit_code, [str(error)], error.fix
    # Imported when something failed: they would slow down every call that goes well.
    from chat_hygiene.settings import SettingsError
    from chat_policies import DocumentError, UnknownDeviceError

    if isinstance(error, SettingsError):
        return Exit.INVALID, error.problems, "correct it in the environment or in .env"
    if isinstance(error, DocumentError):
        return Exit.INVALID, [error.render()], ""
    if isinstance(error, UnknownDeviceError):
        return (
            Exit.INVALID,
            [str(error)],
            "correct it, or run chat-hygiene sync: a new number is known after it",
        )
    # Only the kind of error: its text may quote what it was working on.
    return (
        Exit.UNEXPECTED,
        [f"unexpected {type(error).__name__}"],
        "this is a bug: please report the lines above",
    )
