"""Views of the live store for SQL from outside, such as Grafana: names in place of ids, and times in place of numbers.

They are no part of the program, which reads tables. On SQLite times are text such as 2014-02-19T15:30:00.000Z, on
PostgreSQL `timestamptz`. Where a dataset counts steps, which are no times, they are null; `ds` has the number.
"""

# ruff: noqa: S608 (every part of these statements is written here)

from sqlalchemy import Connection, text

LEVELS = (10, 20, 30, 40, 50, 60, 70, 80, 90)  # per cent
SUMS = ("settled", "absolute", "naive", "pinball", "size", "inside_80", "inside_95", "compared", "moved")  # as stored
NAMES = ("rollcast_observations", "rollcast_vintages", "rollcast_scores")


def drop_views(connection: Connection) -> None:
    """Drop the views: tables may then be changed."""
    for name in NAMES:
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))


def create_views(connection: Connection) -> None:
    """Create the views, which are not there."""
    dialect = _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE
    for statement in (dialect.observations(), dialect.vintages(), dialect.scores()):
        connection.execute(text(statement.replace(":", "\\:")))  # a colon names no parameter here


class _Sqlite:
    """The words of SQLite."""

    is_step = "json_extract(d.grid, '$.freq') NOT GLOB '*[^0-9]*'"

    def moment(self, microseconds: str) -> str:
        """A time of the clock."""
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', {microseconds} / 1000000.0, 'unixepoch')"

    def time(self, ds: str) -> str:
        """The time of a `ds` of dataset d; null where it is the number of a step."""
        return f"CASE WHEN {self.is_step} THEN NULL ELSE {self.moment(ds)} END"

    def steps(self) -> str:
        """The steps of vintage v as rows of t: `ds`, and `step` from 1 on."""
        return "json_each(v.ds) AS e"

    ds, step = "e.value", "e.key + 1"

    def quantile(self, level: int) -> str:
        """The quantile of a vintage at a step."""
        return f"json_extract(v.q{level}, '$[' || e.key || ']')"

    buckets, bucket = "json_each(s.totals, '$.raw') AS b", "b.key + 1"

    def total(self, kind: str, place: int) -> str:
        """A sum of a bucket, raw or scaled."""
        return f"json_extract(s.totals, '$.{kind}[' || b.key || '][{place}]')"

    rival = "json_extract(s.totals, '$.rival')"

    def bound(self, place: int) -> str:
        """The first or the last step of a bucket."""
        return f"json_extract(s.totals, '$.steps[' || b.key || '][{place}]')"

    # --- the same on both databases ------------------------------------------------------------------------------

    def observations(self) -> str:
        """Every row of the live log; older rows are in the lake alone."""
        return (
            f"CREATE VIEW rollcast_observations AS SELECT d.name AS dataset, n.unique_id, {self.time('o.ds')} AS time, "
            f"o.y, o.verdict, o.seq, {self.moment('o.available_at')} AS available_at, o.ds FROM observations o "
            f"JOIN datasets d ON d.id = o.dataset_id JOIN series n ON n.id = o.series_id WHERE d.deleted_at IS NULL"
        )

    def vintages(self) -> str:
        """Every step of every stored vintage."""
        levels = ", ".join(f"{self.quantile(level)} AS q{level}" for level in LEVELS)
        return (
            f"CREATE VIEW rollcast_vintages AS SELECT d.name AS dataset, n.unique_id, "
            f"{self.time('v.origin')} AS origin, {self.time(self.ds)} AS time, {self.step} AS step, {levels}, "
            f"p.version, v.promotion_id, v.seq, {self.moment('v.opened_at')} AS opened_at, "
            f"v.origin AS origin_ds, {self.ds} AS ds FROM vintages v "
            f"JOIN datasets d ON d.id = v.dataset_id JOIN series n ON n.id = v.series_id "
            f"LEFT JOIN promotions p ON p.id = v.promotion_id CROSS JOIN {self.steps()} WHERE d.deleted_at IS NULL"
        )

    def scores(self) -> str:
        """The sums of each hour since the promotion, and the measures that they make, by horizon bucket."""
        raw = {name: self.total("raw", place) for place, name in enumerate(SUMS)}
        scaled = {name: self.total("scaled", place) for place, name in enumerate(SUMS)}
        sums = ", ".join(f"{raw[name]} AS {name}" for name in SUMS)
        measures = {
            "mae": _share(raw["absolute"], raw["settled"]),
            "mase": _share(scaled["absolute"], scaled["settled"]),
            "wql": _share(f"2 * {raw['pinball']}", f"{len(LEVELS)} * {raw['size']}"),
            "coverage_80": _share(raw["inside_80"], raw["settled"]),
            "coverage_95": _share(raw["inside_95"], raw["settled"]),
            "skill": f"1 - {_share(scaled['absolute'], scaled['naive'])}",
            "stability": _share(scaled["moved"], scaled["compared"]),
        }
        shown = ", ".join(f"{how} AS {name}" for name, how in measures.items())
        return (
            f"CREATE VIEW rollcast_scores AS SELECT d.name AS dataset, {self.moment('s.at')} AS time, "
            f"{self.bucket} AS horizon_bucket, {self.bound(0)} AS first_step, {self.bound(1)} AS last_step, {shown}, "
            f"{sums}, {self.rival} AS rival, p.version, s.promotion_id, p.event, s.seq FROM scores s "
            f"JOIN datasets d ON d.id = s.dataset_id JOIN promotions p ON p.id = s.promotion_id "
            f"CROSS JOIN {self.buckets} WHERE d.deleted_at IS NULL"
        )


class _Postgresql(_Sqlite):
    """The words of PostgreSQL."""

    is_step = "(CAST(d.grid AS json) ->> 'freq') ~ '^[0-9]+$'"
    ds, step = "e.ds", "e.step"
    buckets = "LATERAL json_array_elements(CAST(s.totals AS json) -> 'raw') WITH ORDINALITY AS b(sums, number)"
    bucket, rival = "b.number", "CAST(s.totals AS json) ->> 'rival'"

    def moment(self, microseconds: str) -> str:
        return f"to_timestamp({microseconds} / 1000000.0)"

    def steps(self) -> str:
        columns = ", ".join(f"v.q{level}" for level in LEVELS)
        names = ", ".join(f"q{level}" for level in LEVELS)
        return f"LATERAL unnest(v.ds, {columns}) WITH ORDINALITY AS e(ds, {names}, step)"

    def quantile(self, level: int) -> str:
        return f"e.q{level}"

    def total(self, kind: str, place: int) -> str:
        found = f"CAST(s.totals AS json) -> '{kind}' -> CAST(b.number - 1 AS integer) ->> {place}"
        return f"CAST({found} AS double precision)"

    def bound(self, place: int) -> str:
        found = f"CAST(s.totals AS json) -> 'steps' -> CAST(b.number - 1 AS integer) ->> {place}"
        return f"CAST({found} AS integer)"


_SQLITE, _POSTGRESQL = _Sqlite(), _Postgresql()


def _share(part: str, whole: str) -> str:
    return f"{part} / NULLIF({whole}, 0)"
