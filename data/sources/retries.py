"""Downloads over HTTP, repeated after 429, an error of the server, a time-out or a broken connection."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from data import clock
from data.errors import InvalidInput, Unavailable

TRIES = 5
FIRST_WAIT = 0.5  # seconds; doubled after each try
LONGEST_WAIT = 60.0  # seconds, also where a server asks for more
LARGEST_DOWNLOAD = 2 * 1024**3  # bytes
TIMEOUT = httpx.Timeout(60, connect=10)
RETRIED = (408, 425, 429)  # statuses, beside 5xx


def without_secrets(url: str) -> str:
    """An address without user, password and query, which may be secrets."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError as error:
        raise InvalidInput("not a web address; write https://host:port/path", source="source") from error


def download(client: httpx.Client, request: Callable[[], httpx.Request], path: Path, name: str) -> httpx.Response:
    """Send a request until it is answered with 200 or 304. Returns the response; its body is in the file `path`.

    `request` makes the request of each try. Raises InvalidInput for an answer that another try would not change, and
    Unavailable after the last try.
    """
    for attempt in range(1, TRIES + 1):
        last = attempt == TRIES
        try:
            with _send(client, request()) as response:
                if response.status_code == 200:
                    _save(response, path, name)
                if response.status_code in (200, 304):
                    return response
                retryable = response.status_code in RETRIED or response.is_server_error
                if last or not retryable:
                    kind = Unavailable if retryable else InvalidInput
                    code = response.status_code
                    raise kind(f"{name}: the server answered {code}; {_advice(code, retryable)}")
                wait = _requested_wait(response)
        except httpx.InvalidURL as error:
            raise InvalidInput(f"not a web address ({error})", source=name) from None
        except httpx.HTTPError as error:
            if last or isinstance(error, httpx.UnsupportedProtocol | httpx.TooManyRedirects):
                cause = type(error).__name__  # its text may hold the whole address
                raise Unavailable(f"{name}: the server cannot be read ({cause}); try again later") from None
            wait = None
        time.sleep(_backoff(attempt) if wait is None else min(LONGEST_WAIT, wait))
    raise AssertionError("the last try returns or raises")


@contextmanager
def _send(client: httpx.Client, request: httpx.Request) -> Iterator[httpx.Response]:
    response = client.send(request, stream=True)
    try:
        yield response
    finally:
        response.close()


def _advice(code: int, retryable: bool) -> str:
    if retryable:
        return "try again later"
    return "check user and password, and the address" if code in (401, 403) else "check the address"


def _save(response: httpx.Response, path: Path, name: str) -> None:
    with path.open("wb") as file:
        for piece in response.iter_bytes(1 << 20):
            file.write(piece)
            if file.tell() > LARGEST_DOWNLOAD:
                raise InvalidInput("more than 2 GiB; download it and give the file", source=name)


def _backoff(attempt: int) -> float:
    """Seconds to wait after a failed try: doubled each time, up to a quarter longer at random, so that clients do not
    return together.
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(1, 1.25))  # noqa: S311


def _requested_wait(response: httpx.Response) -> float | None:
    """The seconds that the server asks to wait: Retry-After as a number or as a date."""
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.utc()).total_seconds())
    except (TypeError, ValueError):
        return None
