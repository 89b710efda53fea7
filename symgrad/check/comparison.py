"""Gradients from several methods, set beside each other: a verdict for every entry, with the evidence.

Each method states its gradient and a bound on its own error. Two methods agree at an entry when they differ by no more
than the two bounds together; nothing is scaled by the size of an array.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from symgrad.check.numeric import Estimate
from symgrad.errors import InputError, ShapeError

Array: TypeAlias = NDArray[Any]
Index: TypeAlias = "tuple[int, ...]"
Sides: TypeAlias = "Mapping[Index, tuple[Estimate, Estimate]]"

SCHEMA_VERSION = 1
VERDICTS = ("agree", "kink", "inconclusive", "disagree")
AGREE, KINK, INCONCLUSIVE, DISAGREE = range(4)
ROUNDING = 32  # rounding errors of a method, in units of eps times the condition of the entry
RESOLUTION = 1e-6  # a bound wider than this share of the entry's scale decides nothing; float32: 1024 eps
HEADINGS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("gradient", "left"), ("method", "left"), ("largest entry", "right"), ("difference", "right"),
    ("relative", "right"), ("verdict", "left"),
)  # fmt: skip
DIGITS = (None, 12, 8, 5)  # of the largest entries in the table, from the widest form on
NUDGE = 2.0**-30  # relative change of the inputs by which the condition is measured


@dataclass(frozen=True)
class Pair:
    """Two methods at one parameter: a verdict for every entry, and the largest differences."""

    parameter: str
    first: str
    second: str
    verdict: NDArray[np.int8]
    absolute: float
    relative: float

    def count(self, verdict: str) -> int:
        return int(np.count_nonzero(self.verdict == VERDICTS.index(verdict)))


@dataclass(frozen=True)
class Entry:
    """One entry of one parameter as two methods see it."""

    parameter: str
    index: Index
    first: str
    second: str
    values: Mapping[str, float]
    difference: float
    bound: float
    verdict: str

    def __str__(self) -> str:
        seen = ", ".join(f"{m} {v!r}" for m, v in self.values.items())
        at = f"{self.parameter}[{', '.join(map(str, self.index))}]" if self.index else self.parameter
        return (
            f"{at}: {self.first} and {self.second} differ by {self.difference:.3g}, "
            f"allowed are {self.bound:.3g}: {self.verdict} ({seen})"
        )


@dataclass(frozen=True)
class Comparison:
    """What the methods said, and whether they agree; `ok` is true where nothing disagrees or stays undecided.

    Formula: two methods agree at an entry where |a - b| <= error_a + error_b.
    Shapes: `gradients`, `errors` and `verdicts` hold arrays in the shapes of the parameters.
    Raises: InputError where a pair that was not compared is asked for.
    Source: the error that each method states, see `symgrad.compare`.

    >>> import symgrad as sg
    >>> c = sg.compare("w**3", at={"w": 2.0})
    >>> c.ok, c.headline()
    (True, '1 entry by 4 methods: 1 agree')
    """

    gradients: Mapping[str, Mapping[str, Array]]
    errors: Mapping[str, Mapping[str, Array]]
    pairs: tuple[Pair, ...]
    verdicts: Mapping[str, NDArray[np.int8]]
    seconds: Mapping[str, float]
    value: float | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # what is wrong beside the entries of gradients

    @property
    def ok(self) -> bool:
        return not self.problems and all(bool(np.all(v <= KINK)) for v in self.verdicts.values())

    def count(self, verdict: str) -> int:
        """Return how many entries have the verdict."""
        code = VERDICTS.index(verdict)
        return sum(int(np.count_nonzero(v == code)) for v in self.verdicts.values())

    def largest(self, first: str, second: str) -> tuple[float, float]:
        """Return the largest absolute and relative difference of two methods over all parameters."""
        chosen = [p for p in self.pairs if {p.first, p.second} == {first, second}]
        if not chosen:
            raise InputError(f"{first!r} and {second!r} were not compared; methods: {', '.join(self.gradients)}")
        return max(p.absolute for p in chosen), max(p.relative for p in chosen)

    def worst(self) -> Entry:
        """Return the entry that is furthest beyond its bound, or nearest to it where all is well."""
        best: tuple[tuple[int, float], Pair, Index] | None = None
        for pair in self.pairs:
            if not pair.verdict.size:
                continue
            difference, bound = self._evidence(pair)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(difference == 0, 0.0, difference / bound)
            ratio = np.where(np.isinf(bound), 0.0, np.where(np.isnan(ratio), np.inf, ratio))
            rank = np.where(pair.verdict == DISAGREE, 1, 0)
            place = int(np.lexsort((ratio.ravel(), rank.ravel()))[-1])
            key = (int(rank.flat[place]), float(ratio.flat[place]))
            if best is None or key > best[0]:
                best = (key, pair, tuple(int(i) for i in np.unravel_index(place, pair.verdict.shape)))
        if best is None:
            raise InputError("there is no entry to compare: every parameter is empty")
        _, pair, index = best
        difference, bound = self._evidence(pair)
        return Entry(
            pair.parameter, index, pair.first, pair.second,
            {m: float(g[pair.parameter][index]) for m, g in self.gradients.items()},
            float(difference[index]), float(bound[index]), VERDICTS[int(pair.verdict[index])],
        )  # fmt: skip

    def odd_one_out(self) -> str | None:
        """Return the one method that every disagreement involves, or None."""
        broken = [{p.first, p.second} for p in self.pairs if p.count("disagree")]
        if not broken or len(self.gradients) < 3:
            return None
        common = set.intersection(*broken)
        return common.pop() if len(common) == 1 else None

    def _evidence(self, pair: Pair) -> tuple[Array, Array]:
        a, b = (np.asarray(self.gradients[m][pair.parameter], np.float64) for m in (pair.first, pair.second))
        with np.errstate(invalid="ignore"):
            difference = np.abs(a - b)
        return difference, self.errors[pair.first][pair.parameter] + self.errors[pair.second][pair.parameter]

    def table(self, width: int | None = None) -> Table:
        """Return a rich table: for each parameter its largest entry by every method, and the differences to the first.

        Two other methods have a row of their own where they disagree with each other. Where `width` columns are too few
        the numbers lose digits first; then verdicts and pairs of methods stand one below the other, no word is broken.
        """
        if width is None:
            return self._table(None, tall=False)
        console = Console(width=10_000)  # wide, to learn how much room a table wants
        tables = (self._table(digits, tall) for tall in (False, True) for digits in DIGITS)
        fits = (t for t in tables if console.measure(t).maximum <= width)
        return next(fits, None) or self._table(DIGITS[-1], tall=True)

    def _table(self, digits: int | None, tall: bool) -> Table:
        table = Table(title=self.headline(), caption=self._caption(), title_justify="left", caption_justify="left",
                      box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for heading, side in HEADINGS:
            heading = heading.replace(" ", "\n") if tall else heading
            table.add_column(heading, justify=side, no_wrap=heading != "gradient", overflow="fold", min_width=8)
        comma, equals, gap = (",\n", " =\n", "\n") if tall else (", ", " = ", "  ")
        reference = next(iter(self.gradients))
        for parameter, verdicts in self.verdicts.items():
            shape = "x".join(map(str, verdicts.shape)) or "scalar"
            shown = self._largest_entry(parameter)
            first = [f"[{', '.join(map(str, shown))}]"] if shown else []  # the place of the entry, under the name
            table.add_section()
            number = self._number(reference, parameter, shown, digits)
            table.add_row(*map(Text, (f"{parameter}{gap}{shape}", reference, number, "", "", "")))
            for pair in self.pairs:
                if pair.parameter != parameter or (pair.first != reference and not pair.count("disagree")):
                    continue
                verdict = comma.join(f"{pair.count(v)} {v}" for v in VERDICTS if pair.count(v)) or "empty"
                style = "bold red" if pair.count("disagree") else "yellow" if pair.count("inconclusive") else None
                label = pair.second if pair.first == reference else f"{pair.first}{equals}{pair.second}"
                number = self._number(pair.second, parameter, shown, digits) if pair.first == reference else ""
                place = first.pop() if first else ""
                cells = (place, label, number, f"{pair.absolute:.1e}", f"{pair.relative:.1e}", verdict)
                table.add_row(*map(Text, cells), style=style)
        return table

    def _largest_entry(self, parameter: str) -> Index | None:
        g = np.abs(next(iter(self.gradients.values()))[parameter])
        if not g.size:
            return None
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(np.nan_to_num(g, nan=np.inf))), g.shape))

    def _number(self, method: str, parameter: str, index: Index | None, digits: int | None) -> str:
        if index is None:
            return ""
        value = self.gradients[method][parameter][index]
        return str(value) if digits is None else f"{value:.{digits}g}"

    def headline(self) -> str:
        """Return the result in one line."""
        total = sum(v.size for v in self.verdicts.values())
        parts = [f"{self.count(v)} {v}" for v in VERDICTS if self.count(v)]
        entries = "1 entry" if total == 1 else f"{total} entries"
        return f"{entries} by {len(self.gradients)} methods: {', '.join(parts) or 'nothing to compare'}"

    def _caption(self) -> Text:
        lines = ["time: " + ", ".join(f"{m} {_duration(s)}" for m, s in self.seconds.items())] if self.seconds else []
        if self.count("disagree"):
            lines.append("worst: " + str(self.worst()))
            odd = self.odd_one_out()
            if odd:
                lines.append(f"every disagreement involves {odd}")
        return Text("\n".join([*self.problems, *lines, *self.notes]))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.table(options.max_width)

    def __str__(self) -> str:
        out = io.StringIO()
        Console(file=out, width=110, color_system=None, legacy_windows=False).print(self)
        return out.getvalue().rstrip()

    def to_json(self) -> str:
        """Return the comparison as one JSON object; numbers that JSON cannot hold are strings."""
        worst = self.worst() if any(v.size for v in self.verdicts.values()) else None
        data = {
            "schema_version": SCHEMA_VERSION,
            "ok": self.ok,
            "value": _plain(self.value),
            "methods": [{"name": m, "seconds": _plain(self.seconds.get(m))} for m in self.gradients],
            "entries": {v: self.count(v) for v in VERDICTS},
            "pairs": [
                {
                    "parameter": p.parameter, "shape": list(p.verdict.shape), "first": p.first, "second": p.second,
                    "largest_absolute": _plain(p.absolute), "largest_relative": _plain(p.relative),
                    **{v: p.count(v) for v in VERDICTS},
                }
                for p in self.pairs
            ],
            "verdicts": {n: np.asarray(VERDICTS)[v].tolist() for n, v in self.verdicts.items()},
            "worst": None if worst is None else {k: _plain(v) for k, v in vars(worst).items()},
            "notes": list(self.notes),
            "problems": list(self.problems),
        }  # fmt: skip
        return json.dumps(data, allow_nan=False)


def compare_gradients(gradients: Mapping[str, Mapping[str, Any]],
                      errors: Mapping[str, Mapping[str, Any]] | None = None, *,
                      sides: Mapping[str, Mapping[str, Sides]] | None = None,
                      scale: Mapping[str, Any] | None = None, seconds: Mapping[str, float] | None = None,
                      value: float | None = None, notes: Sequence[str] = ()) -> Comparison:
    """Compare gradients by several methods, entry by entry.

    Formula: agree where |a - b| <= error_a + error_b; `errors` defaults to 32 eps |a|, eps of the gradient's dtype.
    Where the sum of the errors exceeds 1e-6 of the entry's scale, the pair is inconclusive: nothing was shown.
    `sides` gives, for a method by differences, the one-sided derivatives at entries that sit on a kink: values between
    the two are a kink, whatever the method, any other one disagrees.

    Shapes: the methods' gradients of one parameter have one shape; errors and scale broadcast to it.
    Raises: InputError for fewer than two methods or differing parameters, ShapeError for differing shapes.
    Source: error bounds in place of tolerances; Higham (2002), Accuracy and Stability of Numerical Algorithms, ch. 1.

    >>> import numpy as np
    >>> c = compare_gradients({"mine": {"w": np.array([1.0, 2.0])}, "theirs": {"w": np.array([1.0, -2.0])}})
    >>> c.ok, c.count("disagree"), c.worst().index
    (False, 1, (1,))
    """
    if len(gradients) < 2:
        raise InputError(f"a comparison needs at least two methods, got {', '.join(gradients) or 'none'}")
    methods = list(gradients)
    parameters = list(gradients[methods[0]])
    held: dict[str, dict[str, Array]] = {}
    bounds: dict[str, dict[str, Array]] = {}
    for m in methods:
        if set(gradients[m]) != set(parameters):
            raise InputError(
                f"{methods[0]} has gradients for {', '.join(parameters)}, {m} for {', '.join(gradients[m])}; "
                f"both need the same parameters"
            )
        held[m] = {p: np.asarray(gradients[m][p]) for p in parameters}
        bounds[m] = {}
        for p in parameters:
            g, like = held[m][p], held[methods[0]][p]
            if g.shape != like.shape:
                raise ShapeError(
                    f"the gradient of {p} has shape {like.shape} by {methods[0]} and {g.shape} by {m}; "
                    f"a gradient has the shape of its variable"
                )
            given = (errors or {}).get(m, {}).get(p)
            bounds[m][p] = np.broadcast_to(exact_error(g) if given is None else np.asarray(given, np.float64), g.shape)
    pairs = []
    overall = {}
    for p in parameters:
        own: list[Pair] = []
        for first, second in itertools.combinations(methods, 2):
            a, b = held[first][p], held[second][p]
            floor = None if scale is None else scale.get(p)
            bound = bounds[first][p] + bounds[second][p]
            verdict = _verdicts(a, b, bound, floor)
            for method, found in (sides or {}).items():
                _judge_kinks(verdict, [g for m, g in ((first, a), (second, b)) if m != method], found.get(p, {}))
            own.append(Pair(p, first, second, verdict, *_largest(a, b, bound)))
        pairs += own
        overall[p] = _overall([q.verdict for q in own])
    return Comparison(held, bounds, tuple(pairs), overall, dict(seconds or {}), value, tuple(notes))


def exact_error(gradient: Array, condition: Array | float = 0.0) -> Array:
    """Return the rounding error allowed to a method without truncation error: 32 eps (|g| + condition)."""
    kind = gradient.dtype if gradient.dtype.kind == "f" else np.dtype(np.float64)
    allowed = ROUNDING * np.finfo(kind).eps * (np.abs(gradient) + condition)
    # inf and nan are claims like others: no bound excuses them
    return np.where(np.isfinite(gradient), allowed, 0.0).astype(np.float64)


def condition_of(gradient: Callable[..., Mapping[str, Any]], arrays: Mapping[str, Any],
                 samples: int = 4) -> dict[str, Array]:
    """Return how far each entry of a gradient moves when every input moves by a relative 1, from small random moves.

    Formula: max over samples |g(x (1 + d u)) - g(x)| / d, u uniform in [-1, 1], d = 2**-30. Where terms cancel in an
    entry, this stays as large as the terms, and so does the rounding error of any way to compute it.
    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 1.6 (condition and error).

    >>> import numpy as np
    >>> moved = condition_of(lambda x: {"x": np.sum(x) * np.ones(3)}, {"x": np.array([1e6, -1e6, 1.0])})
    >>> bool(1e5 < moved["x"][0] < 2e6)
    True
    """
    rng = np.random.default_rng(0)
    real = {k: np.asarray(v, np.float64) for k, v in arrays.items() if np.asarray(v).dtype.kind == "f"}
    base = {k: np.asarray(v) for k, v in gradient(**{**arrays, **real}).items()}
    moved = {k: np.zeros(v.shape) for k, v in base.items()}
    for _ in range(samples):
        near = {k: v * (1 + NUDGE * rng.uniform(-1, 1, v.shape)) for k, v in real.items()}
        for k, v in gradient(**{**arrays, **near}).items():
            with np.errstate(invalid="ignore"):
                change = np.abs(np.asarray(v) - base[k]) / NUDGE
            moved[k] = np.maximum(moved[k], np.where(np.isfinite(change), change, 0.0))
    return moved


def _verdicts(a: Array, b: Array, bound: Array, scale: Any) -> NDArray[np.int8]:
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.astype(np.float64) - b)
        size = np.maximum(np.abs(a), np.abs(b))
        floor = np.max(size, initial=0.0) if scale is None else np.asarray(scale, np.float64)
        resolution = max(RESOLUTION, *(1024 * np.finfo(g.dtype).eps for g in (a, b) if g.dtype.kind == "f"), 0.0)
        wide = ~(bound <= resolution * np.maximum(size, floor)) & (bound > 0)
        within = (difference <= bound) | (a == b)  # two equal infinities have no difference
    verdict = np.where(within, AGREE, DISAGREE).astype(np.int8)
    verdict[within & wide] = INCONCLUSIVE
    # a method without a finite bound, or two that both say nan, show nothing
    verdict[~np.isfinite(bound) | (np.isnan(a) & np.isnan(b))] = INCONCLUSIVE
    return np.asarray(verdict)


def _judge_kinks(verdict: NDArray[np.int8], claims: Sequence[Array], sides: Sides) -> None:
    """Mark the entries on a kink: a claim between the derivatives of both sides is right by some convention."""
    for index, (left, right) in sides.items():
        low = min(left.gradient - left.error, right.gradient - right.error)
        high = max(left.gradient + left.error, right.gradient + right.error)
        verdict[index] = KINK if all(low <= g[index] <= high for g in claims) else DISAGREE


def _overall(verdicts: Sequence[NDArray[np.int8]]) -> NDArray[np.int8]:
    stack = np.stack(verdicts)
    out = np.full(stack.shape[1:], INCONCLUSIVE, np.int8)
    for code in (AGREE, KINK, DISAGREE):  # the later one counts more
        out[np.any(stack == code, axis=0)] = code
    return out


def _largest(a: Array, b: Array, bound: Array) -> tuple[float, float]:
    """Return the largest difference, and that over the largest entry, where both methods looked."""
    seen = np.isfinite(bound)
    if not np.any(seen):
        return 0.0, 0.0
    a, b = a[seen].astype(np.float64), b[seen]
    with np.errstate(invalid="ignore"):
        difference = float(np.max(np.where(a == b, 0.0, np.abs(a - b))))
        size = float(np.max(np.maximum(np.abs(a), np.abs(b))))
    return difference, difference / size if size else 0.0


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1 or unit == "us":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError("the last unit always returns")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
