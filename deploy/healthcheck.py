"""Whether a container does its work: `healthcheck.py FILE SECONDS` or `healthcheck.py URL`. Exit 0: yes, 1: no.

FILE is one that every executed task touches (HEARTBEAT_FILE), so a process that is up but stuck is found out. It runs
every few seconds in each container: only the standard library, nothing of the service is imported.
"""

# ruff: noqa: INP001 - a script that is copied into the image alone
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

WAIT = 8
"""Seconds for an answer."""


def file(path: str, seconds: str) -> str:
    """What is wrong with the file; empty when it was touched less than `seconds` ago."""
    try:
        # A clock that was set back leaves a time in the future: just as far away is just as bad.
        age = abs(time.time() - Path(path).stat().st_mtime)
    except OSError as error:
        return f"{path}: {error.strerror}: nothing was executed yet"
    return "" if age < float(seconds) else f"{path}: nothing was executed for {age:.0f} s"


def url(address: str) -> str:
    """What is wrong with the answer; empty when it is 200."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address, timeout=WAIT) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        return f"{address}: {error}"
    return "" if status == 200 else f"{address}: answered {status}"


if __name__ == "__main__":
    wrong = file(*sys.argv[1:]) if len(sys.argv) == 3 else url(sys.argv[1])
    sys.exit(wrong or 0)  # a text goes to stderr, and means 1
