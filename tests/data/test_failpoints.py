"""Points at which a test can make the world fail."""

import os
import signal
import subprocess
import sys
import time

import pytest

from data import failpoints


def test_a_failpoint_does_nothing_unless_it_is_set(monkeypatch):
    failpoints.hit("handoff.appended")
    monkeypatch.setattr(failpoints, "ARMED", failpoints.parse("handoff.begun=error,handoff.synced=delay:0.05"))
    failpoints.hit("handoff.appended")
    with pytest.raises(OSError, match="Input/output error"):
        failpoints.hit("handoff.begun")
    begun = time.monotonic()
    failpoints.hit("handoff.synced")
    assert time.monotonic() - begun >= 0.05


def test_the_environment_sets_failpoints_and_exit_kills_the_process():
    program = "from data import failpoints; failpoints.hit('handoff.begun')"
    armed = {**os.environ, "ROLLCAST_FAILPOINTS": "handoff.begun=exit"}
    assert subprocess.run([sys.executable, "-c", program], env=armed, check=False).returncode == -signal.SIGKILL
