"""A start that is refused is told in one sentence, where ASGI servers would log a traceback."""

import sys

from starlette.types import Message, Send

from data.errors import RollcastError


def told_in_a_sentence(send: Send) -> Send:
    """The same, for the lifespan of the app: the message of a failed start is that of our own error."""

    async def send_sentence(message: Message) -> None:
        error = sys.exception()  # the app sends this message from where it catches the error
        if message["type"] == "lifespan.startup.failed" and isinstance(error, RollcastError):
            message = {**message, "message": str(error)}
        await send(message)

    return send_sentence
