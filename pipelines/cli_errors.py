"""How a failed command ends: one sentence, an exit code, and for unexpected errors a traceback in a file."""

from __future__ import annotations

import sys
import traceback

import typer
from typer.exceptions import TyperException

from data import clock
from data.errors import RollcastError, first_line
from pipelines.console import say

FAILED, INTERRUPTED = 1, 130


def report(error: BaseException) -> int:
    """Print the error as one sentence on standard error and return its exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return interrupted()
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # the reader of our output has ended: nothing can be printed
        return FAILED
    if message := sentence(error):
        say(f"rollcast: {message}")
    return exit_code(error)


def interrupted() -> int:
    """Print that Ctrl-C ended the command. Stores are written in transactions, so nothing must be cleaned up."""
    say("rollcast: interrupted; what was finished is stored")
    return INTERRUPTED


def exit_code(error: BaseException) -> int:
    """0 done, 1 failed, 2 wrong usage or input, 3 the promotion gate refused; errors of the tree carry their code."""
    return error.exit_code if isinstance(error, (RollcastError, TyperException)) else FAILED


def sentence(error: BaseException) -> str:
    """The message of an error of the tree; for any other its class and the file with its traceback."""
    if isinstance(error, RollcastError):
        return str(error)
    if isinstance(error, TyperException):
        return usage_sentence(error)
    line = first_line(error, longest=300, empty="no message")
    return f"unexpected {type(error).__name__}: {line} (details in {log_traceback(error)})"


def usage_sentence(error: TyperException) -> str:
    """The message of a wrong command line; empty where the help was printed instead."""
    message = error.format_message().rstrip(".").replace("\n", " ").replace(". Did you mean", "; did you mean")
    command = " ".join(getattr(getattr(error, "ctx", None), "command_path", "rollcast").split())
    return (
        f"{message[:1].lower()}{message[1:]}{'' if message.endswith('?') else ';'} see `{command} --help`"
        if message
        else ""
    )


def log_traceback(error: BaseException) -> str:
    """Append the traceback to errors.log in the home folder; returns the name of the file."""
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
