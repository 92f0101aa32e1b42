"""Clients of object stores, made by the library obstore: credentials, endpoints, retries, and errors in one sentence.

obstore looks for credentials where the stores' own SDKs do: in variables of the environment, in files that these name,
and at the metadata service of a cloud's machine. A profile named by AWS_PROFILE is read by the package boto3.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from data.errors import InvalidInput, RollcastError, Unavailable
from data.sources import retries

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3CredentialProvider

T = TypeVar("T")

SETTINGS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
PUBLIC = {"s3": "AWS_SKIP_SIGNATURE", "gs": "GOOGLE_SKIP_SIGNATURE", "az": "AZURE_SKIP_SIGNATURE"}
ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
STATUS = re.compile(r"non-2xx status code: (\d{3})")
TOKENS = ("token request", "/latest/api/token", "/latest/meta-data/")  # a machine asked for its credentials


def open_bucket(scheme: str, name: str) -> ObjectStore:
    """A bucket of "s3" or "gs", or a container of "az"; nothing is asked of it yet."""
    client, retry = _client(scheme), _retry()
    with translated_errors(f"{scheme}://{name}"):
        if scheme == "gs":
            return GCSStore(name, client_options=client, retry_config=retry)
        if scheme == "az":
            return AzureStore(name, client_options=client, retry_config=retry)
        return S3Store(name, client_options=client, retry_config=retry, credential_provider=_profile())


def _client(scheme: str) -> ClientConfig:
    """A large object may take hours; half a minute without a byte is a broken connection."""
    return {
        "allow_http": any(os.environ.get(name, "").startswith("http://") for name in ENDPOINTS[scheme]),
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=30),
        "timeout": timedelta(days=1),
    }


def _retry() -> RetryConfig:
    first_wait = timedelta(seconds=retries.FIRST_WAIT)
    return {"max_retries": retries.TRIES - 1, "backoff": {"init_backoff": first_wait}}


def _profile() -> S3CredentialProvider | None:
    """The credentials of the profile that AWS_PROFILE names, if it names one."""
    if not os.environ.get("AWS_PROFILE"):
        return None
    try:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        words = "reading a profile needs the package boto3, which is not installed; `pip install boto3` adds it"
        raise InvalidInput(words, source="AWS_PROFILE") from None
    try:
        return Boto3CredentialProvider()
    except (BotoCoreError, ValueError):
        words = "there is no such profile, or it has no credentials; check ~/.aws/credentials and ~/.aws/config"
        raise InvalidInput(words, source="AWS_PROFILE") from None


def run_interruptible(work: Callable[[], T]) -> T:
    """Run `work` in a thread and return its result. Ctrl-C ends the wait; a call of obstore does not react to it.

    The wait is a loop of short ones: once Polars is imported, Ctrl-C does not end a long one.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    return future.result()


# --- errors -----------------------------------------------------------------------------------------------------------


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Turn what obstore raises into one sentence about `name`; its own text may hold secrets and is not shown."""
    try:
        yield
    except (BaseError, FileNotFoundError, ValueError) as error:
        raise _error(error, name) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # obstore does not export this class
            raise
        raise _unusable(name) from None


def no_such_object(name: str) -> InvalidInput:
    return InvalidInput("there is no such object; check bucket, key and endpoint", source=name)


def _error(error: Exception, name: str) -> RollcastError:
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return no_such_object(name)
    if isinstance(error, InvalidPathError) or "parse path" in text:
        return InvalidInput("a key in it has an empty part, '.' or '..'; rename that object", source=name)
    if any(words in text for words in TOKENS):
        return _unusable(name)
    if "redirect without LOCATION" in text:
        return InvalidInput("the bucket is in another region; set AWS_REGION", source=name)
    if status := STATUS.search(text):
        return _refused(int(status[1]), name)
    if "HTTP error" in text:
        return Unavailable(f"{name}: the server cannot be read; check {ENDPOINTS[_scheme(name)][0]} or try again later")
    return _unusable(name)


def _refused(status: int, name: str) -> RollcastError:
    if status == 404:
        return no_such_object(name)
    if status >= 500 or status in retries.RETRIED:
        return Unavailable(f"{name}: the server answered {status}; try again later")
    what = f"{SETTINGS[_scheme(name)]}, and the address" if status in (401, 403) else "the address"
    return InvalidInput(f"the server answered {status}; check {what}", source=name)


def _unusable(name: str) -> InvalidInput:
    scheme = _scheme(name)
    words = f"no usable credentials or settings; check {SETTINGS[scheme]}, or set {PUBLIC[scheme]}=true if it is public"
    return InvalidInput(words, source=name)


def _scheme(name: str) -> str:
    return name.partition(":")[0].lower()
