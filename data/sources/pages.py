"""Reads the records of a JSON interface, page by page, into one NDJSON file.

A page is a list of objects, or an object with that list under one of `LISTS`. The next page is found by

- `{page}` in the address: 1, 2, … until a page is empty;
- `{cursor}` in the address: the value under one of `CURSORS` in the page before, until there is none;
- otherwise a link in the page (`next`, `links.next`, `@odata.nextLink`) or in the head (`Link: <…>; rel="next"`).

An answer of Prometheus is a page too; its samples are the records.

`{watermark}` in the address is the newest time read so far. A parameter whose value is still empty is left out.
"""

import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import httpx

from data.errors import InvalidInput
from data.formats import prometheus
from data.schema import SERIES
from data.sources.retries import download

WORDS = ("watermark", "page", "cursor")
LISTS = ("data", "results", "items", "records", "observations", "values", "value", "rows")
CURSORS = ("next_cursor", "nextCursor", "next_page_token", "nextPageToken", "cursor")
AROUND = ("meta", "pagination", "paging", "links", "_links")  # objects of a page that may hold its cursor or link


def is_template(url: str) -> bool:
    """Whether an address has placeholders; then it is one of a JSON interface."""
    return any(f"{{{word}}}" in url for word in WORDS)


def fetch_pages(
    client: httpx.Client, url: str, name: str, folder: Path, watermark: str | None
) -> tuple[Path, tuple[str, ...]] | None:
    """Write every record of every page as a line of a file in `folder`.

    Returns the file and what was recognised; None without records.
    """
    target, found, notes = folder / "records.ndjson", False, dict[str, None]()
    with target.open("w") as file:
        for body, records in _pages(client, url, name, folder / "page", watermark):
            found = found or bool(records)
            notes |= {prometheus.RECOGNISED: None} if prometheus.is_prometheus(body) else {}
            file.writelines(json.dumps(record) + "\n" for record in records)
    return (target, tuple(notes)) if found else None


def _pages(
    client: httpx.Client, url: str, name: str, path: Path, watermark: str | None
) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Each page's body and its records."""
    paged, by_cursor = "{page}" in url, "{cursor}" in url
    template, cursor, visited = url, "", set[str]()
    for number in count(1):
        address = fill_in(template, watermark=watermark or "", page=str(number), cursor=cursor)
        if address in visited:
            raise InvalidInput("its pages lead in a circle; check how it names the next page", source=name)
        visited.add(address)
        response = download(client, partial(client.build_request, "GET", address), path, name)
        body = _read_json(path, name)
        records = _records(body, name)
        yield body, records
        if paged:
            following: str | None = template if records else None
        elif by_cursor:
            cursor = _cursor(body)
            following = template if cursor else None
        else:
            following = template = _link(body, response, address, name) or ""
        if not following:
            return


def fill_in(url: str, **words: str) -> str:
    """An address with its placeholders replaced. A parameter whose value is empty is left out."""
    for word, value in words.items():
        place = f"{{{word}}}"
        if value:
            url = url.replace(place, quote(value, safe=""))
        elif place in url:
            parts = urlsplit(url)
            kept = [parameter for parameter in parts.query.split("&") if place not in parameter]
            url = urlunsplit(parts._replace(query="&".join(kept)))
    return url


def _read_json(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("the answer is not JSON; check the address", source=name) from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON


def _records(body: Any, name: str) -> list[dict[str, Any]]:
    if prometheus.is_prometheus(body):
        columns = (prometheus.TIME, SERIES, prometheus.VALUE)
        return [dict(zip(columns, sample, strict=True)) for sample in prometheus.records_of(body, name)]
    found = body if isinstance(body, list) else next((body[k] for k in LISTS if _is_list(body, k)), None)
    if found is None or not all(isinstance(record, dict) for record in found):
        raise InvalidInput(f"the answer is not a list of objects and has none under {', '.join(LISTS)}", source=name)
    return found


def _is_list(body: Any, key: str) -> bool:
    return isinstance(body, dict) and isinstance(body.get(key), list)


def _with_inner_objects(body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, dict):
        return []
    return [body, *(body[key] for key in AROUND if isinstance(body.get(key), dict))]


def _cursor(body: Any) -> str:
    found = (place[key] for place in _with_inner_objects(body) for key in CURSORS if place.get(key) not in (None, ""))
    return str(next(found, ""))


def _link(body: Any, response: httpx.Response, address: str, name: str) -> str | None:
    """The address of the next page. Raises InvalidInput for another server, which the user did not choose."""
    links = [place.get(key) for place in _with_inner_objects(body) for key in ("next", "@odata.nextLink")]
    links = [link.get("href") if isinstance(link, dict) else link for link in links]
    link = next(
        (found for found in [*links, response.links.get("next", {}).get("url")] if isinstance(found, str) and found),
        None,
    )
    if link is None:
        return None
    following = urljoin(address, link)
    if urlsplit(following)[:2] != urlsplit(address)[:2]:
        raise InvalidInput("its next page is on another server; that is not followed", source=name)
    return following
