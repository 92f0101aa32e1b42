"""How a failed command ends: one sentence, an exit code, and a traceback in a file for whoever repairs it."""

from __future__ import annotations

import sys
import traceback

import typer
from typer.exceptions import TyperException

from data import clock
from data.errors import RollcastError
from pipelines.console import say

FAILED, INTERRUPTED = 1, 130


def report(error: BaseException) -> int:
    """Say what went wrong and return the exit code it stands for."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return interrupted()
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # whoever read our output has left: nothing to say, and nobody to say it to
        return FAILED
    if said := sentence(error):
        say(f"rollcast: {said}")
    return exit_code(error)


def interrupted() -> int:
    """Ctrl-C: stores are written in transactions, so there is nothing to clean up."""
    say("rollcast: interrupted; what was finished is stored")
    return INTERRUPTED


def exit_code(error: BaseException) -> int:
    """0 done, 1 failed, 2 wrong usage or input, 3 the gate refused; every planned error knows its own."""
    return error.exit_code if isinstance(error, (RollcastError, TyperException)) else FAILED


def sentence(error: BaseException) -> str:
    """What a person can act on: our own words, or the kind of surprise and where its details are."""
    if isinstance(error, RollcastError):
        return str(error)
    if isinstance(error, TyperException):
        return usage_sentence(error)
    return f"unexpected {type(error).__name__}: {first_line(error)} (details in {log_traceback(error)})"


def usage_sentence(error: TyperException) -> str:
    """A wrong word on the command line; nothing where the help itself was the answer."""
    message = error.format_message().rstrip(".").replace("\n", " ")
    command = getattr(getattr(error, "ctx", None), "command_path", "rollcast")
    return f"{message[:1].lower()}{message[1:]}; see `{command} --help`" if message else ""


def first_line(error: BaseException) -> str:
    """The first line of a message, which may run over a page."""
    return (str(error).strip() or "no message").splitlines()[0][:300]


def log_traceback(error: BaseException) -> str:
    """Append the traceback to errors.log in the home folder and return the file's name."""
    try:
        from data.settings import load_settings

        path = load_settings().home / "errors.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"--- {clock.utc().isoformat(timespec='seconds')}\n")
            file.writelines(traceback.format_exception(error))
        return str(path)
    except (OSError, RollcastError):
        return "no file: the home folder cannot be written"
