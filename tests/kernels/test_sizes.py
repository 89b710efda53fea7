"""Sizes that meet numbers when arrays come: NumPy's value, or an error that names the array, the need and the size."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.check.point import random_point
from symgrad.cli import main
from symgrad.engine.evaluate import distinct_sizes, evaluate_mod_p
from symgrad.errors import InputError, ParseError, ShapeError
from symgrad.graph.node import reduce_sum, topological
from symgrad.kernels.guard import load
from symgrad.rules.arrays import ARRAY_FUNCTIONS
from symgrad.rules.needs import needs
from symgrad.rules.row import ArrayFunction
from symgrad.shapes import as_dim, fits_always

Array = np.ndarray[Any, Any]
Case = tuple[str, Callable[[Array], Any], int, str]


def rolling(x: Array, size: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(x, size)


# text in x: (n,), the same in NumPy, the least n that has this meaning, what the message names
CASES: list[Case] = [
    ("x[-4]", lambda x: x[-4], 4, "x[n - 4] of x (n,)"),
    ("x[3]", lambda x: x[3], 4, "x[3] of x (n,)"),
    ("sum(x[-4:])", lambda x: sum(x[-4:]), 4, "x[n - 4:n] of x (n,)"),
    ("sum(x[:-3])", lambda x: sum(x[:-3]), 4, "x[:n - 3] of x (n,)"),
    ("sum(x[0:5])", lambda x: sum(x[:5]), 5, "x[:5] of x (n,)"),
    ("sum(x[5:2:-1]*x[:3])", lambda x: sum(x[5:2:-1] * x[:3]), 6, "x[3:6] of x (n,)"),
    ("sum(x[:-4:-1]*x[:3])", lambda x: sum(x[:-4:-1] * x[:3]), 3, "(n,)"),
    ("sum(x[4:0:-2]*x[1:3])", lambda x: sum(x[4:0:-2] * x[1:3]), 5, "x[2:5:2] of x (n,)"),
    ("mean(x[2:]**2)", lambda x: np.mean(x[2:] ** 2), 3, "x[2:n] of x (n,)"),
    ("max(x[2:])", lambda x: np.max(x[2:]), 3, "x[2:n] of x (n,)"),
    ("sum(x[1:n - 1]*x[2:n])", lambda x: sum(x[1:-1] * x[2:]), 3, "x[1:n - 1] of x (n,)"),
    ("sum(roll(x, 4)*x)", lambda x: sum(np.roll(x, 4) * x), 5, "x[:n - 4] of x (n,)"),
    ("sum(roll(x, -2)*x)", lambda x: sum(np.roll(x, -2) * x), 3, "x[2:n] of x (n,)"),
    ("sum(diff(x, 2)**2)", lambda x: sum(np.diff(x, 2) ** 2), 3, "(n - 1,)"),
    ("sum(windows(x, 4, axis=0)**3)", lambda x: np.sum(rolling(x, 4) ** 3), 4, "windows(x (n,)) of shape (n - 3, 4)"),
    ("sum(max_pool1d(x, 3, stride=1))", lambda x: np.sum(rolling(x, 3).max(1)), 3, "windows(x (n,))"),
    ("sum(avg_pool1d(x, 3, stride=1, padding=1))", lambda x: np.sum(rolling(np.pad(x, 1), 3).mean(1)), 1, ""),
    ("sum(pad(x, ((n - 3, 0),))**2)", lambda x: np.sum(x**2), 3, "pad(x (n,))"),
    ("take(x, 5, axis=0)*x[0]", lambda x: x[5] * x[0], 6, "take(x (n,)"),
    ("take(x, -5, axis=0)*x[0]", lambda x: x[-5] * x[0], 5, "take(x (n,)"),
    ("sum(arange(2, n)*x[2:])", lambda x: sum(np.arange(2, len(x)) * x[2:]), 3, "(n - 2,)"),
    ("sum(ones((n - 3, 2)))*x[0]", lambda x: 2 * (len(x) - 3) * x[0], 4, "(n - 3, 2)"),
    ("sum(tril(x[:, None]*x, k=4)) + sum(triu(x[:, None]*x, k=-4))",
     lambda x: np.sum(np.tril(np.outer(x, x), 4)) + np.sum(np.triu(np.outer(x, x), -4)), 1, ""),
]
TABLE = pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])


def doors(text: str) -> dict[str, Callable[[Array], Any]]:
    """Return every way to numbers of L = text; each gives the value of the loss, or nothing to compare."""
    whole = f"x: (n,); L = {text}"
    value, both = sg.compile(whole), sg.compile(whole, wrt="x")
    second = sg.hessian(whole, wrt="x").compile()
    loss = sg.parse(whole).output
    return {
        "value": lambda x: value(x=x), "gradient": lambda x: both(x=x)[0], "flat": lambda x: both.flat(x=x)(x)[0],
        "Hessian": lambda x: (second(x=x), None)[1], "trace": lambda x: sg.trace_values(whole, {"x": x})["L"].value,
        "compare": lambda x: (sg.compare(whole, at={"x": x}).ok or pytest.fail(text), None)[1],
        "point": lambda x: (random_point([loss], {"n": len(x)}), None)[1],
    }


@TABLE
def test_every_door_gives_numpys_value_or_says_which_size_it_needs(case: Case) -> None:
    text, numpys, least, what = case
    for name, door in doors(text).items():
        for n in sorted({1, least - 1, least, 7} - {0}):
            x = np.random.default_rng(n).normal(size=n)
            if n >= least:
                found = door(x)
                if found is not None:
                    np.testing.assert_allclose(found, numpys(x), rtol=1e-12, atol=1e-13, err_msg=f"{name} {n}")
                continue
            with pytest.raises(ShapeError, match=f"n >= {least} is needed, and n is {n}") as caught:
                door(x)
            if name in ("value", "gradient"):
                assert what in str(caught.value)


@TABLE
def test_the_judge_draws_sizes_that_fit(case: Case) -> None:
    whole = f"x: (n,); L = {case[0]}"
    d = sg.derive(whole)
    assert d.verify().ok
    if "max" not in case[0]:  # whose second derivative is not proved yet
        assert sg.hessian(whole, wrt="x").verify().ok


def test_without_its_guard_a_kernel_gives_a_wrong_number() -> None:
    """What the guards are for: the table above would notice a kernel that lost one."""
    f = sg.compile("x: (n,); L = x[-4]")
    assert "if n < 4:" in f.source
    bare = load(f.source.replace("if n < 4:", "if n < 0:"), "kernel")
    assert bare(x=np.array([1.0, 2.0, 3.0])) == 3.0


def test_a_saved_kernel_refuses_as_well(tmp_path: Path) -> None:
    path = sg.compile("x: (n,); L = sum(x[-4:]**2)", wrt="x").save(tmp_path / "kernel_of_sizes.py")
    spec = importlib.util.spec_from_file_location("kernel_of_sizes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x = np.arange(6.0)
    assert module.kernel(x=x)[0] == np.sum(x[-4:] ** 2)
    with pytest.raises(module.ShapeError, match=r"x\[n - 4:n\] of x \(n,\): n >= 4 is needed, and n is 3"):
        module.kernel(x=x[:3])


@pytest.mark.parametrize("text", ["sum(x)", "max(x)", "prod(x)", "x[0]", "logsumexp(x)", "mean(x)", "x @ x"])
def test_an_axis_without_entries_is_refused(text: str) -> None:
    for f in (sg.compile(f"x: (n,); L = {text}"), sg.compile(f"x: (n,); L = {text}", wrt="x")):
        for empty in (np.zeros(0), []):
            with pytest.raises(ShapeError, match=r"x: a size is at least 1, got \(0,\)"):
                f(x=empty)


@pytest.mark.parametrize(("declared", "length", "words"), [
    ("m + 4", 4, "m >= 1 is needed, and m is 0"), ("m + 4", 3, "m >= 1 is needed, and m is -1"),
    ("2*m", 3, "expected (2 * m,), got (3,)"), ("3*m - 2", 3, "expected"),
])
def test_arithmetic_of_sizes_has_sizes_of_1_or_more(declared: str, length: int, words: str) -> None:
    text = f"x: ({declared},); L = sum(x**2)"
    for call in (lambda: sg.compile(text)(x=np.ones(length)), lambda: sg.compare(text, at={"x": np.ones(length)})):
        with pytest.raises(ShapeError) as caught:
            call()
        assert words in str(caught.value)


@pytest.mark.parametrize(("text", "sizes"), [
    ("x: (n,); L = sum(x[:20]**2)", {"n": (20, 99)}),
    ("x: (10,); y: (n,); z: (k,); L = sum(x[:k])*sum(y[:20]) + sum(z)", {"n": (20, 99), "k": (1, 10)}),
    ("x: (n,); z: (k,); L = sum(x[k + 2:])*sum(z)", {"n": (4, 99), "k": (1, 9)}),
    ("x: (n,); L = mean(x[3:]**2)", {"n": (4, 99)}),
])
def test_sizes_for_points_fit_every_subscript(text: str, sizes: dict[str, tuple[int, int]]) -> None:
    loss = sg.parse(text).output
    for descending in (False, True):
        found = distinct_sizes([loss], descending)
        assert all(low <= found[n] <= high for n, (low, high) in sizes.items()), found
        evaluate_mod_p([loss], {}, sizes=found, rng=random.Random(0))  # noqa: S311  # test points, no secrets
    assert sg.derive(text).verify().ok


def test_no_sizes_are_found_where_there_are_none() -> None:
    with pytest.raises(InputError, match="found no small numbers"):
        distinct_sizes([sg.parse("x: (n,); L = sum(x[n - 1:5]) + x[7]").output])


# one_hot counts from 0; a label that is computed is looked at as well
@pytest.mark.parametrize(("text", "labels"), [
    ("one_hot(y - 1, 3)*x", [0, 1]), ("one_hot(y + 2, 3)*x", [0, 1]), ("cross_entropy(x, y - 1)", [1, 0]),
    ("one_hot(y, 3)*x", [0, -1]), ("cross_entropy(x, y)", [0, 3]), ("x[y - 4]", [0, 2]),
    ("x[arange(k), y + 1]", [0, 2]),
])
def test_labels_beyond_their_axis_are_refused(text: str, labels: list[int]) -> None:
    whole = f"x: (k, 3); y: int(k,); L = sum({text})"
    at = {"x": np.ones((2, 3)), "y": labels}
    for call in (lambda: sg.compile(whole)(**at), lambda: sg.compile(whole, wrt="x")(**at),
                 lambda: sg.compare(whole, at=at)):
        with pytest.raises(InputError, match="out of range"):
            call()


@pytest.mark.parametrize("text", [
    "x: (0,); L = sum(x)", "x: (n - n,); L = sum(x)", "x: (-n,); L = sum(x)", "x: (n,); L = sum(x[2:2])",
    "x: (n,); L = sum(x[:-n])", "x: (n,); L = sum(x[-4:0])", "x: (n,); L = sum(x[2:-1:-1])",
    "x: (n,); L = x[n]", "x: (n,); L = x[-n - 1]", "x: (2*m,); L = sum(x[2*m:])",
])
def test_what_fits_no_size_is_refused_when_it_is_written(text: str) -> None:
    with pytest.raises((ShapeError, ParseError)) as caught:
        sg.parse(text)
    assert any(word in str(caught.value) for word in ("at least 1", "out of range"))


def test_sizes_may_be_written_with_a_minus_sign() -> None:
    text = "x: (n,); z: (k,); L = sum(x[-k:])*sum(z) + x[-k]"
    found = sg.grad("x: (n,); z: (k,); L = sum(x[-k:])*sum(z)", "x")
    assert str(found) == "pad(broadcast_to(sum(z), (k,)), ((-k + n, 0),))"
    assert sg.parse(f"x: (n,); z: (k,); {found}").output is found.node
    x, z = np.arange(5.0), np.ones(2)
    assert sg.compile(text)(x=x, z=z) == np.sum(x[-2:]) * 2 + x[-2]
    with pytest.raises(ShapeError, match="n >= k is needed, and k is 6, n is 5"):
        sg.compile(text)(x=x, z=np.ones(6))


@pytest.mark.parametrize("key", [slice(None, None, 1.5), slice(None, None, "a"), slice(0.5, None), True,
                                 slice(None, None, True), slice(None, None, 0)])
def test_python_refuses_what_is_no_subscript(key: Any) -> None:
    with pytest.raises((InputError, ShapeError), match=r"an index is an integer|an integer other than 0"):
        sg.symbol("x", "n")[key]


@pytest.mark.parametrize("words", [
    ["trace", "x: (n,); L = sum(x[-4:]**2)", "--at", "x=[1, 2, 3]"],
    ["compare", "x: (n,); L = sum(x[-4:]**2)", "--sizes", "n=3"],
    ["compare", "x: (n,); L = sum(x[-4:]**2)", "--at", "x=[1, 2, 3]"],
])
def test_the_command_line_says_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "n >= 4 is needed, and n is 3" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("row", [r for r in ARRAY_FUNCTIONS if not r.whole], ids=lambda r: r.name)
def test_a_function_without_operands_stands_beside_every_other_one(row: ArrayFunction) -> None:
    """arange has no operand: logdet(X) + sum(c*arange(n)) once looked for its first one."""
    operands, options = row.placeholders()
    c = sg.symbol("c_", "q_")
    loss = reduce_sum(row(*operands, **options)) + sg.parse("c_: (q_,); L = sum(c_*arange(q_))").output
    assert c.node in topological([loss])
    f = sg.compile(sg.Expression(loss), wrt="c_")
    at = {v: np.asarray(a) for v, a in random_point([loss], {"q_": 5}, seed=3).items()}
    np.testing.assert_array_equal(f(**at)[1]["c_"], np.arange(5))


def test_a_need_says_the_same_in_words_and_numbers() -> None:
    rooms = {n.words: n.room for t in (c[0] for c in CASES) for n in needs(topological([sg.parse(
        f"x: (n,); L = {t}").output]))}
    assert {"n >= 4", "n >= 5", "n >= 6"} <= rooms.keys()
    for words, room in rooms.items():
        for n in range(1, 9):
            left, right = (int(s) if s.isdigit() else n for s in words.split(" >= "))
            assert (left >= right) == bool(room.subs(dict.fromkeys(room.free_symbols, n)) >= 0), words


@pytest.mark.parametrize(("room", "says"), [
    ("n - 1", True), ("n*d - 1", True), ("2*n - d", None), ("-n", False), ("2 - n - d", None), ("1 - n - d", False),
    ("n*d - n", True), ("n - 4", None), ("Min(n, d) - 1", True), ("n**2 - 2*n + 1", True), ("3", True), ("-1", False),
])
def test_what_fits_every_size_is_known(room: str, says: bool | None) -> None:
    n, d = as_dim("n"), as_dim("d")
    dim = {"Min(n, d) - 1": sp.Min(n, d) - 1}.get(room)
    dim = sp.sympify(room, {"n": n, "d": d}) if dim is None else dim  # the rooms written in this file
    assert fits_always(dim) is says
    values = [dim.subs({n: a, d: b}) >= 0 for a in range(1, 6) for b in range(1, 6)]
    assert all(values) if says else not any(values) if says is False else any(values)
