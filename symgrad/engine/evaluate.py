"""Values of nodes for proofs: many decimal digits with mpmath, or exact residues modulo a large prime.

Every value is a flat list in C order while the graph is walked; callers get numpy object arrays.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import count, islice, permutations
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from symgrad.engine.flat import Sizes, as_array, contract, given_entries
from symgrad.engine.rows import row_of
from symgrad.errors import InputError, NoRule, suggest
from symgrad.graph.node import Node, describe, topological, var
from symgrad.graph.ops import STRUCTURAL
from symgrad.rules.arrays import array_row, index_bounds
from symgrad.rules.needs import needs, needs_of, require
from symgrad.rules.row import ABOVE_ONE, POSITIVE, REAL, UNIT, WITHIN_ONE, Function, Interval, operand_names
from symgrad.shapes import Dim, Shape, as_dim, show

PRIME = 2**61 - 1
CONSTANTS = ("pi", "e", "inf")
MAGNITUDE = 100_000  # beyond 2**±MAGNITUDE a value counts as infinite or 0; mpmath would need its exponent as digits


# --- many digits ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _context(digits: int) -> Any:
    context = mpmath.MPContext()
    context.dps = digits
    return context


class _Real:
    """Real arithmetic at a number of digits; what is not a finite real number is inf or nan."""

    def __init__(self, digits: int) -> None:
        self.m = _context(digits)

    def number(self, value: Any) -> Any:
        m = self.m
        if isinstance(value, (Fraction, sp.Rational)):
            return m.mpf(int(value.numerator)) / int(value.denominator)
        if isinstance(value, str):
            if value not in CONSTANTS:
                raise InputError(f"unknown constant {value!r}.{suggest(value, CONSTANTS)}")
            return +getattr(m, value)
        if isinstance(value, (bool, int, np.bool_, np.integer)):
            return m.mpf(int(value))
        return self.real(m.convert(float(value) if isinstance(value, np.floating) else value))

    def real(self, value: Any) -> Any:
        m = self.m
        if isinstance(value, m.mpc):
            value = value.real if value.imag == 0 else m.nan
        if not isinstance(value, m.mpf):
            value = m.mpf(value)
        if value and m.isfinite(value):
            size = m.mag(value)
            if size > MAGNITUDE:
                return m.sign(value) * m.inf
            if size < -MAGNITUDE:
                return m.mpf(0)
        return value

    def call(self, row: Function, attr: tuple[Any, ...], args: Sequence[list[Any]]) -> list[Any]:
        m, name = self.m, row.mp
        extra: tuple[Any, ...] = ()
        if callable(name):
            function: Callable[..., Any] = name
            lead: tuple[Any, ...] = (m,)
            extra = tuple(Fraction(a) if isinstance(a, int) else a for a in attr)
        else:
            function, lead = getattr(m, str(name)), ()
        out = []
        for entry in zip(*args):
            try:
                out.append(self.real(function(*lead, *entry, *extra)))
            except (ZeroDivisionError, ValueError):  # mpmath's answers at a pole
                out.append(m.nan)
        return out


@lru_cache(maxsize=1024)
def scalar_definition(row: Function, attr: tuple[Any, ...], shape: Shape) -> tuple[tuple[Node, ...], Node]:
    """Return variables of the given shape and the definition of the function in them."""
    if row.definition is None:
        raise NoRule(f"the row of {row.name!r} has neither an mpmath name nor a definition; give it one")
    variables = tuple(var(p, shape) for p in row.params)
    return variables, row.definition(*variables, *attr)


@lru_cache(maxsize=1024)
def array_definition(node: Node) -> tuple[tuple[Node, ...], Node]:
    """Return variables of the shapes of the operands and the definition of an array function in them."""
    row = array_row(node)
    if row.definition is None:
        raise NoRule(f"the row of {row.name!r} has neither a value nor a definition; give it one")
    variables = tuple(var(p, a.shape) for p, a in zip(operand_names(row, len(node.args)), node.args))
    return variables, row.definition(*variables, **row.given(node))


def _array_value(node: Node, m: Any, args: Sequence[Any], sizes: Sizes) -> list[Any]:
    """Return the value of an array function by its row, on object arrays."""
    row = array_row(node)
    assert row.value is not None  # those without have a definition
    shape, options = sizes.of(node.shape), {k: sizes.number(v) for k, v in row.given(node).items()}
    try:
        out = np.asarray(row.value(m, *args, **options), dtype=object)
    except IndexError as error:
        raise InputError(f"{row.name} of shape {show(node.shape)}: {error}") from None
    except (ZeroDivisionError, ValueError):  # mpmath's answers where there is no value, as for a singular matrix
        return [m.nan] * math.prod(shape)
    if out.shape != shape:
        raise InputError(f"{row.name} gives an array of shape {out.shape} where {shape} is declared; the sizes "
                         f"{', '.join(f'{k} = {v}' for k, v in sizes.sizes.items())} do not fit")
    return list(out.ravel())


def _walk(roots: Sequence[Node], env: Mapping[Node, object], digits: int, sizes: Sizes,
          stop: Callable[[Node, list[Any]], bool] | None = None) -> tuple[dict[Node, list[Any]], Node | None]:
    """Return the values of all nodes, or those up to the first one for which `stop` says so, and that one."""
    arithmetic = _Real(digits)
    meaning: dict[Node, tuple[tuple[Node, ...], Node]] = {}
    values: dict[Node, list[Any]] = {}

    def inputs(node: Node) -> Sequence[Node]:
        if node in env:
            return ()
        if node.op == "array":
            if array_row(node).value is None:
                meaning[node] = array_definition(node)
        elif node.op not in STRUCTURAL:
            row = row_of(node)
            if row.mp is None:
                meaning[node] = scalar_definition(row, node.attr, node.shape)
        return node.args

    for node in topological(roots, inputs):
        require(needs_of(node), sizes.sizes)
        shape = sizes.array(node.shape)
        if node in env:
            value = [arithmetic.number(v) for v in given_entries(node, env[node], shape)]
        elif node in meaning:
            # evaluated apart: a node of the graph that is held in env must not stand in for a part of the definition
            variables, inner = meaning[node]
            given = {v: as_array(values[a], sizes.of(a.shape)) for v, a in zip(variables, node.args)}
            value = _walk([inner], given, digits, sizes)[0][inner]
        elif node.op == "const":
            value = [arithmetic.number(node.value)] * math.prod(shape)
        elif node.op == "size":
            value = [arithmetic.number(sizes.of(node.attr)[0])] * math.prod(shape)
        elif node.op == "einsum":
            zero, one = arithmetic.number(0), arithmetic.number(1)
            value = contract(node, sizes.of(node.attr[2]), [values[a] for a in node.args], zero, one, arithmetic.real)
        elif node.op == "array":
            below = [as_array(values[a], sizes.of(a.shape)) for a in node.args]
            value = [arithmetic.real(v) for v in _array_value(node, arithmetic.m, below, sizes)]
        elif node.op in STRUCTURAL:
            raise InputError(f"no value given for {describe(node)} of shape {show(node.shape)}; put it into env")
        else:
            value = arithmetic.call(row_of(node), node.attr, [values[a] for a in node.args])
        values[node] = value
        if stop is not None and stop(node, value):
            return values, node
    return values, None


def evaluate(roots: Sequence[Node], env: Mapping[Node, object], *, digits: int = 50,
             sizes: Mapping[str, int] | None = None) -> list[np.ndarray[Any, Any]]:
    """Return the value of every root as an object array of mpmath numbers.

    Formula: each node by its own meaning, in arithmetic of `digits` decimal digits. `env` gives the variables, and may
    hold any other node fixed at a value. A value that is not real (log of -1), or a pole, is nan.
    Shapes: those of the roots, with the numbers of `sizes` for symbolic sizes.
    Raises: InputError where a variable has no value or one of another shape; NoRule for an unknown operation.

    >>> from symgrad.graph.node import apply, var
    >>> x = var("x")
    >>> print(evaluate([apply("exp", x)], {x: 1}, digits=20)[0])
    2.7182818284590452354
    """
    known = Sizes(sizes or {})
    values, _ = _walk(roots, env, digits, known)
    return [as_array(values[r], known.of(r.shape)) for r in roots]


# --- random points --------------------------------------------------------------------------------------------------

RANGES = (REAL, POSITIVE, UNIT, WITHIN_ONE, ABOVE_ONE, Interval(float("-inf"), 0.0), Interval(2.0, 20.0),
           Interval(-20.0, 20.0))
_TRIES = 400


def draw(rng: random.Random, interval: Interval) -> float:
    low, high = interval.low, interval.high
    if math.isinf(low) and math.isinf(high):
        return rng.uniform(-2.0, 2.0)
    if math.isinf(high):
        return low + rng.uniform(0.1, 3.0)
    if math.isinf(low):
        return high - rng.uniform(0.1, 3.0)
    return low + (high - low) * rng.uniform(0.05, 0.95)


def meet(a: Interval, b: Interval) -> Interval | None:
    low, high = max(a.low, b.low), min(a.high, b.high)
    return Interval(low, high) if low < high else None


def random_env(roots: Sequence[Node], rng: random.Random, sizes: Mapping[str, int] | None = None, digits: int = 50,
               *, held: Iterable[Node] = (), given: Mapping[Node, object] | None = None,
               start: Callable[[Node, tuple[int, ...]], np.ndarray[Any, Any] | None] | None = None,
               ) -> dict[Node, np.ndarray[Any, Any]]:
    """Return random values of the variables (and of the nodes in `held`) at which every node below the roots is finite.

    Formula: everything starts on (-2, 2); where a node comes out infinite or not real, the variables below it are drawn
    again, from the domain its row asks for and from narrower and wider ranges. Integer variables are drawn from 0 to 4,
    those used as indices from the indices there are. What is made of the constant inf may be infinite on the way.
    Shapes: those of the variables, with the numbers of `sizes`. `given` holds values that stay as they are; `start`
    (variable, shape) -> the values that are tried first, None for random ones.
    Raises: InputError where no such point was found, naming the function that fails.

    >>> from symgrad.graph.node import apply, var
    >>> p = var("p")
    >>> env = random_env([apply("log", p) + apply("log", 1 - p)], random.Random(0))
    >>> bool(0 < env[p] < 1)
    True
    """
    fixed = dict(given or {})
    known, m = Sizes(sizes or {}), _context(digits)
    leaves = set(held) - fixed.keys()

    def inputs(node: Node) -> Sequence[Node]:
        return () if node in leaves or node in fixed else node.args

    order = topological(roots, inputs)
    free = [n for n in order if (n.op == "var" or n in leaves) and n not in fixed]
    ranges = dict.fromkeys(free, REAL)
    asked = dict.fromkeys(free, REAL)

    def fresh(node: Node) -> np.ndarray[Any, Any]:
        shape = known.array(node.shape)
        whole = node.op == "var" and node.attr[1] == "int"
        count = math.prod(shape)
        last = limits.get(node, 5) - 1
        if whole and failed is not None:
            last = rng.randint(0, last)  # an index made of it may reach less far
        drawn = [rng.randint(0, last) if whole else draw(rng, ranges[node]) for _ in range(count)]
        return as_array([m.mpf(x) for x in drawn], shape)

    def unfit(node: Node, value: list[Any]) -> bool:
        if node in limits and any(not -limits[node] * wraps[node] <= v < limits[node] for v in value):
            return True
        if node in masked:  # the constant inf may be meant; what comes of it in the end is finite
            return node.op != "const" and any(m.isnan(v) for v in value)
        return not all(m.isfinite(v) for v in value)

    bounds = index_bounds(order)
    limits = {node: min(known.of(tuple(dims))) for node, dims in bounds.items()}
    wraps = {node: all(dims.values()) for node, dims in bounds.items()}
    masked: set[Node] = set()
    for n in order:
        if (n.op == "const" and _unbounded(n.value)) or (n not in roots and not masked.isdisjoint(inputs(n))):
            masked.add(n)
    failed: Node | None = None
    tried = {n: start(n, known.of(n.shape)) for n in free} if start is not None else {}
    env: dict[Node, Any] = {n: fresh(n) if (value := tried.get(n)) is None else value for n in free}
    for _ in range(_TRIES):
        _, failed = _walk(roots, {**fixed, **env}, digits, known, unfit)
        if failed is None:
            return env
        if failed.op not in STRUCTURAL:
            for arg, interval in zip(failed.args, row_of(failed).intervals()):
                if arg in asked and interval is not REAL:
                    asked[arg] = meet(asked[arg], interval) or asked[arg]
                    ranges[arg] = asked[arg]
        for node in topological([failed], inputs):
            if node in ranges:
                if rng.random() < 0.5:
                    ranges[node] = meet(asked[node], rng.choice(RANGES)) or asked[node]
                env[node] = fresh(node)
        if failed.op == "array" and (inside := array_row(failed).inside) is not None and failed.args[0] in env:
            env[failed.args[0]] = inside(env[failed.args[0]])
    if failed is None:
        return env
    raise InputError(
        f"found no point where every value is finite in {_TRIES} tries: {failed.op}(...) of shape {show(failed.shape)} "
        f"is infinite or not real each time. Give values for {', '.join(describe(n) for n in free[:6])} yourself."
    )


def _unbounded(value: Any) -> bool:
    return value == "inf" if isinstance(value, str) else isinstance(value, float) and math.isinf(value)


def index_limits(nodes: Iterable[Node], sizes: Sizes) -> dict[Node, int]:
    """Return for each node that is used as an index the size below which it lies."""
    return {node: min(sizes.of(tuple(dims))) for node, dims in index_bounds(nodes).items()}


_LARGEST = 1000  # the sum of sizes that are still small


def distinct_sizes(roots: Sequence[Node], descending: bool = False) -> dict[str, int]:
    """Return a small number for every size name below the roots, all of them distinct and none an integer size in use.

    Formula: 2, 3, 5, 4, 7, ... in the order of names, or against it, permuted and moved on until every size in use is
    at least 1 and every subscript and window fits; where that leads nowhere, what is too small is made larger.
    Raises: InputError where no such numbers were found.

    >>> from symgrad.graph.node import var
    >>> distinct_sizes([var("X", (2, "n"))])
    {'n': 3}
    """
    dims: set[Dim] = set()
    values: set[Dim] = set()  # sizes as numbers, which may stand below a line
    order = topological(roots)
    for node in order:
        dims.update(node.shape)
        if node.op == "einsum":
            dims.update(node.attr[2])
        elif node.op == "size":
            values.update(node.attr)
    used = {d for d in dims | values if isinstance(d, int)}
    least: dict[Dim, int] = {**{n.room: 0 for n in needs(order)}, **dict.fromkeys(dims, 1)}
    symbolic = sorted((d for d in values | least.keys() if not isinstance(d, int)), key=str)
    names = sorted({s.name for d in symbolic for s in d.free_symbols})

    def unmet(sizes: Mapping[str, int]) -> Dim | None:
        """Return a size that is no integer, or below its least number, or a number that is 0."""
        for d in symbolic:
            value = d.subs({s: sizes[s.name] for s in d.free_symbols})
            if not value.is_Integer or (d in least and value < least[d]) or (d in values and value == 0):
                return d
        return None

    numbers = [n for n in (2, 3, 5, 4, 7, 6, 8, 9, 11, 10, *range(12, 40 + len(names))) if n not in used]
    for start in range(9):
        for choice in islice(permutations(numbers[start:start + len(names)]), 120):
            sizes = dict(zip(reversed(names) if descending else names, choice))
            if unmet(sizes) is None:
                return sizes
    for choice in islice(permutations(numbers[:len(names)]), 24):
        sizes = dict(zip(reversed(names) if descending else names, choice))
        while (small := unmet(sizes)) is not None and sum(sizes.values()) < _LARGEST:
            grows = [n for n in sizes if sp.diff(small, as_dim(n)).is_nonpositive is False]
            if not grows:
                break
            sizes[grows[0]] = next(k for k in count(sizes[grows[0]] + 1) if k not in used | set(sizes.values()))
        if small is None:
            return sizes
    raise InputError(f"found no small numbers for {', '.join(names)} that make every size a positive integer, and fit "
                     f"every subscript: {', '.join(map(str, symbolic))}. Give the sizes yourself.")


# --- residues -------------------------------------------------------------------------------------------------------

_EXACT_BITS = 4096
_EXACT: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
}


def _exact(node: Node, known: Mapping[Node, Fraction]) -> Fraction | None:
    """Return the rational number that a node is in every entry, where it is one made of constants."""
    if node.op == "const" and not isinstance(node.value, str) and math.isfinite(node.value):
        return Fraction(node.value)
    if node.op in _EXACT and all(a in known for a in node.args):
        number = Fraction(_EXACT[node.op](*(known[a] for a in node.args)))
        # digits may double with each product; a longer number is its residue, and no exponent
        return number if max(abs(number.numerator), number.denominator).bit_length() <= _EXACT_BITS else None
    return None


def _inverse(value: int, p: int, node: Node) -> int:
    if value % p == 0:
        raise InputError(f"{node.op}(...) of shape {show(node.shape)} divides by zero modulo {p}; "
                         f"draw other residues, or the divisor is zero everywhere")
    return pow(value, -1, p)


def evaluate_mod_p(roots: Sequence[Node], env: MutableMapping[Node, Any], p: int = PRIME, *,
                   sizes: Mapping[str, int] | None = None, rng: random.Random | None = None,
                   atoms: MutableMapping[tuple[Any, ...], int] | None = None) -> list[np.ndarray[Any, Any]]:
    """Return the value of every root modulo the prime `p`, exactly, with random residues for what is not rational.

    Formula: +, -, *, /, integer powers and einsum are exact; constants are the rationals they hold (a float its binary
    value). Variables and `bar` symbols without a value get random residues, kept in `env`. Any other function is an
    unknown one: its residue is drawn once for each function and argument and kept in `atoms`, so equal calls are equal.
    Two expressions that are one rational function of those atoms agree always; two that are not, with chance degree/p.
    Pass one `env` and one `atoms`, or evaluate both sides in one call.
    Raises: InputError on division by zero, and for a pending pullback without a value; NoRule for an unknown operation.
    Source: Schwartz (1980), Zippel (1979).

    >>> from symgrad.graph.node import apply, var
    >>> x, y = var("x"), var("y")
    >>> e = apply("exp", x)
    >>> a, b = evaluate_mod_p([(e + y) * (e - y), e**2 - y**2], {}, rng=random.Random(0))
    >>> bool(a == b)
    True
    """
    # unseeded: two calls that share `env` must not draw the same residues for different symbols
    rng = rng or random.SystemRandom()
    atoms = {} if atoms is None else atoms
    known = Sizes(sizes or {})
    exact: dict[Node, Fraction] = {}
    values: dict[Node, list[int]] = {}

    def atom(*key: Any) -> int:
        found = atoms.get(key)
        if found is None:
            found = atoms[key] = rng.randrange(1, p)
        return found

    def power(node: Node, base: list[int], exponent: list[int]) -> list[int]:
        n = exact.get(node.args[1])
        if n is None or n.denominator != 1:
            return [atom("pow", (), a, b) for a, b in zip(base, exponent)]
        if n < 0:
            return [pow(_inverse(a, p, node), -int(n), p) for a in base]
        return [pow(a, int(n), p) for a in base]

    order = topological(roots, lambda n: () if n in env or n.op == "bar" else n.args)
    limits = index_limits(order, known)
    for node in order:
        require(needs_of(node), known.sizes)
        shape = known.array(node.shape)
        count = math.prod(shape)
        args = [] if node in env or node.op == "bar" else [values[a] for a in node.args]
        number = None if node in env else _exact(node, exact)
        if number is not None:
            exact[node] = number
            value = [number.numerator * _inverse(number.denominator, p, node) % p] * count
        elif node in env:
            value = [int(v) % p for v in given_entries(node, env[node], shape)]
        elif node.op == "const":
            value = [atom("const", (), str(node.value))] * count
        elif node.op == "size":
            value = [known.of(node.attr)[0] % p] * count
        elif node in limits and node.op == "var":  # an index chooses entries, it is no unknown
            value = [rng.randrange(limits[node]) for _ in range(count)]
            env[node] = as_array(value, shape)
        elif node.op in ("var", "bar"):
            value = [rng.randrange(1, p) for _ in range(count)]
            env[node] = as_array(value, shape)
        elif node.op == "einsum":
            value = contract(node, known.of(node.attr[2]), args, 0, 1, lambda v: v % p)
        elif node.op == "array" and array_row(node).linear:
            below = [as_array(v, known.of(a.shape)) for v, a in zip(args, node.args)]
            value = [int(v) % p for v in _array_value(node, None, below, known)]
        elif node.op == "array":
            value = [atom("array", node.attr, shape, *map(tuple, args), k) for k in range(count)]
        elif node.op in STRUCTURAL:
            raise InputError(f"a pending pullback of shape {show(node.shape)} has no value of its own; put it into env")
        elif node.op in _EXACT:
            value = [_EXACT[node.op](*entry) % p for entry in zip(*args)]
        elif node.op == "div":
            value = [a * _inverse(b, p, node) % p for a, b in zip(*args)]
        elif node.op == "pow":
            value = power(node, *args)
        else:
            row_of(node)
            value = [atom(node.op, node.attr, *entry) for entry in zip(*args)]
        if node in limits and node not in env:
            value = [v % limits[node] for v in value]  # an unknown whole number still has to name an entry
        values[node] = value
    return [as_array(values[r], known.of(r.shape)) for r in roots]
