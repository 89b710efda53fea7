"""Subscripts against NumPy's: every integer and slice, on axes of literal and of named sizes, with their gradients.

Of a named size a subscript has one shape for all numbers, so that where NumPy would give another one we refuse.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.evaluate import distinct_sizes, evaluate
from symgrad.engine.reverse import vjp
from symgrad.errors import ShapeError
from symgrad.graph.node import Node, var
from symgrad.graph.text import to_text
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.functions import plain_function
from symgrad.language.text_io import parse_expression
from symgrad.rules.needs import needs
from symgrad.shapes import as_dim
from symgrad.shapes import evaluate as size_value

Array = np.ndarray[Any, Any]
Key = Any  # what stands between the brackets

PLACES = (None, *range(-6, 7))
KEYS: tuple[Key, ...] = (*range(-6, 7), *(slice(a, b, s) for a, b, s in product(PLACES, PLACES, PLACES)))
SIZES = range(1, 9)
m = sp.Symbol("m", integer=True, positive=True)


def numpys(shape: Sequence[int], key: Key) -> Array | None:
    """Return where the entries of x[key] stand in x, row by row; None where NumPy raises or nothing is left."""
    try:
        places = np.arange(int(np.prod(shape))).reshape(shape)[key]
    except (IndexError, ValueError):
        return None
    return np.asarray(places) if np.size(places) else None


def ours(x: sg.Expression, key: Key) -> Node | None:
    try:
        node: Node = x[key].node
    except ShapeError:
        return None
    return node


def alike(nodes: Iterable[Node]) -> Iterator[list[Node]]:
    """Yield the nodes that need the same of the sizes, so that one kernel serves them all."""
    groups: dict[Any, list[Node]] = {}
    for node in nodes:
        groups.setdefault(frozenset(n.room for n in needs([*node.args, *(a for b in node.args for a in b.args), node])),
                          []).append(node)
    yield from groups.values()


class Doors:
    """Values and gradients of subscripts of x by kernel, by many digits and by plain code."""

    def __init__(self, x: Node, nodes: Sequence[Node]) -> None:
        self.x, self.nodes = x, list(nodes)
        self.weights = [var(f"w{k}", n.shape) for k, n in enumerate(nodes)]
        self.grads = [vjp(n, [x], w)[x] for n, w in zip(nodes, self.weights)]
        outputs = {f"y{k}": n for k, n in enumerate(self.nodes)} | {f"g{k}": n for k, n in enumerate(self.grads)}
        self.kernel = compile_nodes(outputs, None, [x, *self.weights])
        self.values = compile_nodes({f"y{k}": n for k, n in enumerate(self.nodes)}, None, [x])
        self.plain = plain_function(self.nodes, [x])

    def check(self, sizes: Mapping[str, int], places: Sequence[Array], rng: np.random.Generator) -> None:
        """Compare all doors with the places that NumPy says."""
        x = rng.normal(size=[size_value(d, sizes) for d in self.x.shape])
        weights = {w.name: rng.normal(size=p.shape) for w, p in zip(self.weights, places)}
        found = self.kernel(x=x, **weights)
        exact = evaluate(self.nodes, {self.x: x}, digits=20, sizes=sizes)
        for k, (p, digits, plain, w) in enumerate(zip(places, exact, self.plain(x=x), weights.values())):
            for y in (found[f"y{k}"], digits.astype(float), plain):
                assert y.shape == p.shape, self.nodes[k]
                assert np.array_equal(y, x.ravel()[p]), self.nodes[k]
            scattered = np.zeros(x.size)
            np.add.at(scattered, p.ravel(), w.ravel())
            assert np.array_equal(found[f"g{k}"], scattered.reshape(x.shape)), self.nodes[k]

    def fits(self, sizes: Mapping[str, int]) -> bool:
        """Whether the sizes do; where they do not, all doors say which size it is."""
        x = np.ones([size_value(d, sizes) for d in self.x.shape])
        calls: list[Callable[[], Any]] = [
            lambda: self.plain(x=x), lambda: evaluate(self.nodes[:1], {self.x: x}, digits=20, sizes=sizes),
            lambda: self.values(x=x)]
        refused = 0
        for call in calls:
            try:
                call()
            except ShapeError as error:
                refused += bool(re.search(r"[<>]= .* is needed, and [nmd] is \d", str(error)))
        assert refused in (0, len(calls)), self.nodes
        return not refused


def reads_back(nodes: Iterable[Node], x: Node) -> None:
    """The text of each node is read as the same entries; as the same node where it has no new axis."""
    rng = np.random.default_rng(3)
    names = sorted({s.name for d in x.shape if isinstance(d, sp.Expr) for s in d.free_symbols})
    for node in nodes:
        again = parse_expression(to_text(node), {"x": x}, sizes=names)
        if node.op == "einsum":
            sizes = distinct_sizes([node, again])
            env = {x: rng.normal(size=[size_value(d, sizes) for d in x.shape])}
            a, b = evaluate([node, again], env, digits=20, sizes=sizes)
            assert np.array_equal(a, b), to_text(node)
        else:
            assert again is node, to_text(node)


def cut(key: Key, size: int) -> bool:
    """Whether NumPy moves a bound of the slice, or finds no entry."""
    if not isinstance(key, slice):
        return not -size <= key < size
    low, high = (0, size) if (key.step or 1) > 0 else (-1, size - 1)
    bounds = [b + size if b < 0 else b for b in (key.start, key.stop) if b is not None]
    return any(not low <= b <= high for b in bounds) or not len(range(size)[key])


def test_a_wrong_entry_is_noticed() -> None:
    x = sg.symbol("x", 5)
    doors = Doors(x.node, [x[1:3].node, x[::-1].node])
    right = [np.array([1, 2]), np.arange(5)[::-1]]
    doors.check({}, right, np.random.default_rng(0))
    for wrong in ([np.array([1, 3]), right[1]], [right[0], np.arange(5)], [np.array([1]), right[1]]):
        with pytest.raises((AssertionError, ShapeError)):
            doors.check({}, wrong, np.random.default_rng(0))


@pytest.mark.parametrize("size", range(1, 6))
def test_literal_sizes_are_cut_short_as_numpy_does(size: int) -> None:
    x = sg.symbol("x", size)
    found: dict[Node, Array] = {}
    for key in KEYS:
        node, places = ours(x, key), numpys((size,), key)
        assert (node is None) == (places is None), key
        if node is not None and places is not None:
            assert node.shape == places.shape, key
            assert np.array_equal(found.setdefault(node, places), places), key
    reads_back(found, x.node)
    Doors(x.node, list(found)).check({}, list(found.values()), np.random.default_rng(size))


@pytest.mark.parametrize("dim", ["n", 2 * m, 3 * m + 1], ids=str)
def test_named_sizes_give_numpys_entries_or_are_refused(dim: Any) -> None:
    x = sg.symbol("x", dim)
    name = min(s.name for s in as_dim(dim).free_symbols)
    numbers = {k: size_value(as_dim(dim), {name: k}) for k in SIZES}
    found: dict[Node, list[Key]] = {}
    for key in KEYS if dim == "n" else KEYS[::3]:
        node = ours(x, key)
        if node is not None:
            found.setdefault(node, []).append(key)
        elif not isinstance(key, slice) or key.step in (None, 1, -1):
            assert all(numpys((n,), key) is None for n in numbers.values()), key
    assert len({type(k) for keys in found.values() for k in keys}) == 2
    refused = 0
    rng = np.random.default_rng(0)
    for nodes in alike(found):
        doors = Doors(x.node, nodes)
        for k, n in numbers.items():
            if not doors.fits({name: k}):
                refused += 1
                assert all(cut(key, n) for node in nodes for key in found[node]), (n, [found[node] for node in nodes])
                continue
            for node in nodes:
                assert len({np.asarray(numpys((n,), key)).tobytes() for key in found[node]}) == 1, (n, found[node])
            doors.check({name: k}, [np.asarray(numpys((n,), found[node][0])) for node in nodes], rng)
    assert refused > 20
    reads_back(found, x.node)


def pairs(rng: random.Random, rank: int) -> Key:
    """Return a random subscript of several axes, new ones among them."""
    key = [rng.choice(KEYS) for _ in range(rng.randint(1, rank))]
    for _ in range(rng.choice([0, 0, 1, 2])):
        key.insert(rng.randint(0, len(key)), None)
    return tuple(key)


@pytest.mark.parametrize("shape", [(5, 4), (1, 6), (3, 2, 4)], ids=str)
def test_several_axes_of_literal_sizes(shape: tuple[int, ...]) -> None:
    rng = random.Random(7)  # noqa: S311  # test points, no secrets
    x = sg.symbol("x", shape)
    found: dict[Node, Array] = {}
    for _ in range(1500):
        key = pairs(rng, len(shape))
        node, places = ours(x, key), numpys(shape, key)
        assert (node is None) == (places is None), key
        if node is not None and places is not None:
            assert np.array_equal(found.setdefault(node, places), places), key
    reads_back(found, x.node)
    Doors(x.node, list(found)).check({}, list(found.values()), np.random.default_rng(1))


@pytest.mark.parametrize("shape", [("n", 3), ("n", "d")], ids=str)
def test_several_axes_of_named_sizes(shape: tuple[Any, ...]) -> None:
    rng = random.Random(5)  # noqa: S311  # test points, no secrets
    x = sg.symbol("x", shape)
    found: dict[Node, Key] = {}
    for _ in range(300):
        key = pairs(rng, 2)
        node = ours(x, key)
        if node is not None:
            found.setdefault(node, key)
    tried = refused = 0
    for nodes in alike(found):
        doors = Doors(x.node, nodes)
        for n, d in product((1, 2, 4, 6), (2, 3, 5) if "d" in shape else (3,)):
            if doors.fits({"n": n, "d": d}):
                places = [numpys((n, d), found[node]) for node in nodes]
                doors.check({"n": n, "d": d}, [np.asarray(p) for p in places], np.random.default_rng(2))
                tried += len(nodes)
            else:
                own = [[k for k in found[node] if k is not None] for node in nodes]
                assert all(cut(keys[0], n) or (len(keys) > 1 and cut(keys[1], d)) for keys in own), (n, d, own)
                refused += 1
    assert tried > 100
    assert refused > 20
    reads_back(found, x.node)


@pytest.mark.parametrize("key", [
    "x[:1 - n:-1]", "x[n - 1:k - n:-1]", "x[2:k - n:-1]", "x[-1:1 - n:-1]", "x[n:1 - n:-2]",
])
def test_a_stop_that_may_be_below_0_is_refused_where_the_slice_runs_down(key: str) -> None:
    with pytest.raises(ShapeError, match="may be below 0 or not"):
        sg.parse(f"x: (n,); w: (k,); L = sum({key}) + 0*sum(w)")


@pytest.mark.parametrize("n", [3, 4, 7])
@pytest.mark.parametrize("key", ["[:0:-1]", "[n - 1:0:-1]", "[::-1]", "[-1:-3:-1]", "[2::-1]"])
def test_slices_that_run_down_between_known_signs(key: str, n: int) -> None:
    x = np.arange(1.0, n + 1)
    bounds = [int(b.replace("n - 1", str(n - 1))) if b else None for b in key[1:-1].split(":")]
    np.testing.assert_allclose(sg.compile(f"x: (n,); L = sum(x{key}**2)")(x), np.sum(x[slice(*bounds)] ** 2))
