"""AWS Signature Version 4 for requests without a body: how S3 and whatever speaks like it know who asks."""

import hashlib
import hmac
from collections.abc import Generator
from urllib.parse import quote

import httpx

from data import clock

EMPTY = hashlib.sha256(b"").hexdigest()


class Signed(httpx.Auth):
    """Signs each request for the service `s3` with a key pair and, for passing credentials, a session token."""

    def __init__(self, key_id: str, secret: str, region: str, token: str | None = None):
        self._key_id, self._secret, self._region, self._token = key_id, secret, region, token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the time, the digest of the empty body and the signature."""
        moment = clock.utc().strftime("%Y%m%dT%H%M%SZ")
        request.headers["x-amz-date"] = moment
        request.headers["x-amz-content-sha256"] = EMPTY
        if self._token:
            request.headers["x-amz-security-token"] = self._token
        request.headers["authorization"] = self._authorization(request, moment)
        yield request

    def _authorization(self, request: httpx.Request, moment: str) -> str:
        headers = {name: value.strip() for name, value in request.headers.items() if name.startswith("x-amz-")}
        headers["host"] = request.headers["host"]
        names = ";".join(sorted(headers))
        parameters = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in request.url.params.multi_items())
        canonical = "\n".join([
            request.method,
            request.url.raw_path.partition(b"?")[0].decode(),
            "&".join(f"{name}={value}" for name, value in parameters),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            EMPTY,
        ])  # fmt: skip
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self._secret}".encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        signature = _hmac(key, text).hex()
        return f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
