"""Ranges: where the values of an expression may lie, and their arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

INF = math.inf


@dataclass(frozen=True)
class Range:
    """An interval of values; `at_low` and `at_high` say whether its ends belong to it."""

    low: float = -INF
    high: float = INF
    at_low: bool = False
    at_high: bool = False

    def __contains__(self, other: object) -> bool:
        """Whether every value of another range lies in this one."""
        if not isinstance(other, Range):
            return False
        low = self.low < other.low or (self.low == other.low and (self.at_low or not other.at_low))
        high = self.high > other.high or (self.high == other.high and (self.at_high or not other.at_high))
        return low and high

    @property
    def empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and not (self.at_low and self.at_high))

    def meet(self, other: Range) -> Range:
        """Return the values in both."""
        low, at_low = max((self.low, not self.at_low), (other.low, not other.at_low))
        high, at_high = min((self.high, self.at_high), (other.high, other.at_high))
        return Range(low, high, not at_low, at_high)

    def join(self, other: Range) -> Range:
        """Return the least range that holds both."""
        low, at_low = min((self.low, not self.at_low), (other.low, not other.at_low))
        high, at_high = max((self.high, self.at_high), (other.high, other.at_high))
        return Range(low, high, not at_low, at_high)

    def __neg__(self) -> Range:
        return Range(-self.high, -self.low, self.at_high, self.at_low)

    def __add__(self, other: Range) -> Range:
        return Range(_down(self.low, other.low), _up(self.high, other.high), self.at_low and other.at_low,
                     self.at_high and other.at_high)

    def __sub__(self, other: Range) -> Range:
        return self + -other

    def __mul__(self, other: Range) -> Range:
        ends = [_product(a, b) for a in self._ends for b in other._ends]
        low = min(ends, key=lambda e: (e[0], not e[1]))
        high = max(ends, key=lambda e: (e[0], e[1]))
        return Range(_out(low[0], -INF), _out(high[0], INF), low[1], high[1])

    @property
    def _ends(self) -> Sequence[tuple[float, bool]]:
        return (self.low, self.at_low), (self.high, self.at_high)

    def over(self, c: float) -> Range:
        """Return the values of x/c."""
        ends = [(_quotient(x, c, away), at) for (x, at), away in zip(self._ends, (-INF, INF) if c > 0 else (INF, -INF))]
        (low, at_low), (high, at_high) = ends if c > 0 else ends[::-1]
        return Range(low, high, at_low, at_high)

    def inverse(self) -> Range:
        """Return the values of 1/x."""
        if self in POSITIVE or self in NEGATIVE:
            # at infinity 1/x comes near 0 and does not reach it
            low = -INF if self.high == 0 else 0.0 if self.high == INF else _out(1 / self.high, -INF)
            high = INF if self.low == 0 else 0.0 if self.low == -INF else _out(1 / self.low, INF)
            return Range(low, high, self.at_high, self.at_low)
        return ALL

    def power(self, n: int) -> Range:
        """Return the values of x**n for a whole number n."""
        if n < 0:
            return self.power(-n).inverse()
        if n == 0:
            return point(1)
        if n % 2 or self.low >= 0:
            out = self
            for _ in range(min(n, 64) - 1):
                out = out * self
            return out if n <= 64 else NONNEGATIVE if self.low >= 0 else ALL
        if self.high <= 0:
            return (-self).power(n)
        # 0 lies between the ends
        top = max(-self.low, self.high)
        at = (self.at_high and self.high == top) or (self.at_low and -self.low == top)
        return Range(0, _out(top**n, INF) if n <= 64 and top < 1e4 else INF, True, at)


def _down(a: float, b: float) -> float:
    return -INF if -INF in (a, b) else _out(a + b, -INF)


def _up(a: float, b: float) -> float:
    return INF if INF in (a, b) else _out(a + b, INF)


def _quotient(x: float, c: float, away: float) -> float:
    """Return x/c, rounded outwards where it is not exact."""
    out = x / c
    exact = not math.isfinite(out) or Fraction(out) * Fraction(c) == Fraction(x)
    return out if exact else math.nextafter(out, away)


def _product(a: tuple[float, bool], b: tuple[float, bool]) -> tuple[float, bool]:
    """Return the product of two ends: 0 that is reached stays 0, whatever the other end does."""
    if a[0] == 0 or b[0] == 0:
        return 0.0, (a[0] == 0 and a[1]) or (b[0] == 0 and b[1])
    return a[0] * b[0], a[1] and b[1]


def _out(x: float, towards: float) -> float:
    """Return a bound that rounding cannot have moved inwards; whole numbers of moderate size are exact."""
    return x if not math.isfinite(x) or (x == int(x) and abs(x) < 2**50) else math.nextafter(x, towards)


def point(value: float) -> Range:
    """Return the range of one value."""
    return Range(value, value, True, True)


ALL = Range()
POSITIVE = Range(0, INF)
NONNEGATIVE = Range(0, INF, True)
NEGATIVE = Range(-INF, 0)
NONPOSITIVE = Range(-INF, 0, False, True)
UNIT = Range(0, 1, True, True)
BALANCED = Range(-1, 1, True, True)


def magnitude(x: Range) -> Range:
    """Return the values of |x|."""
    return x if x.low >= 0 else -x if x.high <= 0 else Range(0, max(-x.low, x.high), True, x.at_low and x.at_high)


def larger(a: Range, b: Range) -> Range:
    """Return the values of the larger of two."""
    low, open_low = max((a.low, not a.at_low), (b.low, not b.at_low))
    high, at_high = max((a.high, a.at_high), (b.high, b.at_high))
    return Range(low, high, not open_low, at_high)
