"""Query strings are read strictly."""

import pytest

from service.forecast.query_params import ForecastQuery, PageQuery, encode_cursor, forecast_query, page_query
from service.http.errors import ProblemError


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (b"", ForecastQuery()),
        (b"horizon=12", ForecastQuery(horizon=12)),
        (b"level=80,95", ForecastQuery(levels=(80.0, 95.0))),
        (b"level=80&level=95", ForecastQuery(levels=(80.0, 95.0))),
        (b"quantiles=.1,0.5", ForecastQuery(quantiles=(0.1, 0.5))),
        (b"quantiles=0.5,0.5", ForecastQuery(quantiles=(0.5,))),
        (b"dataset=m", ForecastQuery(dataset="m")),
    ],
)
def test_valid_forecast_queries(text, query):
    assert forecast_query(text) == query


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (b"horizon=0", "/query/horizon"),
        (b"horizon=-1", "/query/horizon"),
        (b"horizon=1.5", "/query/horizon"),
        (b"horizon=", "/query/horizon"),
        (b"horizon=%D9%A1", "/query/horizon"),  # an Arabic one
        (b"horizon=1&horizon=2", "/query/horizon"),
        (b"level=0", "/query/level"),
        (b"level=100", "/query/level"),
        (b"level=nan", "/query/level"),
        (b"level=1e1", "/query/level"),
        (b"level=80,", "/query/level"),
        (b"level=" + b",".join(b"%d.5" % i for i in range(1, 40)), "/query/level"),
        (b"quantiles=0", "/query/quantiles"),
        (b"quantiles=1", "/query/quantiles"),
        (b"quantiles=.", "/query/quantiles"),
        (b"quantiles=0.5&level=80", "/query/level"),
        (b"horizn=3", "/query"),
        (b"dataset=%ff", "/query"),
    ],
)
def test_invalid_forecast_queries_are_pointed_at(text, pointer):
    with pytest.raises(ProblemError) as caught:
        forecast_query(text)
    assert caught.value.status == 422
    assert caught.value.errors[0].pointer == pointer


def test_a_cursor_is_decoded_to_the_series_it_was_made_of():
    assert page_query(b"limit=2&cursor=" + encode_cursor("é/ñ", "m").encode()) == PageQuery(2, after=("é/ñ", "m"))


@pytest.mark.parametrize("text", [b"cursor=", b"cursor=x", b"cursor=%00", b"cursor=W10", b"limit=0", b"limit=1001"])
def test_an_invalid_page_query_is_refused(text):
    with pytest.raises(ProblemError):
        page_query(text)
