"""The live store's tables: one schema for SQLite (the default) and PostgreSQL (by URL); `database` opens it."""

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

SCHEMA_VERSION = 9  # what each version changed is in `migrations`

metadata = MetaData()
Long = BigInteger().with_variant(Integer, "sqlite")  # in SQLite INTEGER has 64 bits, and as a key it is the row id

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("season", Integer, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("zone", Text),
    Column("grid", Text, nullable=False),  # frequency, phase and sessions as JSON
    Column("target", Text, nullable=False),
    Column("has_split", Boolean, nullable=False),
    Column("snapshot", BigInteger),  # version of the Delta table; null before the first ingest is complete
    Column("created_at", BigInteger, nullable=False),
    Column("auto_create", Boolean, nullable=False, server_default=false()),  # rows of unknown series create them
    Column("max_series", Integer),  # beyond so many no row creates a series; null: the default
    Column("memory", Text),  # how its source is read, as JSON; null for datasets of before version 7
    Column("deleted_at", BigInteger),  # the row stays, so that its id is not given out again
    Column("kind", Text, nullable=False, server_default="numeric"),  # of its values: numeric or symbols
    Column("vocabulary", Text),  # JSON list: the symbol of each code that `y` may be; null for numbers
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False),
    Column("unique_id", Text, nullable=False),
    Column("first_ds", BigInteger),  # of its rows in the lake; null where it has none there
    Column("last_ds", BigInteger),
    Column("label", Integer),  # days from a step's start to the stamp that its source writes; -1: the last day
    UniqueConstraint("dataset_id", "unique_id"),
)

lake_ends = Table(  # up to which version of the lake `first_ds` and `last_ds` of a dataset's series are known
    "lake_ends",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("snapshot", BigInteger, nullable=False),
    Column("ingested_at", BigInteger, nullable=False),
)

observations = Table(  # append-only; the current value of (series, ds) is its newest row
    "observations",
    metadata,
    Column("seq", Long, primary_key=True, autoincrement=False),
    Column("dataset_id", Integer, nullable=False),
    Column("series_id", Integer, nullable=False),
    Column("ds", BigInteger, nullable=False),
    Column("y", Double),
    Column("available_at", BigInteger, nullable=False),  # never falls as seq grows
    Column("verdict", Text),  # the rule that y broke: states take it as missing; other words and null: it counts
    # Time first: rows that arrive together are stored together. By series first, each would rewrite its own page.
    Index("observations_by_time", "dataset_id", "ds", "series_id", "seq"),
    Index("observations_by_dataset", "dataset_id", "seq"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("anchor_id", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("artifact", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

promotions = Table(  # append-only, each row hashed with the one before it
    "promotions",
    metadata,
    Column("id", Long, primary_key=True, autoincrement=False),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("log_seq", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

anchors = Table(  # where the states of a promoted version start: at contexts that hold the log up to row log_seq
    "anchors",
    metadata,
    Column("anchor_id", Long, primary_key=True, autoincrement=False),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("promotion_id", ForeignKey("promotions.id"), nullable=False, index=True),
    Column("log_seq", BigInteger, nullable=False),
    Column("contexts", BigInteger, nullable=False),  # the anchor under whose id its contexts are stored
    Column("made_at", BigInteger, nullable=False),
    Column("refold", Boolean, nullable=False, server_default=false()),  # made by a deletion: nothing goes on over it
)

contexts = Table(
    "contexts",
    metadata,
    Column("anchor_id", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)

api_keys = Table(  # who may request what over HTTP; the keys themselves are not stored
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON list
    Column("series", Text, nullable=False),  # JSON list of patterns
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

idempotency = Table(  # answers to requests with an Idempotency-Key, until they expire
    "idempotency",
    metadata,
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("datasets", Text),  # JSON list of the ids of those whose rows it acknowledges; null: not known
)

scores = Table(  # sums of scores of a model's forecasts since its promotion: one row an hour
    "scores",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("promotion_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("totals", Text, nullable=False),
)

runs = Table(  # one row for each run of a flow
    "runs",
    metadata,
    Column("id", Long, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("dataset", Text),  # its name, which may exist only after an ingest; null where a flow serves all datasets
    Column("slot", BigInteger),  # the time it was scheduled for; null where a person started it
    Column("started_at", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: a small result, or an error in one sentence
    Index("runs_by_outcome", "outcome", "flow", "dataset", "id"),
)

schedules = Table(  # flows that run on schedule for a dataset; those for all datasets are in the settings
    "schedules",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("flow", Text, primary_key=True),
    Column("timetable", Text, nullable=False),
    Column("parameters", Text, nullable=False),  # JSON
    Column("set_at", BigInteger, nullable=False),
)

next_runs = Table(  # when each schedule is due next: a copy by the worker, for readers that cannot read a timetable
    "next_runs",
    metadata,
    Column("flow", Text, primary_key=True),
    Column("dataset", Text, primary_key=True),  # "" where the flow serves all datasets
    Column("timetable", Text, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),  # the first slot after the last success
    Column("overdue_at", BigInteger),  # from when on that slot is overdue
    Column("noted_at", BigInteger, nullable=False),
)

leases = Table(  # names that one process at a time may hold
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),  # counts the holders of the name
    Column("holder", Text, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),
    Column("lasts_us", BigInteger, nullable=False),
)

commits = Table(  # rows and sha256 of each version of a dataset's Delta table
    "commits",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("files", Text, nullable=False),  # JSON list of path, bytes, rows, sha256
    Column("recorded_at", BigInteger, nullable=False),
)

handoffs = Table(  # numbered batches of the log's oldest rows that move into the lake
    "handoffs",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("snapshot", BigInteger),  # version of the Delta table; null where every row only repeated its values
    Column("begun_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),  # since then the rows are in the lake, and no longer in the log
)

trials = Table(  # shadow pairs: score sums of challenger and champion, the first and the last, as JSON
    "trials",
    metadata,
    Column("shadow_promotion_id", BigInteger, primary_key=True, autoincrement=False),
    Column("champion_promotion_id", BigInteger, primary_key=True, autoincrement=False),
    Column("dataset_id", Integer, nullable=False),
    Column("shadow_version", Integer, nullable=False),
    Column("champion_version", Integer, nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

jobs = Table(  # queued trainings, promotions and releases, and how they ended
    "jobs",
    metadata,
    Column("id", Long, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),  # one sentence
    Column("asked_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("version", Integer),  # the version that it registered, or is to promote
    Column("kind", Text, nullable=False, server_default="train"),
    Column("asked", Text),  # JSON: who asked for it, and of what; null for a training
)

drift = Table(  # the latest results of the monitor, one row for each detector and feature
    "drift",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("detector", Text, primary_key=True),
    Column("feature", Text, primary_key=True),
    Column("statistic", Double),
    Column("threshold", Double),
    Column("fired", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

watermarks = Table(  # up to where each piece of each source was read
    "watermarks",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

rules = Table(  # the quality rules of a dataset
    "rules",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("rules", Text, nullable=False),  # JSON
    Column("updated_at", BigInteger, nullable=False),
)

first_rules = Table(  # quality rules of datasets that do not exist yet; the first ingest takes them over
    "first_rules",
    metadata,
    Column("name", Text, primary_key=True),
    Column("rules", Text, nullable=False),  # JSON
    Column("updated_at", BigInteger, nullable=False),
)

quarantine = Table(  # values that broke a quality rule: kept out of training until they are released
    "quarantine",
    metadata,
    Column("id", Long, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False),
    Column("series_id", Integer, nullable=False),
    Column("ds", BigInteger, nullable=False),
    Column("y", Double, nullable=False),
    Column("rule", Text, nullable=False),
    Column("source", Text, nullable=False),  # "live" where the value came over HTTP
    Column("at", BigInteger, nullable=False),
    Column("released", BigInteger),  # when it was released
    Column("word", Text),  # of a symbol outside its vocabulary, whose y is no code; null for numbers
    UniqueConstraint("dataset_id", "series_id", "ds", "y"),
)

issues = Table(  # batch forecasts of a dataset in the lake; ended_at is null until all rows are stored
    "issues",
    metadata,
    Column("id", Long, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("promotion_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("log_seq", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)

seals = Table(  # sha256 of ranges of a dataset's log rows
    "seals",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("sealed_at", BigInteger, nullable=False),
)

limits = Table(  # the usual values of each series, by which live values are judged
    "limits",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("low", Double, nullable=False),  # 5 % and 95 % quantile
    Column("high", Double, nullable=False),
    Column("usual", Double, nullable=False),  # values of the series lie within so much of each other
    Column("recent", Text, nullable=False),  # JSON: the last values that count, and how often the last one repeats
    Column("log_seq", BigInteger, nullable=False),  # row of the log up to which these values were read
    Column("shifted_ds", BigInteger),  # the value with which a shift was accepted; null where none made these limits
    Column("version", BigInteger, nullable=False),  # counts the changes of a dataset's limits
    Index("limits_by_version", "dataset_id", "version"),
)

identities = Table(  # the largest ids that were given out, of rows that may be deleted by now
    "identities",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

ingests = Table(  # one row for each ingest that stored something: what to take back when it is undone
    "ingests",
    metadata,
    Column("id", Long, primary_key=True, autoincrement=False),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("commits", Text, nullable=False),  # JSON list of version of the Delta table, available_at and rows
    Column("log_ranges", Text, nullable=False),  # JSON: first and last seq of each transaction of the live log
    Column("before", Text, nullable=False),  # JSON: what it changed in the store, as that was before
    Column("begun_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("undone_at", BigInteger),
)

deletions = Table(  # rows, series, datasets and ingests that are taken back: asked, running, done or failed
    "deletions",
    metadata,
    Column("id", Long, primary_key=True, autoincrement=False),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("asked", Text, nullable=False),  # JSON: series, times or the ingest
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: what was deleted, and what stays where
    Column("asked_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("applied", BigInteger, index=True),  # counts those that the live store is without; see `changes.applied`
    Column("ended_at", BigInteger),
)

Stamps = Text().with_variant(ARRAY(BigInteger), "postgresql")  # on SQLite a JSON list, which SQL can read too
Quantiles = Text().with_variant(ARRAY(REAL), "postgresql")  # the same
QUANTILES = ("q10", "q20", "q30", "q40", "q50", "q60", "q70", "q80", "q90")

vintages = Table(  # scored forecasts as they were made, see `data.history.vintage_table`
    "vintages",
    metadata,  # long numbers first, so that PostgreSQL fills no gaps between them
    Column("id", Long, primary_key=True),  # in the order in which they were stored: the oldest leave first
    Column("promotion_id", BigInteger, nullable=False),
    Column("origin", BigInteger, nullable=False),  # `ds` of the step after which it was made
    Column("seq", BigInteger),  # row of the log with which it was made; null: with a step of which the log has no row
    Column("opened_at", BigInteger, nullable=False),
    Column("dataset_id", Integer, nullable=False),
    Column("series_id", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),  # about, of this row
    Column("ds", Stamps, nullable=False),  # of its steps
    *(Column(name, Quantiles, nullable=False) for name in QUANTILES),
    Index("vintages_by_series", "series_id", "origin", "promotion_id", unique=True),
)

vintage_sizes = Table(
    "vintage_sizes",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),  # the sum over its vintages
)

history = Table(  # pages of 1,024 steps of one series, see `data.history`
    "history",
    metadata,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("page", BigInteger, primary_key=True, autoincrement=False),
    Column("dataset_id", Integer, nullable=False),
    Column("log_seq", BigInteger, nullable=False),  # row of the live log up to which the page has them
    Column("bytes", Integer, nullable=False),  # of `rows`; 0 where the page was let go and only the overview is left
    Column("overview", LargeBinary, nullable=False),
    Column("rows", LargeBinary),
    Index("history_by_page", "dataset_id", "page", "bytes"),
)

history_marks = Table(  # how far the pages of a dataset go; without a mark they are not whole yet
    "history_marks",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),  # counts the changes of the pages
    Column("lake_version", BigInteger, nullable=False),  # of the lake, up to which the pages have its rows
    Column("kept_from", BigInteger),  # pages before this one were let go; null: none were
    Column("pending", Text, nullable=False),  # JSON: pages that a deletion took away, to be made again
)
