"""Which live values count: each row gets its verdict here, once, before it is stored.

A value that breaks a quality rule is *held*: its row carries the rule as its verdict, and states and history take it as
missing. The rules are those of `data/quality/quality_rules.py`, with the limits that are stored for each series. A
series without limits is judged by the dataset's range alone. The verdict is stored with the row and never changes, so a
state stays a function of the log.

Several held values in a row that agree with each other are a shift, such as another unit: the last of them counts, the
others follow as new rows, and the series gets new limits. No forecast that was made before them is scored on them or on
later values, and after a spike, a level far from all that was known, the state begins anew. Only spikes and jumps can
be a shift. A value outside of the dataset's range, or one that repeats for too long, stays held however often it comes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from data.records import dataset_rules, quarantine, series_limits
from data.records.dataset_rules import QualityRules
from data.records.quarantine import LIVE, VOCABULARY, Held, QuarantinedValue
from data.records.recent_rows import RecentRows
from data.records.series_limits import SeriesLimits, quantiles, reach_of
from data.store import observation_log
from data.store.catalogue import Dataset
from data.store.observation_log import Log
from forecasting.rolling.state import GOES_ON
from service.models.judged_rows import HeldValue, Judged, SeriesEnd, Shift
from states.out_of_order import BEGINNING
from states.row_index import RowIndex
from states.rows import Rows

RULES = (None, "range", "spike", "jump", "stale")  # by their number below
OF_SYMBOLS = (None, VOCABULARY, *RULES[2:])  # a value below 0 stands for a symbol outside the vocabulary
RANGE, SPIKE, JUMP, STALE = range(1, 5)
SHIFTING = ("spike", "jump")
LONG = 1_000  # rows of one series that are read to find its held values


class Judge:
    """Gives the live rows of one dataset their verdicts. Used by the writer thread only, except `flags`."""

    def __init__(
        self,
        dataset_id: int = 0,
        rules: QualityRules | None = None,
        limits: Iterable[SeriesLimits] = (),
        of_symbols: bool = False,
    ):
        self.dataset_id, self.rules, self.version = dataset_id, rules or QualityRules(), 0
        self.names = OF_SYMBOLS if of_symbols else RULES
        self._ends: dict[int, SeriesEnd] = {}  # by series: where a held value waits
        self.shifted: set[int] = set()  # series whose limits were made by a shift
        self.seq = 0  # row of the log up to which the ends and the recent rows are known
        self._quarantined = False  # may the dataset have values in quarantine?
        self._limits: dict[int, SeriesLimits] = {}
        self._recent: RecentRows | None = None
        self._index, self._lowest, self._highest = RowIndex(np.zeros(0, np.int64)), np.zeros(0), np.zeros(0)
        self._take(limits)

    @classmethod
    def load(cls, engine: Engine, dataset: Dataset) -> "Judge":
        """As the store has it now."""
        rules, limits = dataset_rules.rules(engine, dataset.id), series_limits.read(engine, dataset.id)
        judge = cls(dataset.id, rules, limits, dataset.has_symbols)
        held = quarantine.masked(engine, dataset.id)
        judge._quarantined = bool(held)
        judge.seq = observation_log.last_seq(engine, dataset.id)
        judge._find_ends(engine, dataset, [value for value in held if value.source == LIVE])
        if judge._recent is not None:
            begin = min((one.log_seq for one in judge._limits.values()), default=judge.seq)
            judge._follow_recent(observation_log.log(engine, dataset.id, begin, judge.seq), dataset)
        return judge

    def _find_ends(self, engine: Engine, dataset: Dataset, held: Iterable[QuarantinedValue]) -> None:
        """Find the values in quarantine after which none has counted yet: what the log says since the first of them."""
        stamps: dict[int, set[int]] = {}
        for value in held:
            stamps.setdefault(value.series_id, set()).add(value.ds)
        for most in (LONG, self.most_waiting):
            first = {series: sorted(own)[-most:][0] - 1 for series, own in stamps.items()}
            keys = list(first.items())
            sizes = observation_log.tail_sizes(engine, dataset.id, keys, LONG) if keys else []
            near = [key for key, size in zip(keys, sizes, strict=True) if size < LONG]
            if near:
                self._follow_ends(observation_log.tail(engine, dataset.id, near), dataset)
            stamps = {series: own for series, own in stamps.items() if (series, first[series]) not in set(near)}
        # After so many rows of the others a value has counted.

    def up_to_date(self, rules: QualityRules, version: int) -> bool:
        """Are these the rules and the version of the limits by which it judges?"""
        return self.rules == rules and self.version == version

    def flags(self, series: int) -> dict[str, bool]:
        """What a forecast of a series says: whether its last value is held, and whether it shifted."""
        return {"quarantined": series in self._ends, "shifted": series in self.shifted}

    @property
    def held(self) -> dict[int, int]:
        """By series: the number of its last values that are in quarantine. From any thread."""
        return {series: len(end.waiting) for series, end in list(self._ends.items())}

    @property
    def waiting(self) -> dict[int, dict[int, HeldValue]]:
        """By series and step: the held values after which no value has counted yet."""
        return {series: end.waiting for series, end in self._ends.items()}

    # --- judging ----------------------------------------------------------------------------------------------------

    def judge(self, engine: Engine, rows: Rows, ds: np.ndarray, newest: np.ndarray) -> Judged:
        """Rows (k,), in order of arrival, with the verdict of each; nothing changes yet.

        newest (k,): the newest step that the row's series has.
        """
        values = rows.values
        at = self._index.find(rows.series)
        outside = (values < self._lowest[at]) | (values > self._highest[at])
        again = self._quarantined and bool((rows.steps <= newest).any())
        if self._recent is None and not (again or self._ends or outside.any()):  # the usual batch
            return Judged(rows, ds, values)
        low, high = self.range
        broken = np.select([(values < low) | (values > high), outside], [RANGE, SPIKE], 0)
        if self._recent is not None:
            also = self._recent.judge(at, rows.steps, values, outside, self.rules.max_jump, self.rules.max_stale)
            broken = np.where(outside, broken, np.select([also == 1, also == 2], [JUMP, STALE], 0))
        asked = (broken > 0) | ((rows.steps <= newest) & self._quarantined)
        known = self._known(engine, rows.series, ds, asked) if asked.any() else {}
        affected = broken > 0
        if known:
            affected |= asked
        if self._ends:
            affected |= np.isin(rows.series, list(self._ends))
        if not affected.any():
            return Judged(rows, ds, values)
        places = np.flatnonzero(np.isin(rows.series, rows.series[affected]))
        return _Run(self, rows, ds, newest, broken, known).judge(places.tolist())

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value that the dataset allows."""
        rules = self.rules
        return (-np.inf if rules.low is None else rules.low), (np.inf if rules.high is None else rules.high)

    def _known(self, engine: Engine, series: np.ndarray, ds: np.ndarray, asked: np.ndarray) -> dict[Held, bool]:
        keys = list(zip(series[asked].tolist(), ds[asked].tolist(), strict=True))
        return quarantine.known(engine, self.dataset_id, keys)

    def limits(self, series: int) -> SeriesLimits | None:
        """The limits of a series; None where it has none."""
        return self._limits.get(series)

    @property
    def most_waiting(self) -> int:
        return max(1, self.rules.accept_after)

    # --- what is stored now -----------------------------------------------------------------------------------------

    def settle(self, judged: Judged, seq: int, whole: bool = True) -> None:
        """Take over the verdicts of rows that are stored now; they end at row `seq` of the log. whole: no row before
        them is still to be read."""
        self._end_with(judged.ends)
        if judged.verdicts:
            self._quarantined = True
        if self._recent is not None:
            hidden = [place for place, rule in judged.verdicts.items() if rule not in ("jump", "stale")]
            self._recent.push(self._index.find(judged.rows.series), judged.rows.steps, judged.values, hidden)
        if judged.shifts:
            self._take([shift.limits._replace(log_seq=seq, version=self.version) for shift in judged.shifts])
        if whole:
            self.seq = max(self.seq, seq)

    def catch_up(self, engine: Engine, dataset: Dataset, upto: int | None = None, most: int | None = None) -> None:
        """Take in what another process wrote to the log, up to row `upto`, and at most so many rows of it."""
        end = observation_log.last_seq(engine, dataset.id) if upto is None else upto
        if end > self.seq and (self._ends or self._recent is not None):
            if most is not None:
                end = observation_log.nth(engine, dataset.id, self.seq, end, most) or end
            log = observation_log.log(engine, dataset.id, self.seq, end)
            self._follow_ends(log, dataset)
            self._follow_recent(log, dataset)
        self.seq = max(self.seq, end)

    def replaces(self, engine: Engine, dataset: Dataset, before: "Judge") -> None:
        """Take over what `before` knows of the log's end, and the limits that it changed meanwhile."""
        before.catch_up(engine, dataset)
        if self._recent is not None:
            self._follow_recent(observation_log.log(engine, dataset.id, self.seq, before.seq), dataset)
        self._ends, self.seq = before._ends, before.seq
        self._quarantined |= before._quarantined
        self._take(series_limits.read(engine, self.dataset_id, after=self.version))

    def continues(self, engine: Engine, dataset: Dataset) -> None:
        """Take in what was stored since this judge was loaded. Unlike `replaces`, nothing of an earlier judge goes on:
        rows by which that one judges may be deleted."""
        end = observation_log.last_seq(engine, dataset.id)
        if end > self.seq:
            log = observation_log.log(engine, dataset.id, self.seq, end)
            self._quarantined |= bool(log.held.any())
            self._follow_ends(log, dataset)
            self._follow_recent(log, dataset)
            self.seq = end
        self._take(series_limits.read(engine, self.dataset_id, after=self.version))

    def end_of(self, series: int, newest: int) -> SeriesEnd:
        """A copy of a series' end; where nothing waits there, `newest` is its newest step."""
        end = self._ends.get(series)
        return end.copy() if end else SeriesEnd({}, newest)

    def _end_with(self, ends: Mapping[int, SeriesEnd]) -> None:
        for series, end in ends.items():
            if end.waiting:
                self._ends[series] = end
            else:
                self._ends.pop(series, None)

    def _follow_ends(self, log: Log, dataset: Dataset) -> None:
        """Change the ends as rows of the log, in any order, do."""
        log = log.select(np.isin(log.series_id, [*self._ends, *np.unique(log.series_id[log.held]).tolist()]))
        order = np.argsort(log.seq)
        steps = dataset.grid.steps(log.ds)
        columns = (log.series_id, steps, log.ds, log.y, log.rule)
        ends: dict[int, SeriesEnd] = {}
        for series, step, ds, y, rule in zip(*(column[order].tolist() for column in columns), strict=True):
            if series not in ends:
                limits = self._limits.get(series)
                ends[series] = self.end_of(series, series_limits.last_step(limits.recent) if limits else BEGINNING)
            ends[series].follow(HeldValue(step, ds, y, rule) if rule else None, step, y, self.most_waiting)
        self._end_with(ends)

    def _follow_recent(self, log: Log, dataset: Dataset) -> None:
        if self._recent is None:
            return
        at = self._index.find(log.series_id)
        read = np.array([one.log_seq for one in self._limits.values()] or [0])
        log = log.select((at >= 0) & (log.seq > read[at]))
        hidden = np.flatnonzero(log.held & ~np.isin(log.verdict, ["jump", "stale"]))
        at = self._index.find(log.series_id)
        self._recent.push(at, dataset.grid.steps(log.ds), log.y, hidden.tolist())

    def _take(self, limits: Iterable[SeriesLimits]) -> None:
        """Judge by these limits too, in place of earlier ones of their series."""
        fresh = {one.series_id: one for one in limits}
        added = [number for number in fresh if number not in self._limits]
        self._limits |= fresh
        self.version = max((one.version for one in fresh.values()), default=self.version)
        self.shifted -= fresh.keys()
        self.shifted |= {number for number, one in fresh.items() if one.shifted_ds is not None}
        if added or not len(self._lowest):
            self._index = RowIndex(np.array(list(self._limits), np.int64))
            room = np.full(len(self._limits) + 1 - len(self._lowest), np.nan)
            self._lowest, self._highest = np.append(self._lowest, room), np.append(self._highest, room)
            self._lowest[-1], self._highest[-1] = self.range  # of series without limits
        at = self._index.find(np.array(list(fresh), np.int64))
        self._lowest[at], self._highest[at] = self.bounds(list(fresh.values()))
        if self.rules.max_jump is not None or self.rules.max_stale is not None:
            self._recent = self._recent or RecentRows.of([])
            self._recent.append([fresh[number].recent for number in added])

    def bounds(self, limits: Sequence[SeriesLimits]) -> tuple[np.ndarray, np.ndarray]:
        """(n,) smallest and (n,) largest value of series that break neither `range` nor `spike`."""
        low, high = (np.array([getattr(one, name) for one in limits], np.float64) for name in ("low", "high"))
        reach = reach_of(low, high)
        room = np.where(reach > 0, reach, np.inf) * (np.inf if self.rules.spike is None else self.rules.spike)
        return np.maximum(low - room, self.range[0]), np.minimum(high + room, self.range[1])


class _Run:
    """Judges the rows of the few series that hold a value, or now have one to hold, one after the other."""

    def __init__(
        self,
        judge: Judge,
        rows: Rows,
        ds: np.ndarray,
        newest: np.ndarray,
        broken: np.ndarray,
        known: Mapping[Held, bool],
    ) -> None:
        self._judge, self._rows, self._ds, self._known = judge, rows, ds, known
        self._newest, self._broken = newest, broken
        self._ends: dict[int, SeriesEnd] = {}
        self._verdicts: dict[int, str] = {}
        self._shifts: list[Shift] = []
        self._limits: dict[int, SeriesLimits] = {}  # of series that shifted in these rows

    def judge(self, places: list[int]) -> Judged:
        columns = (self._rows.series, self._rows.steps, self._ds, self._rows.values, self._broken, self._newest)
        lists = (column[places].tolist() for column in columns)
        for place, series, step, ds, y, number, newest in zip(places, *lists, strict=True):
            if series not in self._ends:
                self._ends[series] = self._judge.end_of(series, newest)
            rule = self._rule(series, ds, y, number)
            value = HeldValue(step, ds, y, rule) if rule else None
            self._ends[series].follow(value, step, y, self._judge.most_waiting)
            if value and not self._shift(series, place, value):
                self._verdicts[place] = value.rule
        return self._judged()

    def _rule(self, series: int, ds: int, y: float, number: int) -> str | None:
        """The rule that a value breaks; a released value breaks none, and one in quarantine stays there."""
        if y != y:
            return None
        rule = self._judge.names[number]
        if rule == "spike" and series in self._limits:
            rule = self._spike(self._limits[series], y)
        released = self._known.get((series, ds, y))
        if released is None:
            return rule
        return None if released else rule or "held"

    def _spike(self, limits: SeriesLimits, y: float) -> str | None:
        (lowest,), (highest,) = self._judge.bounds([limits])
        return None if lowest <= y <= highest else "spike"

    def _shift(self, series: int, place: int, value: HeldValue) -> bool:
        """Do the last held values of a series, this one among them, make a shift?"""
        limits = self._limits.get(series) or self._judge.limits(series)
        waiting, most = self._ends[series].waiting, self._judge.rules.accept_after
        last = [waiting[step] for step in sorted(waiting)][-most:] if most else []
        if limits is None or len(last) < max(most, 1) or value not in last:
            return False
        if any(held.rule not in SHIFTING for held in last):
            return False
        usual = _usual_after(limits, last)
        found = np.array([held.y for held in last])
        if np.ptp(found) > usual:
            return False
        (low,), (high,), _ = quantiles(found[None])
        recent = series_limits.recent_of(found, last[-1].step)
        after = SeriesLimits(series, float(low), float(high), usual, recent, 0, value.ds)
        self._limits[series] = after
        begins = last[0].step if any(held.rule == "spike" for held in last) else None
        self._shifts.append(Shift(series, place, tuple(held for held in last if held is not value), after, begins))
        self._ends[series] = SeriesEnd({}, last[-1].step)
        return True

    def _judged(self) -> Judged:
        """The rows, those that a shift releases behind them."""
        again = [(shift, value) for shift in self._shifts for value in shift.released]
        series = np.array([shift.series for shift, _ in again], np.int64)
        steps, ds = (np.array([getattr(value, name) for _, value in again], np.int64) for name in ("step", "ds"))
        late = Rows.arrived(series, steps, np.array([value.y for _, value in again]))
        late = replace(late, anew=np.array([shift.anew(value.step) for shift, value in again], np.int8))
        held = np.fromiter(self._verdicts, np.int64, len(self._verdicts))
        counted = self._rows.values.copy()
        counted[held] = np.nan
        anew = np.zeros(len(counted), np.int8)
        for shift in self._shifts:
            anew[shift.place] = shift.anew(int(self._rows.steps[shift.place]))
        first = np.where(anew > GOES_ON, np.nan, counted)  # no forecast knew of the shift
        rows = replace(self._rows, values=counted, first_values=first, anew=anew)
        joined = Rows.joined([rows, late]) if again else rows
        values = np.concatenate([self._rows.values, late.values])
        stamps = np.concatenate([self._ds, ds])
        return Judged(joined, stamps, values, self._verdicts, self._ends, tuple(self._shifts))


def _usual_after(limits: SeriesLimits, values: Iterable[HeldValue]) -> float:
    """How far apart values of this size may lie: in another unit, a series varies as much more as it is larger."""
    before = max(abs(limits.low), abs(limits.high))
    now = max(abs(value.y) for value in values)
    return limits.usual * (max(1.0, now / before) if before else 1.0)
