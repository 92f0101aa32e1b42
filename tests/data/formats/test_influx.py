import pytest

from data.errors import InvalidInput
from tests.support.intake_kit import QUIRKS, conformed, rows_of

HEAD = """#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,{type},string,string,string
#group,false,false,true,true,false,false,true,true,true
#default,_result,,,,,,,,
,result,table,_start,_stop,_time,_value,_field,_measurement,{tag}
"""
ROW = ",,0,2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,2024-01-01T{time}Z,{value},{field},cpu,{tag}\n"


def block(tag: str, value: str, field: str, rows: list[tuple[str, str]], datatype: str = "double") -> str:
    return HEAD.format(tag=tag, type=datatype) + "".join(
        ROW.format(time=time, value=number, field=field, tag=value) for time, number in rows
    )


def written(tmp_path, content: str, name: str = "export.csv"):
    path = tmp_path / name
    path.write_text(content)
    return path


# --- annotated CSV ----------------------------------------------------------------------------------------------------


def test_annotated_csv_is_a_series_for_each_measurement_and_field():
    found = conformed(QUIRKS / "influx_annotated.csv")
    assert (found.report.rows, found.report.kept, found.report.frequency) == (300, 300, "10m")
    assert found.frame["unique_id"].unique().to_list() == ["room/temp"]
    assert found.frame["y"].to_list()[:2] == [19.784, 19.520]
    assert (found.report.covariates, found.report.columns_ignored) == ((), ())
    assert found.report.recognised == ("annotated CSV of InfluxDB",)


TWO_BLOCKS = (
    block("host", "a", "usage", [("00:00:00", "1.5"), ("00:01:00", "2.5")])
    + "\r\n"
    + block("region", "eu", "idle", [("00:00:00", "7")])
)


def test_blocks_with_other_tags_are_other_series(tmp_path):
    assert rows_of(written(tmp_path, TWO_BLOCKS), freq="1m") == [
        ("cpu/idle/region=eu", "2024-01-01T00:00:00", 7.0),
        ("cpu/usage/host=a", "2024-01-01T00:00:00", 1.5),
        ("cpu/usage/host=a", "2024-01-01T00:01:00", 2.5),
    ]


def test_a_block_after_a_blank_line_may_have_a_header_alone(tmp_path):
    header, row = HEAD.splitlines()[-1], ROW.format(time="00:02:00", value="9", field="usage", tag="a")
    text = TWO_BLOCKS + "\n" + header.format(tag="host") + "\n" + row
    assert ("cpu/usage/host=a", "2024-01-01T00:02:00", 9.0) in rows_of(written(tmp_path, text), freq="1m")


def test_annotated_csv_is_recognised_without_its_annotations(tmp_path):
    plain = "".join(line for line in TWO_BLOCKS.splitlines(keepends=True) if not line.startswith("#"))
    expected = rows_of(written(tmp_path, TWO_BLOCKS), freq="1m")
    assert rows_of(written(tmp_path, plain), freq="1m", series=None) == expected
    assert rows_of(written(tmp_path, TWO_BLOCKS), freq="1m", skip_lines="1-3") == expected


def test_parts_of_a_block_are_read_like_one(tmp_path, monkeypatch):
    expected = rows_of(written(tmp_path, TWO_BLOCKS), freq="1m")
    monkeypatch.setattr("data.formats.influx_csv.ROWS_AT_ONCE", 1)
    assert rows_of(written(tmp_path, TWO_BLOCKS), freq="1m") == expected


def test_an_empty_cell_means_the_default_of_its_column(tmp_path):
    text = block("host", "", "usage", [("00:00:00", "1"), ("00:01:00", "")])
    text = text.replace("#default,_result,,,,,,,,", "#default,_result,,,,,,,,b")
    assert rows_of(written(tmp_path, text)) == [
        ("cpu/usage/host=b", "2024-01-01T00:00:00", 1.0),
        ("cpu/usage/host=b", "2024-01-01T00:01:00", None),
    ]


def test_a_field_of_text_is_left_out_and_said_to_be(tmp_path):
    text = TWO_BLOCKS + "\n" + block("host", "a", "state", [("00:00:00", "ok")], "string")
    found = conformed(written(tmp_path, text), freq="1m")
    assert found.report.rows == 3
    assert "left out the field state, which is no number" in found.report.recognised


def test_a_wrong_value_is_named_with_its_line(tmp_path):
    text = TWO_BLOCKS.replace("2.5", "high")
    with pytest.raises(InvalidInput, match="column 'value', row 6: 'high' is not a number"):
        conformed(written(tmp_path, text))


def test_a_pivoted_answer_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(InvalidInput, match=r"row 4: .*without pivot.*--skip-lines"):
        conformed(written(tmp_path, TWO_BLOCKS.replace("_value", "usage")))


# --- line protocol ----------------------------------------------------------------------------------------------------

LINES = """# made by hand
cpu,region=eu,host=a usage=1.5,idle=3i,state="busy, or not",up=true 1704067200000000000

cpu,host=a,region=eu usage=2.5,idle=4u 1704067260123456789
disk free=1e3 1704067200000000000
"""


def test_line_protocol_is_a_series_for_each_measurement_field_and_tags(tmp_path):
    assert rows_of(written(tmp_path, LINES, "export.lp"), freq="1m") == [
        ("cpu/idle/host=a/region=eu", "2024-01-01T00:00:00", 3.0),
        ("cpu/idle/host=a/region=eu", "2024-01-01T00:01:00", 4.0),
        ("cpu/usage/host=a/region=eu", "2024-01-01T00:00:00", 1.5),
        ("cpu/usage/host=a/region=eu", "2024-01-01T00:01:00", 2.5),
        ("disk/free", "2024-01-01T00:00:00", 1000.0),
    ]


def test_line_protocol_is_recognised_by_its_form(tmp_path):
    expected = rows_of(written(tmp_path, LINES, "export.lp"), freq="1m")
    for name in ("export.txt", "export.csv"):
        assert rows_of(written(tmp_path, LINES, name), freq="1m") == expected
    report = conformed(written(tmp_path, LINES, "export.txt"), freq="1m").report
    assert report.recognised == (
        "line protocol of InfluxDB",
        "left out the field state, which is no number",
        "left out the field up, which is no number",
    )


@pytest.mark.parametrize("digits", [10, 13, 16, 19])
def test_stamps_are_seconds_to_nanoseconds_by_their_size(tmp_path, digits):
    stamps = [f"{seconds}000000000"[:digits] for seconds in (1_704_067_200, 1_704_067_260)]
    text = "".join(f"cpu usage={place} {stamp}\n" for place, stamp in enumerate(stamps))
    assert rows_of(written(tmp_path, text, "export.lp")) == [
        ("cpu/usage", "2024-01-01T00:00:00", 0.0),
        ("cpu/usage", "2024-01-01T00:01:00", 1.0),
    ]


def test_escaped_signs_belong_to_the_names(tmp_path):
    text = r"my\ cpu,the\,host=a\=b us\ age=1 1704067200000000000" + "\n"
    assert rows_of(written(tmp_path, text, "export.lp"), freq="1m")[0][0] == "my cpu/us age/the,host=a=b"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cpu usage=1", "row 2: the line has no time"),
        ("no fields at all", "row 2: the line is not line protocol; write it as measurement"),
        ("cpu usage=1 99999999999999999999999", "row 2: the stamp is too large to be a time"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    with pytest.raises(InvalidInput, match=message):
        conformed(written(tmp_path, f"cpu usage=1 1704067200000000000\n{line}\n", "export.lp"))


def test_parts_of_a_file_of_lines_are_read_like_one(tmp_path, monkeypatch):
    expected = rows_of(written(tmp_path, LINES, "export.lp"), freq="1m")
    monkeypatch.setattr("data.formats.line_protocol.ROWS_AT_ONCE", 1)
    assert rows_of(written(tmp_path, LINES, "export.lp"), freq="1m") == expected


def test_stamps_of_another_unit_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="row 2: the stamp is not in s like those before it"):
        conformed(written(tmp_path, "cpu usage=1 1704067200\ncpu usage=1 1704067200000000000\n", "export.lp"))
