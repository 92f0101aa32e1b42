"""Named points in the code at which a test injects a failure; in production a point costs one look-up in a dict.

    ROLLCAST_FAILPOINTS="handoff.appended=exit,handoff.synced=delay:0.5"

`exit` kills the process with SIGKILL, `error` raises the OSError of a failing disk, `delay:S` waits S seconds.
"""

import errno
import os
import signal
import time


def parse(text: str) -> dict[str, str]:
    """The action of each point, from the text of ROLLCAST_FAILPOINTS."""
    return dict(pair.split("=", 1) for pair in text.split(",") if pair)


ARMED = parse(os.environ.get("ROLLCAST_FAILPOINTS", ""))


def hit(point: str) -> None:
    """Run the action of this point, if a test set one."""
    if ARMED and point in ARMED:
        _act(ARMED[point])


def _act(action: str) -> None:
    kind, _, seconds = action.partition(":")
    if kind == "exit":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "delay":
        time.sleep(float(seconds))
    else:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
