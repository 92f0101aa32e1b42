"""Which columns of a table a dataset's memory names, where the user names none.

Columns that name the series, the time and the value are needed: a table without one is refused. The form of dates is a
hint: `data.times.times` reads a table in another known form all the same.
"""

from collections.abc import Sequence
from dataclasses import replace

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.reading.columns import Roles
from data.reading.memory import SourceMemory
from data.times.numeric_times import UNITS_PER_SECOND, is_number
from data.times.time_forms import fits

FORM = ("skip_lines", "separator", "decimal", "na", "wide")  # how files are written; fields of options and memory


def recall_columns(
    options: SourceOptions, memory: SourceMemory, target: str | None, names: Sequence[str], source: str
) -> SourceOptions:
    """The options for a table with the columns `names`.

    target: the dataset's own name of its values. Raises InvalidInput, which names the remembered column that is not
    there and the option for it.
    """
    has = f"it has {', '.join(names)}"
    if options.id_col is None and options.series is None and memory.id_columns:
        _require(memory.id_columns, names, source, f"names the dataset's series; {has}; rename the column that names "
                 "them, or give --series NAME for a source of one series")  # fmt: skip
        options = replace(options, id_col=",".join(memory.id_columns))
    if options.time_col is None and memory.time_columns:
        _require(memory.time_columns, names, source, f"is the dataset's time; {has}; where the time has another name, "
                 "give it with --time-col")  # fmt: skip
        options = replace(options, time_col=",".join(memory.time_columns))
    if options.target_col is None:
        wanted = [name for name in (memory.target_column, target) if name is not None]
        found = next((name for name in wanted if name in names), None)
        if found is None and wanted and options.rename is None:
            own = target or memory.target_column
            _require((str(own),), names, source, f"is the dataset's target; {has}; where the same quantity has another "
                     f"name, give --target-col NAME --as {own}; another quantity needs another dataset")  # fmt: skip
        options = replace(options, target_col=found)
    return options


def recall_present(options: SourceOptions, memory: SourceMemory, names: Sequence[str]) -> SourceOptions:
    """The options with those remembered columns of ids and times that a table has before it is prepared."""
    ids = memory.id_columns if options.id_col is None and options.series is None else None
    times = memory.time_columns if options.time_col is None else None
    if ids and all(name in names for name in ids):
        options = replace(options, id_col=",".join(ids))
    if times and all(name in names for name in times):
        options = replace(options, time_col=",".join(times))
    return options


def _require(wanted: tuple[str, ...], names: Sequence[str], source: str, why: str) -> None:
    for name in wanted:
        if name not in names:
            raise InvalidInput(f"there is no such column, and it {why}", source=source, column=name)


def recall_format(mark: str, memory: SourceMemory) -> str | None:
    """The remembered form of dates, where a watermark is written in it; else None."""
    form = memory.date_format
    if form is None or form in UNITS_PER_SECOND:
        return form if is_number(mark) else None
    return form if fits(mark, form) else None


def learn(
    memory: SourceMemory, options: SourceOptions, roles: Roles, unit: str | None, date_format: str | None
) -> SourceMemory:
    """The memory after an ingest with these options. What was known stays; only `keep` follows the newest option.

    unit: the only one that the source's rows state; date_format: of its times, as given or as recognised.
    """
    return replace(
        memory,
        id_columns=roles.ids if memory.id_columns is None else memory.id_columns,
        time_columns=memory.time_columns or roles.times,
        target_column=memory.target_column or roles.target,
        unit=memory.unit or unit,
        date_format=memory.date_format or date_format,
        keep=options.keep or memory.keep,
        by=memory.by or options.by,
        **{name: getattr(memory, name) or getattr(options, name) for name in (*FORM, "every")},
    )


def with_dialect(options: SourceOptions, memory: SourceMemory) -> SourceOptions:
    """The options, completed by what is remembered of the form of files and of aggregation."""
    names = (*FORM, "keep", "every")
    return replace(options, **{name: getattr(options, name) or getattr(memory, name) for name in names})
