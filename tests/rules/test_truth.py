"""Every row of the rewrite tables is true to 50 digits where its condition holds, and used nowhere else.

A row without a condition says that both sides are one partial function: it is tried over the whole line, poles and
undefined points included.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.assumptions import Assumption
from symgrad.engine.evaluate import evaluate
from symgrad.engine.recognise import recognise
from symgrad.engine.rewrite import rewrite
from symgrad.engine.stabilise import stabilise
from symgrad.graph.node import Node, apply, const, make, topological, var
from symgrad.kernels.compile import compile_nodes
from symgrad.rules.algebra import RECOGNITION
from symgrad.rules.ranges import POSITIVE, Range, point
from symgrad.rules.row import Rewrite
from symgrad.rules.stability import ACCURATE, DEFAULT, SHARING

TABLES = RECOGNITION + DEFAULT + ACCURATE + SHARING
POINTS = 40
DIGITS = 200  # exp(-150) beside 1 keeps its digits
SPECIAL = (-150.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 150.0)


def seeded(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311  # a test that repeats itself


def points(rule: Rewrite, seed: int = 0) -> Iterator[dict[Node, float]]:
    """Yield random points of the whole space, and all special ones or as many of them."""
    rng, x = seeded(seed), rule.placeholders
    for _ in range(POINTS):
        yield {p: rng.uniform(-30, 30) if rng.random() < 0.5 else rng.uniform(-2, 2) for p in x}
    special = list(itertools.product(SPECIAL, repeat=len(x)))
    for at in special if len(special) <= 4 * POINTS else rng.sample(special, 4 * POINTS):
        yield dict(zip(x, at))


def holds(rule: Rewrite, at: dict[Node, float]) -> bool:
    """Whether the condition of a row holds at a point, by the values there."""
    if rule.when is None:
        return True
    pairs = rule.when(*rule.placeholders)
    values = (v.item() for v in evaluate([n for n, _ in pairs], at, digits=30))
    return all(mpmath.isfinite(v) and point(float(v)) in wanted for v, (_, wanted) in zip(values, pairs))


def counterexample(rule: Rewrite, seed: int = 0) -> tuple[dict[Node, float], mpmath.mpf, mpmath.mpf] | None:
    """A point where the condition holds and lhs = rhs does not, with both values; None where all points agree.

    Equal is: off by 1e-50 at most, relative where a side exceeds 1, or both undefined; where the row says that it
    fills points, the left side alone may be.
    """
    sides, met = [rule.lhs(*rule.placeholders), rule.rhs(*rule.placeholders)], 0
    for at in points(rule, seed):
        if not holds(rule, at):
            continue
        a, b = (v.item() for v in evaluate(sides, at, digits=DIGITS))
        met += bool(mpmath.isfinite(a))
        if not mpmath.isfinite(a):
            if mpmath.isfinite(b) and not rule.fills:
                return at, a, b
        elif not mpmath.isfinite(b) or abs(a - b) > mpmath.mpf(10) ** -50 * max(1, abs(a), abs(b)):
            return at, a, b
    assert met >= 10, f"{rule.name}: hardly a point lies in the condition"
    return None


@pytest.mark.parametrize("rule", TABLES, ids=lambda r: r.name)
def test_row_is_true(rule: Rewrite) -> None:
    assert counterexample(rule) is None


FALSE = (
    Rewrite("sign", ("x",), lambda x: 1 - apply("sigmoid", x), lambda x: apply("sigmoid", x), "planted"),
    Rewrite("forgotten_square", ("x",), lambda x: 1 - apply("tanh", x) ** 2, lambda x: 1 - apply("tanh", x), "planted"),
    Rewrite("nearly", ("x",), lambda x: apply("softplus", x),
            lambda x: apply("softplus", x) + apply("exp", -90 + 0 * x), "planted"),
    Rewrite("half_line", ("x",), lambda x: apply("sqrt", x**2), lambda x: x, "planted"),
    Rewrite("swapped", ("a", "b"), lambda a, b: 1 / (1 + apply("exp", a - b)), lambda a, b: apply("sigmoid", a - b),
            "planted"),
    Rewrite("exp_of_log", ("x",), lambda x: apply("exp", apply("log", x)), lambda x: x, "planted"),
    Rewrite("too_wide", ("x",), lambda x: apply("exp", apply("log", x)), lambda x: x, "planted",
            when=lambda x: ((x, Range(-1, math.inf)),)),
    Rewrite("cancelled", ("x", "y"), lambda x, y: x * y / x, lambda x, y: y, "planted"),
    Rewrite("squared_root", ("x",), lambda x: apply("sqrt", x) ** 2, lambda x: x, "planted"),
    Rewrite("product_in_log", ("x", "y"), lambda x, y: apply("log", x) + apply("log", y),
            lambda x, y: apply("log", x * y), "planted"),
    Rewrite("log_of_absolute_gamma", ("x",), lambda x: apply("log", apply("gamma", x)), lambda x: apply("lgamma", x),
            "planted"),
    Rewrite("one_relation_short", ("x", "y"), lambda x, y: apply("maximum", x, y), lambda x, y: x, "planted",
            when=lambda x, y: ((x - y, Range(-1, math.inf)),)),
)


@pytest.mark.parametrize("rule", FALSE, ids=lambda r: r.name)
def test_planted_false_row_is_caught(rule: Rewrite) -> None:
    assert counterexample(rule) is not None


EXP_OF_LOG = Rewrite("exp_of_log", ("x",), lambda x: apply("exp", apply("log", x)), lambda x: x, "planted",
                     when=lambda x: ((x, POSITIVE),))
LARGER = Rewrite("larger", ("x", "y"), lambda x, y: apply("maximum", x, y), lambda x, y: x, "planted",
                 when=lambda x, y: ((x - y, Range(0, math.inf, at_low=True)),))


@pytest.mark.parametrize("rule", [EXP_OF_LOG, LARGER], ids=lambda r: r.name)
def test_the_same_row_with_its_condition_is_true(rule: Rewrite) -> None:
    assert counterexample(rule) is None


def test_the_counterexample_of_a_row_without_its_condition_lies_outside_of_it() -> None:
    without = next(r for r in FALSE if r.name == "exp_of_log")
    found = counterexample(without)
    assert found is not None
    assert not holds(EXP_OF_LOG, {EXP_OF_LOG.placeholders[0]: next(iter(found[0].values()))})


def test_a_condition_is_enforced() -> None:
    """For a real variable the row is not used; it is where ranges know that it holds, or somebody assumes it."""
    x, y = var("x"), var("y")

    def spelled(u: Node) -> Node:
        return apply("exp", apply("log", u))

    for u in (x, -apply("exp", y), apply("tanh", x), x * y, apply("relu", x), apply("sqrt", x), x - y, x**3):
        assert rewrite([spelled(u)], (EXP_OF_LOG,)) == ([spelled(u)], [])
    for u in (apply("exp", y), x**2 + 1, apply("sigmoid", x), 1 / apply("cosh", x), apply("softplus", x), const(2)):
        assert rewrite([spelled(u)], (EXP_OF_LOG,))[0] == [u]
    positive = Assumption("x > 0", (("gt", x, (const(0),)),))
    other = Assumption("y > 1", (("gt", y, (const(1),)),))
    (after,), log = rewrite([spelled(3 * x)], (EXP_OF_LOG,), [other, positive])
    assert after is 3 * x
    assert log[0].assumptions == ("x > 0",)
    assert rewrite([spelled(x - y)], (EXP_OF_LOG,), [other, positive])[1] == []
    above = Assumption("x >= y", (("ge", x, (y,)),))
    assert rewrite([apply("maximum", x, y)], (LARGER,))[1] == []
    assert rewrite([apply("maximum", x, y)], (LARGER,), [above])[0] == [x]
    assert rewrite([apply("maximum", y, x)], (LARGER,), [above])[1] == []


def granted(rule: Rewrite, args: list[Node]) -> list[Assumption]:
    """The condition of a row as an assumption about its arguments."""
    parts = []
    for node, wanted in rule.when(*args) if rule.when is not None else ():
        if wanted.low > -math.inf:
            parts.append(("ge" if wanted.at_low else "gt", node, (const(wanted.low, node.shape),)))
        if wanted.high < math.inf:
            parts.append(("le" if wanted.at_high else "lt", node, (const(wanted.high, node.shape),)))
    return [Assumption("the condition", tuple(parts))] if parts else []


CONDITIONAL = [r for r in TABLES if r.when is not None]


@pytest.mark.parametrize("rule", CONDITIONAL, ids=lambda r: r.name)
def test_a_row_with_a_condition_is_not_used_for_any_real(rule: Rewrite) -> None:
    args = [var(p) for p in rule.params]
    assert rewrite([rule.lhs(*args)], (rule,))[1] == []
    _, log = rewrite([rule.lhs(*args)], (rule,), granted(rule, args))
    assert [(a.rule, a.assumptions) for a in log] == [(rule.name, ("the condition",))]
    outside = [at for at in points(rule) if not holds(rule, at)]
    assert len(outside) >= 10


def kernel_complaints(rule: Rewrite) -> list[str]:
    """Where the kernel of the left side is not the left side: another number, or one where that is undefined."""
    left = rule.lhs(*rule.placeholders)
    (recognised,), _ = recognise([left])
    kernel = compile_nodes({"L": recognised}, inputs=rule.placeholders, stabilise=stabilise)
    out = []
    for at in points(rule):
        true = evaluate([left], at, digits=DIGITS)[0].item()
        with np.errstate(all="ignore"):
            got = float(kernel(**{p.name: np.array(v) for p, v in at.items()}))
        if not mpmath.isfinite(true):
            bad = math.isfinite(got) and not rule.fills
        else:
            bad = not abs(got - true) <= 1e-9 * max(1, abs(true))
        out += [f"{rule.name} at {at}: {got}, not {mpmath.nstr(true, 17)}"] * bad
    return out


@pytest.mark.parametrize("rule", TABLES, ids=lambda r: r.name)
def test_the_kernel_of_a_left_side_is_that_side_on_the_whole_line(rule: Rewrite) -> None:
    assert kernel_complaints(rule) == []


@pytest.mark.parametrize("text", ["log(gamma(x))", "2*log(gamma(x)) - x", "log(gamma(x))**2 + x"])
def test_log_of_gamma_is_undefined_where_gamma_is_negative(text: str) -> None:
    kernel = sg.compile(f"x: (); L = {text}", "x")
    for at, defined in ((-0.5, False), (-1.5, True), (-1.0, False), (3.5, True), (400.0, True)):
        with np.errstate(all="ignore"):
            value, _ = kernel(x=np.array(at))
        assert math.isfinite(value) == defined, (at, value)
    assumed = sg.compile(f"x: (); L = {text}", assume="x > 0").source
    assert "assuming x > 0" in assumed
    assert "sign" not in assumed
    assert "sign" in sg.compile(f"x: (); L = {text}").source
    assert "sign" not in sg.compile(f"x: (); L = {text}".replace("gamma(x)", "gamma(exp(x))")).source


@pytest.mark.parametrize("rule", TABLES, ids=lambda r: r.name)
@pytest.mark.parametrize("shape", [(), (2, "n")], ids=str)
def test_row_applies_to_its_own_left_side(rule: Rewrite, shape: tuple[int | str, ...]) -> None:
    args = [var(p, shape) for p in rule.params]
    (after,), log = rewrite([rule.lhs(*args)], (rule,), granted(rule, args))
    assert log[0].rule == rule.name
    assert after.shape == args[0].shape
    assert log[0].after is rule.rhs(*args)


def turned(root: Node) -> Node:
    """The same mathematics with every sum and product turned round and every quotient and difference spelled out."""
    new: dict[Node, Node] = {}
    for n in topological([root]):
        args = [new[a] for a in n.args]
        if n.op in ("add", "mul"):
            new[n] = make(n.op, args[::-1], n.attr, n.shape)
        elif n.op == "sub":
            new[n] = -1 * args[1] + args[0]
        elif n.op == "div":
            new[n] = args[1] ** -1 * args[0]
        elif n.op == "neg":
            new[n] = args[0] * -1
        else:
            new[n] = make(n.op, args, n.attr, n.shape)
    return new[root]


@pytest.mark.parametrize("rule", TABLES, ids=lambda r: r.name)
def test_row_applies_to_other_spellings_of_its_left_side(rule: Rewrite) -> None:
    args = [var(p, (3,)) for p in rule.params]
    _, log = rewrite([turned(rule.lhs(*args))], (rule,), granted(rule, args))
    assert log
    assert log[0].rule == rule.name


def test_names_are_unique_and_sources_are_given() -> None:
    names = [r.name for r in TABLES]
    assert len(set(names)) == len(names)
    assert all(r.source for r in TABLES)
