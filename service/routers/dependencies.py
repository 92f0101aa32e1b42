"""Helpers of the handlers: the runtime, the series in the path, the document in the body, the JSON answer."""

from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ValidationError

from data.errors import AmbiguousSeries, InvalidInput, NotFound, UnknownDataset
from data.store.catalogue import Dataset
from service.http.auth import seen_by
from service.http.errors import FieldFault, ProblemError, unknown_dataset, unprocessable
from service.http.etags import json_or_304
from service.http.parsing import JSON_OPTIONS, decode
from service.models.datasets import Served, Target
from service.observe.arrivals import ambiguous_series, unknown_series
from service.observe.observe_body import JSON, ObserveBody, media_type
from service.observe.row_reader import new_target, reader_of
from service.runtime import Runtime
from service.schemas.openapi import MAX_DIGITS

Body = TypeVar("Body", bound=BaseModel)
NO_ROUTE = (
    "Nothing has this path: it is neither a route, which /docs lists, nor a series; an id's / may be sent as %2F."
)


def runtime_of(request: Request) -> Runtime:
    """The runtime. Raises ProblemError (503) while its states are being restored."""
    runtime: Runtime = request.app.state.runtime
    runtime.require_restored()
    return runtime


def target_of(request: Request, runtime: Runtime, dataset: str | None) -> Target:
    """The series in the path. Raises ProblemError: 404 where there is none, 409 where several datasets have it."""
    return find_target(request, runtime, request.path_params["unique_id"], dataset)


def find_target(
    request: Request, runtime: Runtime, unique_id: str, dataset: str | None, pointer: str = "/path/unique_id"
) -> Target:
    """The series that a request names at `pointer`. Raises as `target_of` does."""
    try:
        return seen_by(request, runtime).find(unique_id, dataset)
    except UnknownDataset:
        raise unknown_dataset() from None
    except NotFound:
        if _has_further_segment(request):
            raise ProblemError(404, "not_found", NO_ROUTE) from None
        raise unknown_series([FieldFault(pointer, "is not a series")]) from None
    except AmbiguousSeries as error:
        raise ambiguous_series([FieldFault(pointer, "is a series of several datasets")], error.datasets) from None


def _has_further_segment(request: Request) -> bool:
    """Whether an id that ends the path was sent with a plain `/`: it may be meant as a route below a series."""
    sent = request.scope.get("raw_path", b"").partition(b"?")[0].partition(b"/v1/series/")[2]
    return b"/" in sent and request.scope["path"].endswith(request.path_params.get("unique_id", "\n"))


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


def dataset_of_rows(request: Request, runtime: Runtime, body: ObserveBody) -> str | None:
    """The dataset that rows name for the series in the path; None where it neither has the series nor creates it."""
    directory, unique_id, dataset = seen_by(request, runtime), request.path_params["unique_id"], body.dataset
    served = directory.datasets.get(dataset or "")
    if served is None or not directory.reach.reaches(served.name, unique_id):
        return None
    return dataset if unique_id in served.series or directory.creating(unique_id, dataset) else None


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


async def read_body(request: Request, model: type[Body]) -> Body:
    """The JSON body as a model. Raises ProblemError as `read_json` does, and 422 for a field that does not fit."""
    try:
        return model.model_validate(await read_json(request))
    except ValidationError as error:
        faults = [_fault(model, found) for found in error.errors(include_input=False, include_url=False)]
    raise unprocessable("invalid_body", faults)


def _fault(model: type[BaseModel], found: Any) -> FieldFault:
    """A fault of a body; names of fields that there are not are the client's, and not repeated."""
    places = [str(part) for part in found["loc"]]
    if not places or places[0] not in model.model_fields:
        names = ", ".join(model.model_fields)
        return FieldFault("", f"must be an object with {names} and nothing else")
    return FieldFault("/" + "/".join(places), f"does not fit: {found['msg'].lower()}")


def encode_json(content: Any) -> bytes:
    """The content as JSON; NumPy arrays become lists."""
    return orjson.dumps(content, option=JSON_OPTIONS)


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode_json(content), status, headers, "application/json")


def json_with_etag(request: Request, content: Any) -> Response:
    """The JSON answer with a hash of it as its ETag; 304 where the client has it already."""
    return json_or_304(request, encode_json(content))
