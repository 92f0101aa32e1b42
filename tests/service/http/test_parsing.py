"""Bodies that JSON or float64 cannot hold are refused with a pointer."""

import pytest

from service.http.errors import ProblemError
from service.http.parsing import decode


def faults(body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(ProblemError) as caught:
        decode(body)
    assert caught.value.status == 422
    return [tuple(fault) for fault in caught.value.errors]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000])
def test_a_number_that_float64_cannot_hold_is_pointed_at(number):
    body = b'[{"unique_id": "a", "ds": 1, "y": 2.0}, {"unique_id": "a", "ds": 2, "y": ' + number + b"}]"
    assert faults(body) == [("/1/y", "must be a finite number")]


def test_every_such_number_is_pointed_at_up_to_twenty():
    body = b'{"observations": [' + b",".join([b'{"y": NaN}'] * 30) + b"]}"
    assert [pointer for pointer, _ in faults(body)] == [f"/observations/{i}/y" for i in range(20)]


@pytest.mark.parametrize("body", [rb'[{"unique_id": "\ud800"}]', rb'[{"unique_id": "a\udfffb"}]'])
def test_a_lone_surrogate_is_pointed_at(body):
    assert faults(body) == [("/0/unique_id", "must be text without lone surrogates")]


def test_unknown_field_names_are_not_repeated_in_the_answer():
    assert faults(b'[{"<script>": NaN}]') == [("/0", "must be a finite number")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf[1]",
        b"[" * 100_000,
        b"{'a': 1}",
        b"[01]",
        b"[1] [2]",
        b'["\x00"]',
    ],
)
def test_a_body_that_is_not_json_is_called_so(body):
    ((pointer, message),) = faults(body)
    assert pointer == ""
    assert message.startswith("is not valid JSON")


def test_of_a_repeated_field_the_last_value_counts():
    assert decode(b'{"y": 1, "y": 2}') == {"y": 2}
