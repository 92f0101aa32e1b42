"""Helpers of the handlers: the runtime, the series in the path, the document in the body, the JSON answer."""

from typing import Any

import orjson
from fastapi import Request, Response

from data.errors import AmbiguousSeries, InvalidInput, NotFound, UnknownDataset
from data.store.catalogue import Dataset
from service.http.auth import seen_by
from service.http.errors import FieldFault, ProblemError, unknown_dataset, unprocessable
from service.http.parsing import JSON_OPTIONS, decode
from service.models.datasets import Served, Target
from service.observe.arrivals import ambiguous_series, new_target, reader_of, unknown_series
from service.observe.observe_body import JSON, media_type
from service.runtime import Runtime
from service.schemas.openapi import MAX_DIGITS


def runtime_of(request: Request) -> Runtime:
    """The runtime. Raises ProblemError (503) while its states are being restored."""
    runtime: Runtime = request.app.state.runtime
    runtime.require_restored()
    return runtime


def target_of(request: Request, runtime: Runtime, dataset: str | None) -> Target:
    """The series in the path. Raises ProblemError: 404 where there is none, 409 where several datasets have it."""
    try:
        return seen_by(request, runtime).find(request.path_params["unique_id"], dataset)
    except UnknownDataset:
        raise unknown_dataset() from None
    except NotFound:
        raise unknown_series([FieldFault("/path/unique_id", "is not a series")]) from None
    except AmbiguousSeries as error:
        raise ambiguous_series(
            [FieldFault("/path/unique_id", "is a series of several datasets")], error.datasets
        ) from None


def writable_target_of(request: Request, runtime: Runtime, dataset: str | None) -> Target:
    """The same, or a series that is yet to be created, where a dataset creates it. Raises ProblemError, 422 too."""
    unique_id = request.path_params["unique_id"]
    try:
        return target_of(request, runtime, dataset)
    except ProblemError as problem:
        if problem.code != "unknown_series":
            raise
        try:
            target = new_target(seen_by(request, runtime), unique_id, dataset)
        except InvalidInput as error:
            raise unprocessable("invalid_series", [FieldFault("/path/unique_id", str(error))]) from None
        if target is None:
            raise
        return target


def datasets_of(request: Request, runtime: Runtime, wanted: str | None) -> list[Served]:
    """The dataset of this name, or all that the caller's key reaches. Raises ProblemError (404) for an unknown name."""
    found = [served for served in seen_by(request, runtime).datasets.values() if wanted in (None, served.name)]
    if wanted is not None and not found:
        raise unknown_dataset()
    return found


def time_of(name: str, text: str | None, dataset: Dataset) -> int | None:
    """A time of the query as `ds`; from one day up that of the step which contains it. Raises ProblemError (422)."""
    if text is None:
        return None
    try:
        number = dataset.kind == "step" and text.removeprefix("-").isdecimal() and len(text) < MAX_DIGITS
        ds = reader_of(dataset).read(int(text) if number else text)
    except InvalidInput as error:
        raise unprocessable("invalid_query", [FieldFault(f"/query/{name}", str(error))]) from None
    return int(dataset.grid.stamps(dataset.grid.steps([ds]))[0]) if dataset.kind == "date" else ds


def refuse_query_string(request: Request) -> None:
    """Raises ProblemError (422) for any parameter: the dataset is named in the rows, and only there."""
    if request.scope["query_string"]:
        raise ProblemError(422, "invalid_query", "This path has no parameters; name the dataset in the rows.")


async def read_json(request: Request) -> Any:
    """The decoded JSON body. Raises ProblemError: 415 for another media type, 413 if too large, 422 if not JSON."""
    media_type(request, JSON)
    return decode(await request.body())


def encode_json(content: Any) -> bytes:
    """The content as JSON; NumPy arrays become lists."""
    return orjson.dumps(content, option=JSON_OPTIONS)


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode_json(content), status, headers, "application/json")
