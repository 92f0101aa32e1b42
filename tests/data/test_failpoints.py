"""Points at which a test can make the world fail."""

import os
import signal
import subprocess
import sys
import time

import pytest

from data import failpoints


def test_nothing_happens_unless_it_was_asked_for_at_this_very_point(monkeypatch):
    failpoints.hit("handoff.appended")
    monkeypatch.setattr(failpoints, "ARMED", failpoints.parse("handoff.begun=error,handoff.synced=delay:0.05"))
    failpoints.hit("handoff.appended")
    with pytest.raises(OSError, match="Input/output error"):
        failpoints.hit("handoff.begun")
    begun = time.monotonic()
    failpoints.hit("handoff.synced")
    assert time.monotonic() - begun >= 0.05


def test_the_environment_arms_them_and_exit_is_a_kill():
    program = "from data import failpoints; failpoints.hit('handoff.begun')"
    armed = {**os.environ, "ROLLCAST_FAILPOINTS": "handoff.begun=exit"}
    assert subprocess.run([sys.executable, "-c", program], env=armed, check=False).returncode == -signal.SIGKILL
