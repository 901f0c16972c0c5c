"""The command `chat-hygiene`: one file per noun. Verbs parse, ask and print; the wiring does the work."""

from chat_hygiene.cli.app import main

__all__ = ["main"]
