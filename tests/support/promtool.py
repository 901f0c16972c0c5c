"""Prometheus's own checks, where they are installed."""

import shutil
import subprocess

import pytest


def promtool(*words: str, stdin: str = "", cwd: object = None) -> None:
    """Fails with what promtool says; skips, and the summary says so, where it is not installed."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip(
            f"NOT CHECKED by promtool {' '.join(words)}: it is not on PATH (Debian: the package prometheus)"
        )
    done = subprocess.run([found, *words], input=stdin, cwd=cwd, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, ""), f"{done.stdout}\n{done.stderr}"
