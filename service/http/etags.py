"""ETags of answers: 304 where the client has the answer already, and the promotion that it saw before an act."""

import re
from hashlib import blake2b

from fastapi import Request, Response

from service.http.errors import ProblemError

JSON = "application/json"
PROMOTION = re.compile(r'"(\d{1,18})"', re.ASCII)


def json_or_304(request: Request, body: bytes, etag: str | None = None) -> Response:
    """The body with its ETag, which is a hash of it unless one is given; 304 where If-None-Match has that ETag."""
    etag = f'"{blake2b(body, digest_size=12).hexdigest()}"' if etag is None else etag
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag in ",".join(request.headers.getlist("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON)


def seen_promotion(request: Request) -> int:
    """The id of the promotion in If-Match, 0 where none had served yet. Raises ProblemError (428) without one."""
    found = PROMOTION.fullmatch(request.headers.get("if-match", "").strip())
    if found is None:
        detail = 'Send If-Match with the `promotion_id` of GET /v1/datasets that you saw, such as If-Match: "7".'
        raise ProblemError(428, "precondition_required", detail)
    return int(found[1])


def moved(promotion_id: int) -> ProblemError:
    """412: another promotion serves than the one that was seen."""
    detail = f"Promotion {promotion_id} serves by now; look at it, then ask again with its id in If-Match."
    return ProblemError(412, "promotion_moved", detail, headers={"ETag": f'"{promotion_id}"'})
