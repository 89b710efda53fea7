"""Derived nodes in forms for floating point: no overflow, no warning, digits kept, work shared, linear time."""

from __future__ import annotations

import random
import warnings
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
import pytest

from symgrad.engine.evaluate import evaluate, random_env
from symgrad.engine.stabilise import stabilise
from symgrad.errors import InputError, NoRule
from symgrad.graph.node import Node, apply, const, make, reduce_mean, reduce_sum, replace, size, topological, var
from symgrad.rules.elementwise import BY_NAME
from symgrad.rules.stability import ACCURATE
from tests.work import calls

Z, Y = var("Z", ("n",)), var("Y", ("n",))
FAR = np.array([-1e4, -9e3, -745, -89, 0, 89, 710, 9e3, 1e4])
NEAR = np.concatenate([np.linspace(-40, 40, 161), np.linspace(-1, 1, 100)]).astype(np.float32).astype(float)
GRID = np.concatenate([FAR, NEAR])  # numbers that float32 holds as well
LABELS = (np.arange(len(GRID)) % 3 == 0).astype(float)


def seeded(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311  # a test that repeats itself


def f(name: str, *args: Node | float, **kw: tuple) -> Node:
    return apply(name, *args, **kw)


P = f("sigmoid", Z)
BCE = -(Y * f("log", P) + (1 - Y) * f("log", 1 - P))


def in_numpy(roots: list[Node], env: dict[Node, np.ndarray]) -> list[np.ndarray]:
    """The nodes one after the other with NumPy's functions; any overflow, invalid or zero divide raises."""
    values: dict[Node, np.ndarray] = {}
    with np.errstate(over="raise", invalid="raise", divide="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in topological(roots):
            if n in env:
                values[n] = env[n]
            elif n.op == "const":
                values[n] = float(n.value) if isinstance(n.value, Fraction) else n.value
            elif n.op == "einsum":
                ins, out, _ = n.attr
                values[n] = np.einsum(*(v for a, i in zip(n.args, ins) for v in (values[a], i)), out)
            else:
                extra = [float(a) for a in n.attr if n.op == "step"]
                values[n] = getattr(np, BY_NAME[n.op].numpy)(*(values[a] for a in n.args), *extra)
    return [values[r] for r in roots]


SAFE = {
    "sigmoid": P,
    "sigmoid of minus": f("sigmoid", -Z),
    "sigmoid spelled out": 1 / (1 + f("exp", -Z)),
    "softplus": f("softplus", Z),
    "softplus spelled out": f("log", 1 + f("exp", Z)),
    "log of sigmoid": f("log", P),
    "log of one minus sigmoid": f("log", 1 - P),
    "bce": BCE,
    "bce from logits": f("softplus", Z) - Y * Z,
    "bce, its derivative": P - Y,
    "softplus, its derivative": P,
    "sigmoid, its derivative": P * (1 - P),
    "tanh spelled out": (f("exp", 2 * Z) - 1) / (f("exp", 2 * Z) + 1),
    "tanh, its derivative": 1 - f("tanh", Z) ** 2,
    "relu": f("relu", Z),
}


@cache
def truth_of(name: str) -> np.ndarray:
    # log(1 - p) at z = 1e4 asks for the 4343rd digit of p
    parts = []
    for part, digits in ((slice(0, len(FAR)), 4400), (slice(len(FAR), None), 60)):
        z = GRID[part]
        (value,) = evaluate([SAFE[name]], {Z: z, Y: LABELS[part]}, digits=digits, sizes={"n": len(z)})
        parts.append(value)
    return np.concatenate(parts)


@pytest.mark.parametrize("level", ["default", "accurate"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SAFE)
def test_neither_overflow_nor_warning_and_the_right_value(name: str, dtype: type, level: str) -> None:
    root = SAFE[name]
    (stable,), _ = stabilise([root], level)
    z = GRID.astype(dtype)
    y = LABELS.astype(dtype)
    (value,) = in_numpy([stable], {Z: z, Y: y})
    assert value.dtype == dtype
    truth = truth_of(name)
    # sums of a handful of rounded operations; 1 - p is exact to the rounding of p, so the bound is absolute below 1
    scale = np.maximum(1, np.abs(truth.astype(float)))
    scale += np.abs(z) * (name == "bce from logits")  # softplus(z) - y z cancels where it was written that way
    error = np.array([float(abs(mpmath.mpf(float(v)) - t)) for v, t in zip(value, truth)])
    assert (error <= 8 * np.finfo(dtype).eps * scale).all()


@pytest.mark.parametrize("plain", [
    SAFE["sigmoid spelled out"], SAFE["softplus spelled out"], f("log", 1 - 1 / (1 + f("exp", -Z))),
], ids=["sigmoid", "softplus", "log(1-p)"])
def test_the_plain_forms_do_warn(plain: Node) -> None:
    with pytest.raises(FloatingPointError):
        in_numpy([plain], {Z: GRID})


@pytest.mark.parametrize(("root", "z"), [
    (1 - P, np.linspace(0, 700, 101)),
    (1 - f("sigmoid", -Z), np.linspace(-700, 0, 101)),
    (P * (1 - P), np.linspace(-300, 300, 101)),
    (1 - f("tanh", Z) ** 2, np.linspace(-300, 300, 101)),
    (1 - f("tanh", Z) * f("tanh", Z), np.linspace(-30, 30, 101)),
    (1 - f("cos", Z), np.linspace(-1e-6, 1e-6, 101)),
    (P - Y, np.linspace(-600, 600, 101)),
], ids=["1-p", "1-q", "p(1-p)", "1-t^2", "1-tt", "1-cos", "p-y"])
def test_accurate_level_keeps_relative_accuracy(root: Node, z: np.ndarray) -> None:
    y = (z > 0).astype(float)
    truth = evaluate([root], {Z: z, Y: y}, digits=700, sizes={"n": z.size})[0]

    def worst(level: str) -> float:
        (stable,), _ = stabilise([root], level)
        (value,) = in_numpy([stable], {Z: z, Y: y})
        return max(float(abs(mpmath.mpf(float(v)) - t) / abs(t)) for v, t in zip(value, truth) if t)

    assert worst("accurate") <= 16 * np.finfo(float).eps
    assert worst("default") > 1e-4  # the digits that the other level leaves alone, for speed


def test_default_level_computes_derivatives_from_the_stored_output() -> None:
    (forward, gate, slope), _ = stabilise([P, P * (1 - P), 1 - f("tanh", Z) ** 2])
    assert gate is forward * (1 - forward)
    assert slope is 1 - f("tanh", Z) ** 2
    names = {r.name for r in ACCURATE}
    assert not names & {s.rule for s in stabilise([gate, slope])[1]}


def test_exponential_is_shared_between_both_softplus_and_sigmoid() -> None:
    roots, _ = stabilise([reduce_mean(BCE), (P - Y) / size("n")])
    ops = [n.op for n in topological(roots)]
    assert ops.count("exp") == 1
    assert ops.count("log1p") == 1
    assert ops.count("abs") == 1
    assert "log" not in ops


def test_logarithms_of_sigmoid_by_name() -> None:
    z = var("z")
    p = f("sigmoid", z)
    roots, log = stabilise([f("log", p), f("log", 1 - p)])
    plus, minus = (BY_NAME["softplus"].machine(a) for a in (z, -z))
    shared = {f("abs", -z): f("abs", z)}
    assert roots == [-replace([minus], shared)[0], -plus]
    assert [s.rule for s in log[:2]] == ["log_of_sigmoid", "log_of_one_minus_sigmoid"]


FORMS = [
    (lambda x: f("log", 1 + x), lambda x: f("log1p", x)), (lambda x: f("log", 1 - x), lambda x: f("log1p", -x)),
    (lambda x: f("exp", x) - 1, lambda x: f("expm1", x)), (lambda x: f("log", f("exp", x)), lambda x: x),
    (lambda x: f("relu", x), lambda x: f("maximum", x, 0)), (lambda x: f("sqrt", x**2), lambda x: f("abs", x)),
    (lambda x: x**0.5, lambda x: f("sqrt", x)), (lambda x: f("sin", x), lambda x: f("sin", x)),
]


@pytest.mark.parametrize(("before", "after"), FORMS)
def test_forms(before, after) -> None:  # type: ignore[no-untyped-def]
    x = var("x", (2, "n"))
    assert stabilise([before(x)])[0] == [after(x)]


a = var("a", (2, 3))


def test_every_function_has_a_form_for_numpy_and_every_step_is_true() -> None:
    rng = seeded(0)
    for row in BY_NAME.values():
        node = row(*row.placeholders)
        roots, log = stabilise([node], "accurate")
        # a row with a form to double precision only is called as a function of the kernel's own
        assert all(n.is_leaf or BY_NAME[n.op].numpy or BY_NAME[n.op].double for n in topological(roots))
        for step in log:
            env = random_env([step.before, step.after], rng)
            before, after = evaluate([step.before, step.after], env, digits=70)
            assert abs(before - after) <= mpmath.mpf(10) ** -50 * (1 + abs(before)), step.rule


def test_bad_calls_say_so() -> None:
    with pytest.raises(InputError, match="'default' or 'accurate', not 'fast'"):
        stabilise([a], "fast")
    with pytest.raises(NoRule, match=r"sigmoud.*Did you mean 'sigmoid'"):
        stabilise([make("sigmoud", [a], (), a.shape)])


def layers(count: int) -> list[Node]:
    """Value, delta and weight gradient of every layer of a network of width 3."""
    h, n = 3, "n"
    x = var("X", (h, n))
    values = []
    for k in range(count):
        w, bias = var(f"W{k}", (h, h)), var(f"b{k}", (h, 1))
        x = f(("sigmoid", "tanh", "relu")[k % 3], w @ x + bias)
        values.append((w, x))
    delta = f("sigmoid", x) - var("Y", (h, n))
    roots = [reduce_sum(f("log", f("sigmoid", x)) + f("log", 1 - f("sigmoid", x))) / size(n)]
    for w, y in reversed(values):
        delta = w.T @ (delta * y * (1 - y))
        roots.append(delta @ y.T)
    return roots


def test_a_thousand_layers_take_linear_work() -> None:
    def work(count: int) -> int:
        roots = layers(count)
        return calls(lambda: stabilise(roots))

    work(10)  # caches
    assert work(1000) <= 10.5 * work(100)  # quadratic is 100


def test_depth() -> None:
    node = var("v")
    for k in range(20_000):
        node = f("sigmoid", node) if k % 10 == 0 else f("log", 1 - f("sigmoid", node)) if k % 10 == 5 else node * 2
    (root,), log = stabilise([node])
    assert len(log) > 20_000 // 5
    assert "sigmoid" not in {n.op for n in topological([root])}
    assert const(1) in topological([root])
