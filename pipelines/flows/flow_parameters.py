"""Parameters of flows as people write them, NAME=VALUE, and the options of a source among them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from data.errors import InvalidInput
from data.formats.options import SourceOptions

Record = dict[str, Any]
FIELDS = tuple(field.name for field in fields(SourceOptions))
RENAMED = {"as": "rename", "min": "low", "max": "high"}  # words of the command line, for fields of `SourceOptions`
OPTIONS = tuple({field: word for word, field in RENAMED.items()}.get(field, field) for field in FIELDS)
REPEATED = "na"  # the only option that may be given several times


def parse_parameters(flow: str, texts: Sequence[str]) -> Record:
    """Parameters written NAME=VALUE. A value that is not JSON is a text.

    For the flow `ingest` the options of a source may stand beside its parameters, as `tz=UTC`: they become `options`.
    Raises InvalidInput without =, for a name that is given twice, and for an option with a value of another type.
    """
    found: Record = {}
    options: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"--param {text!r} has no =; write NAME=VALUE")
        option = option_field(name) if flow == "ingest" else None
        if name in found or (option in options and option != REPEATED):
            raise InvalidInput(f"--param {name} is given twice; give it once")
        if option is None:
            found[name] = json_or_text(value)
        else:
            options.setdefault(option, []).append(value)
    return found | join_options(found.get("options"), options) if options else found


def option_field(name: str) -> str | None:
    """The field of `SourceOptions` that an option is, written as `id_col` or `id-col`; None where it is no option."""
    word = name.replace("-", "_")
    return RENAMED.get(word, word) if word in OPTIONS or word in FIELDS else None


def join_options(given: Any, words: Mapping[str, list[str]]) -> Record:
    """The parameter `options` of options given as words, and of those given as one JSON object."""
    source_options(given)
    before = {RENAMED.get(name, name): value for name, value in (given or {}).items()}
    for name in before.keys() & words.keys():
        raise InvalidInput(f"--param {name} is in options as well; give it once")
    texts = {name: values if name == REPEATED else values[0] for name, values in words.items()}
    with_types = validated(texts)
    read = {name: getattr(with_types, name) for name in words}
    return {"options": before | {name: list(value) if name == REPEATED else value for name, value in read.items()}}


def json_or_text(value: str) -> Any:
    """The value that a text is in JSON, else the text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def source_options(given: Any) -> SourceOptions:
    """Options of a source, by the words of `rollcast ingest` or by the fields of `SourceOptions`.

    Raises InvalidInput for one that there is not, or for a value of another type.
    """
    if not isinstance(given, Mapping | None):
        raise InvalidInput(f"options is {given!r}; write a JSON object, or each option by its name: -p tz=UTC")
    named = {RENAMED.get(str(word), str(word)): value for word, value in (given or {}).items()}
    for name in named:
        if name not in FIELDS:
            raise InvalidInput(f"options has no {name!r}; it takes {', '.join(OPTIONS)}")
    return validated(named)


def validated(named: Mapping[str, Any]) -> SourceOptions:
    """Options by field; a text is converted to a number. Raises InvalidInput for a value of another type."""
    try:
        return TypeAdapter(SourceOptions).validate_python(named)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InvalidInput(f"options has {wrong['loc'][0]} {wrong['input']!r}: {wrong['msg'].lower()}") from None
