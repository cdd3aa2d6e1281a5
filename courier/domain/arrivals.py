"""When a call can be expected, said so that nine times out of ten it is true: from the plan, the acts so far, and how rounds go here.

A round departs from its plan in two ways. As a whole: a slow day, a slow postman, felt at every stop and learned from the acts as
the day goes. And at every way and door by itself. Both add up along the route; waiting for a window swallows what went before.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.9
"""The share of calls that begin within the window that is told."""
LEAST_ROUNDS: Final = 10
"""Fewer recorded rounds than this teach nothing."""
LEAST_GAPS: Final = 150
"""Nor do fewer gaps between two acts."""

_NORMAL: Final = NormalDist()
# Times on the road lean to the late side: the skewness of a time is about this many times its coefficient of variation.
_LEAN: Final = 3.0
# What the data file says counts as much as so many rounds.
_PRIOR_ROUNDS: Final = 8
# What an office can teach: no further than this from what is known of all of them.
_FACTORS: Final = (0.6, 1.8)
_ROUND_SPREADS: Final = (0.03, 0.5)
_SCALES: Final = (0.4, 3.0)
_STRETCHES: Final = (0.5, 2.0)
_FAR_OUT: Final = 16.0  # a gap further off than four spreads counts as that
# Of a round's own factor this share changes on the way: another road, another weather. No act tells of it beforehand.
_CHANGES: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How far rounds depart from their plans: `factor` on all planned seconds, the rest coefficients of variation and seconds.

    `round`: the round as a whole; `way` and `door`: one way, one door alone; `stop_seconds`: per stop whatever its length (a
    telephone call, a wrong turn); `start_seconds` and `start_spread_seconds`: leaving late. `early` and `late` stretch what all this
    gives for the two sides of a window. `basis` is `estimated` (the data file) or `learned` (from `rounds` rounds of the office).
    """

    factor: float = 1.0
    round: float = 0.12
    way: float = 0.35
    door: float = 0.5
    stop_seconds: float = 60.0
    start_seconds: float = 300.0
    start_spread_seconds: float = 300.0
    early: float = 1.0
    late: float = 1.0
    basis: str = "estimated"
    rounds: int = 0

    def variance(self, piece: "Piece") -> float:
        """Of one way and door by themselves, in square seconds."""
        return (self.way * piece.way) ** 2 + (self.door * piece.door) ** 2 + self.stop_seconds**2


@dataclass(frozen=True, slots=True)
class Piece:
    """A way and the door at its end, in planned seconds; `opens`: nobody is served there earlier (seconds on any clock).

    `rests` are seconds of rest on the way: nothing stretches them.
    """

    way: float
    door: float
    opens: float | None = None
    rests: float = 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """What was between two acts of a round: planned, and as it was (seconds)."""

    planned: Piece
    took: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A time that is not known: its mean, its spread and its lean (third cumulant), seconds on the clock of the pieces.

    `not_before` is when it is certain not to be earlier; `early` and `late` stretch the two sides.
    """

    mean: float
    spread: float
    lean: float
    not_before: float = -math.inf
    early: float = 1.0
    late: float = 1.0

    def quantile(self, share: float) -> float:
        """The time before which it is with this chance."""
        if not self.spread:
            return max(self.mean, self.not_before)
        return max(self.mean + self._steps(share) * self.spread, self.not_before)

    def stretched(self, seen: float) -> float:
        """How far off a seen time was: 1 at the upper edge of a window of `CONFIDENCE`, -1 at the lower one, both unstretched."""
        tail = (1 - CONFIDENCE) / 2
        off = (seen - self.mean) / self.spread
        return off / (self._steps(1 - tail) / self.late) if off > 0 else -off / (self._steps(tail) / self.early)

    def _steps(self, share: float) -> float:
        """How many spreads from the mean (Cornish and Fisher 1938, to the skewness)."""
        z = _NORMAL.inv_cdf(share)
        z += (z * z - 1) * self._skewness / 6
        return z * (self.late if z > 0 else self.early)

    def before(self, moment: float) -> float:
        """The chance that it is earlier."""
        if moment <= self.not_before:
            return 0.0
        if not self.spread:
            return float(self.mean < moment)
        x = (moment - self.mean) / self.spread
        x /= self.late if x > 0 else self.early
        return _NORMAL.cdf(x - (x * x - 1) * self._skewness / 6 if abs(x) < 1 / max(self._skewness / 3, 1e-9) else x)

    def between(self, confidence: float, *, now: float) -> tuple[float, float]:
        """The middle part of what is still possible, when it is known not to have been before `now`."""
        gone = min(self.before(now), 1 - 1e-4)
        tail = (1 - confidence) / 2
        return (
            max(now, self.quantile(gone + tail * (1 - gone))) if gone else self.quantile(tail),
            max(now, self.quantile(gone + (1 - tail) * (1 - gone))),
        )

    @property
    def _skewness(self) -> float:
        # Beyond one the expansion bends back.
        return min(1.0, self.lean / self.spread**3)


@dataclass(frozen=True, slots=True)
class _Sum:
    """A running time: `alone` is the variance of pieces by themselves, `shared` the seconds that the round's factor stretches."""

    mean: float
    alone: float
    shared: float
    lean: float

    def spread(self, round_spread: float) -> float:
        return math.sqrt(self.alone + (round_spread * self.shared) ** 2)


def expected(
    noise: Noise,
    coming: Sequence[Piece],
    *,
    left_at: float,
    has_left: bool,
    done: Iterable[Gap] = (),
    not_done_at: float | None = None,
    silence: float = 0.0,
) -> list[Spread]:
    """When each call to come begins. `left_at` is the last act, or (not `has_left`) when he was to leave.

    `done` are the gaps of the round so far: they tell how the day goes. At `not_done_at` the next call was not done yet.
    `silence` are the seconds for which nobody has heard of him while something was due: what we do not know grows with them.
    """
    factor, round_spread = _as_the_day_goes(noise, done)
    now = _Sum(left_at, (silence / 2) ** 2, 0.0, 0.0)
    if not has_left:
        late = noise.start_spread_seconds
        now = _Sum(left_at + noise.start_seconds, now.alone + late**2, 0.0, 2 * late**3)
    told: list[Spread] = []
    for number, piece in enumerate(coming):
        arrived = _with(replace(now, mean=now.mean + piece.rests), noise, factor, way=piece.way)
        begun, open_share = _opened(arrived, round_spread, piece.opens)
        left = _with(begun, noise, factor, door=piece.door)
        if number == 0 and not_done_at is not None:
            arrived, left = _not_yet(arrived, left, round_spread, not_done_at, open_share)
        told.append(_told(arrived, round_spread, piece.opens, noise))
        now = left
    return told


def _as_the_day_goes(noise: Noise, done: Iterable[Gap]) -> tuple[float, float]:
    """The round's factor and how sure it is, after what it has shown: what was known before, and every gap by its weight."""
    weight = 1 / noise.round**2 if noise.round else math.inf
    if math.isinf(weight):
        return noise.factor, 0.0
    total = noise.factor * weight
    for gap in done:
        planned = gap.planned.way + gap.planned.door
        variance = noise.variance(gap.planned)
        # One flat tyre does not make a slow day.
        most = planned * noise.factor + 3 * math.sqrt(variance)
        weight += planned**2 / variance
        total += min(gap.took, most) * planned / variance
    return total / weight, math.hypot(
        math.sqrt(1 / weight), _CHANGES * noise.round if weight * noise.round**2 > 1 + 1e-9 else 0.0
    )


def _with(time: _Sum, noise: Noise, factor: float, *, way: float = 0.0, door: float = 0.0) -> _Sum:
    alone = (noise.way * way) ** 2 + (noise.door * door) ** 2
    lean = _LEAN * (noise.way * (noise.way * way) ** 3 + noise.door * (noise.door * door) ** 3)
    if way or door:
        alone += noise.stop_seconds**2 / 2
        lean += noise.stop_seconds**3 / 2
    return _Sum(time.mean + factor * (way + door), time.alone + alone, time.shared + way + door, time.lean + lean)


def _opened(time: _Sum, round_spread: float, opens: float | None) -> tuple[_Sum, float]:
    """The later of the time and the window's opening; and the chance that the opening does not matter."""
    spread = time.spread(round_spread)
    if opens is None:
        return time, 1.0
    if not spread:
        return replace(time, mean=max(time.mean, opens)), 1.0
    z = (opens - time.mean) / spread
    waits, density = _NORMAL.cdf(z), _NORMAL.pdf(z)
    goes = 1 - waits
    # The first two moments of the later of a normal time and a fixed one (Clark 1961), about the opening.
    ahead = time.mean - opens
    mean = ahead * goes + spread * density
    square = (ahead**2 + spread**2) * goes + ahead * spread * density
    shared = time.shared * goes
    variance = max(0.0, square - mean**2)
    return _Sum(opens + mean, max(0.0, variance - (round_spread * shared) ** 2), shared, time.lean * goes), goes


def _not_yet(arrived: _Sum, left: _Sum, round_spread: float, at: float, open_share: float) -> tuple[_Sum, _Sum]:
    """The same two times, when he had not left the door at `at`: what is over is over, and what is to come moves up."""
    spread = left.spread(round_spread)
    if not spread:
        return arrived, replace(left, mean=max(left.mean, at))
    x = (at - left.mean) / spread
    # The share of the chance that is left, as density over it; far out by its limit.
    hazard = _NORMAL.pdf(x) / (1 - _NORMAL.cdf(x)) if x < 6 else x + 1 / x
    later = spread * hazard
    # Whoever is far behind has met with something that the spread does not know: what is left is not known better than this.
    kept = max(1 + x * hazard - hazard**2, 0.25)
    share = min(1.0, arrived.spread(round_spread) ** 2 / spread**2) * open_share
    mean = max(left.mean + later, at + 0.25 * spread)
    moved = replace(
        arrived,
        mean=arrived.mean + share * (mean - left.mean),
        alone=arrived.alone * kept,
        shared=arrived.shared * math.sqrt(kept),
    )
    return moved, _Sum(mean, left.alone * kept, left.shared * math.sqrt(kept), left.lean * kept**1.5)


def _told(time: _Sum, round_spread: float, opens: float | None, noise: Noise) -> Spread:
    whole = round_spread * time.shared
    lean = time.lean + _LEAN * round_spread * whole**3
    not_before = -math.inf if opens is None else opens
    return Spread(time.mean, time.spread(round_spread), lean, not_before, noise.early, noise.late)


# ------------------------------------------------------------------------------------------------------- learning
def learned(prior: Noise, rounds: Iterable[Sequence[Gap]]) -> Noise:
    """What an office's recorded rounds say of how its rounds go; the prior where there are too few.

    Everything is drawn to the prior as if that were some rounds too, and kept within bounds: a broken clock moves nothing far.
    """
    known = [gaps for gaps in rounds if sum(gap.planned.way + gap.planned.door for gap in gaps) > 0]
    count = len(known)
    if count < LEAST_ROUNDS or sum(len(gaps) for gaps in known) < LEAST_GAPS:
        return prior
    planned = [sum(gap.planned.way + gap.planned.door for gap in gaps) for gaps in known]
    took = [sum(gap.took for gap in gaps) for gaps in known]
    drawn = sum(planned) / count * _PRIOR_ROUNDS
    factor = (sum(took) + prior.factor * drawn) / (sum(planned) + drawn)
    factor = min(max(factor, _FACTORS[0]), _FACTORS[1])
    scale2 = _scale(prior, known)
    between = sum((t / p - factor) ** 2 for t, p in zip(took, planned, strict=True)) / count
    within = (
        sum(
            scale2 * sum(prior.variance(gap.planned) for gap in gaps) / p**2
            for gaps, p in zip(known, planned, strict=True)
        )
        / count
    )
    as_whole = max(0.0, between - within)
    spread = math.sqrt((count * as_whole + _PRIOR_ROUNDS * prior.round**2) / (count + _PRIOR_ROUNDS))
    scale = math.sqrt(scale2)
    return replace(
        prior,
        factor=factor,
        round=min(max(spread, _ROUND_SPREADS[0]), _ROUND_SPREADS[1]),
        way=prior.way * scale,
        door=prior.door * scale,
        stop_seconds=prior.stop_seconds * scale,
        basis="learned",
        rounds=count,
    )


def _scale(prior: Noise, rounds: Sequence[Sequence[Gap]]) -> float:
    """How much wider than the prior says (a factor on its variances) ways and doors by themselves are, within their rounds."""
    total, degrees = 0.0, 0
    for gaps in rounds:
        whole = sum(gap.planned.way + gap.planned.door for gap in gaps)
        factor = sum(gap.took for gap in gaps) / whole
        for gap in gaps:
            off = gap.took - factor * (gap.planned.way + gap.planned.door)
            total += min(off**2 / prior.variance(gap.planned), _FAR_OUT)
        degrees += len(gaps) - 1
    seen = total / max(1, degrees)
    drawn = _PRIOR_ROUNDS * degrees / len(rounds)
    return min(max((seen * degrees + drawn) / (degrees + drawn), _SCALES[0] ** 2), _SCALES[1] ** 2)


def calibrated(noise: Noise, seen: Iterable[tuple[Spread, float]]) -> Noise:
    """The noise with its two sides stretched so that `CONFIDENCE` of what was seen would have been within what was said of it.

    Whatever the sums above do not know of (the tail of a hold-up, roads that are slow together) shows here.
    """
    off = sorted(spread.stretched(time) for spread, time in seen if spread.spread)
    if len(off) < LEAST_GAPS:
        return noise
    tail = round((1 - CONFIDENCE) / 2 * (len(off) - 1))
    edges = (-off[tail], off[-1 - tail])
    early, late = (
        min(max((edge * noise.rounds + _PRIOR_ROUNDS) / (noise.rounds + _PRIOR_ROUNDS), _STRETCHES[0]), _STRETCHES[1])
        for edge in edges
    )
    return replace(noise, early=early, late=late)
