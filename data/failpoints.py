"""Named points in the code at which a test can make the world fail; in production a point costs one look at a dict.

    ROLLCAST_FAILPOINTS="handoff.appended=exit,handoff.synced=delay:0.5"

`exit` kills the process as SIGKILL does, `error` is a disk that refuses, `delay:S` waits S seconds.
"""

import errno
import os
import signal
import time


def parse(text: str) -> dict[str, str]:
    """What is to happen at which point."""
    return dict(pair.split("=", 1) for pair in text.split(",") if pair)


ARMED = parse(os.environ.get("ROLLCAST_FAILPOINTS", ""))


def hit(point: str) -> None:
    """Fail here, if a test asked for it."""
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
