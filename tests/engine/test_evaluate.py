"""Values of nodes: against NumPy and mpmath, and the ways in which a value cannot be had."""

from __future__ import annotations

import random

import mpmath
import numpy as np
import pytest

from symgrad.engine.evaluate import distinct_sizes, evaluate, evaluate_mod_p, random_env
from symgrad.errors import InputError, NoRule
from symgrad.graph.node import Node, apply, const, einsum, identity, make, reduce_mean, size, var
from symgrad.rules.elementwise import FUNCTIONS, pi
from tests.work import within


def seeded(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311  # a test that repeats itself


def floats(array: np.ndarray) -> np.ndarray:
    return array.astype(float)


def rational(rng: random.Random, shape: tuple[int, ...]) -> np.ndarray:
    return np.array([rng.randint(-9, 9) for _ in range(int(np.prod(shape)))], dtype=object).reshape(shape)


SPECS = [
    ("ij,jk->ik", [(2, 3), (3, 5)]), ("ij->ji", [(2, 3)]), ("ij->", [(2, 3)]), ("i,j->ij", [(2,), (3,)]),
    ("ii->", [(3, 3)]), ("ii->i", [(3, 3)]), ("i,ij,j->", [(2,), (2, 3), (3,)]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
    ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 5), (5, 2)]), ("i,i,i->i", [(3,), (3,), (3,)]), (",ij->ij", [(), (2, 3)]),
    ("iij,ij->j", [(2, 2, 3), (2, 3)]),
]


@pytest.mark.parametrize(("spec", "shapes"), SPECS)
def test_einsum_agrees_with_numpy(spec: str, shapes: list[tuple[int, ...]]) -> None:
    rng = seeded(spec)
    ins, out = spec.split("->")
    nodes = [var(f"x{i}", s) for i, s in enumerate(shapes)]
    values = [rational(rng, s) for s in shapes]
    node = einsum(ins.split(","), nodes, out)
    env = dict(zip(nodes, values))
    expected = np.einsum(spec, *[v.astype(float) for v in values])
    assert (floats(evaluate([node], env)[0]) == expected).all()
    p = 101
    assert (evaluate_mod_p([node], dict(env), p)[0] == expected.astype(int) % p).all()


def test_deltas_and_broadcasts() -> None:
    v = var("v", (3,))
    diagonal = einsum(["i"], [v], ["i", "i"])
    wide = einsum(["i"], [v], ["j", "i"], {"j": 2})
    got = evaluate([diagonal, wide, identity(4), identity("n")], {v: [1, 2, 3]}, sizes={"n": 2})
    for array, expected in zip(got, (np.diag([1, 2, 3]), np.array([[1, 2, 3]] * 2), np.eye(4), np.eye(2))):
        assert (floats(array) == expected).all()


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda f: f.name)
def test_every_function_has_a_value_that_is_its_definition(row) -> None:  # type: ignore[no-untyped-def]
    rng = seeded(row.name)
    args = [var(p, (2, 3)) for p in row.params]
    node = row(*args)
    env = random_env([node], rng)
    value = evaluate([node], env)[0]
    assert all(mpmath.isfinite(v) for v in value.flat)
    for form in (row.definition, row.machine):
        if form is not None:
            # where both sides of an interval are asked for, the point lies there, so each form is finite too
            other = form(*args)
            env = random_env([node, other], rng)
            a, b = evaluate([node, other], env, digits=60)
            assert all(abs(x - y) <= mpmath.mpf(10) ** -50 * (1 + abs(x)) for x, y in zip(a.flat, b.flat))


def test_any_node_may_be_held_fixed() -> None:
    x = var("x")
    e = apply("exp", x)
    assert evaluate([e * 2], {e: 21})[0] == 42
    p = apply("sigmoid", x)
    assert evaluate([p * 2], {p: 21})[0] == 42


def test_constants_and_sizes() -> None:
    half = const(0.1, (2,))
    out = evaluate([half, pi(), size("n"), const(float("inf"))], {}, sizes={"n": 7}, digits=60)
    assert out[0][0] == mpmath.mpf(0.1)
    with mpmath.workdps(60):
        assert out[1] == +mpmath.pi
    assert out[2] == 7
    assert out[3] == mpmath.inf


def test_outside_the_reals_is_nan_and_giants_are_infinite() -> None:
    x = var("x")
    values = evaluate([apply("log", x), x ** 0.5, 1 / (x + 2), apply("arccosh", x)], {x: -2})
    assert all(mpmath.isnan(v.item()) for v in values)
    tower = x
    for _ in range(8):
        tower = apply("exp", tower)
    assert evaluate([tower], {x: 3})[0] == mpmath.inf
    assert evaluate([apply("where", apply("gt", x, 0), 1 / (x + 2), 5)], {x: -2})[0] == 5


def test_what_cannot_be_evaluated_says_so() -> None:
    x = var("x", (2, "n"))
    with pytest.raises(InputError, match=r"no value given for x of shape \(2, n\)"):
        evaluate([x + 1], {}, sizes={"n": 3})
    with pytest.raises(InputError, match=r"x: expected a value of shape \(2, 3\)"):
        evaluate([x + 1], {x: np.zeros((3, 2))}, sizes={"n": 3})
    with pytest.raises(NoRule, match=r"sigmoud.*Did you mean 'sigmoid'"):
        evaluate([make("sigmoud", [x], (), x.shape)], {x: np.zeros((2, 3))}, sizes={"n": 3})
    with pytest.raises(InputError, match="pending pullback"):
        evaluate_mod_p([make("pull", [x, x, x], (), x.shape)], {}, sizes={"n": 3})
    zero = var("z")
    with pytest.raises(InputError, match="divides by zero"):
        evaluate_mod_p([1 / (zero - zero)], {})


def hard_graphs() -> list[Node]:
    p, y, x, w = var("p", (3,)), var("y", (3,)), var("X", (2, 3)), var("w", (3,))
    log = lambda a: apply("log", a)
    return [
        -(y * log(p) + (1 - y) * log(1 - p)),
        log(x @ w),
        apply("sqrt", 1 - (x @ w) ** 2),
        apply("arccosh", p) + apply("log", y),
        log(log(log(p))),
        apply("arcsin", p - 3) + p ** y,
        reduce_mean(log(-p)),
    ]


@pytest.mark.parametrize("k", range(7))
def test_random_points_are_found_inside_the_domain(k: int) -> None:
    graph = hard_graphs()[k]
    rng = seeded(k)
    for _ in range(3):
        env = random_env([graph], rng)
        assert all(mpmath.isfinite(v) for v in evaluate([graph], env)[0].flat)


def test_random_points_keep_both_signs_where_both_are_allowed() -> None:
    x = var("x")
    wrong, right = apply("sqrt", x**2), x  # true for x > 0 alone
    rng = seeded(1)
    differ = 0
    for _ in range(20):
        env = random_env([wrong, right], rng)
        a, b = evaluate([wrong, right], env)
        differ += abs(a - b) > 1e-9
    assert differ > 3


def test_held_and_given_nodes() -> None:
    x = var("x")
    p = apply("log", x)
    env = random_env([apply("sqrt", p)], seeded(0), held=[p])
    assert set(env) == {p}
    assert env[p] > 0
    env = random_env([apply("log", x * p)], seeded(0), held=[p], given={x: -2})
    assert set(env) == {p}
    assert env[p] < 0


def test_no_point_is_an_error_that_names_the_function() -> None:
    x = var("x")
    with pytest.raises(InputError, match=r"found no point .* log\(...\)"):
        within(200_000, lambda: random_env([apply("log", -1 - x**2)], seeded(0)))


def test_distinct_sizes() -> None:
    x = var("X", ("n", "h", 2, 5))
    sizes = distinct_sizes([x])
    assert len({*sizes.values(), 2, 5}) == 4
    n, h = (size(s).value for s in ("n", "h"))
    y = var("Y", (n - h, 2 * n, n * h))
    sizes = distinct_sizes([y])
    assert sizes["n"] > sizes["h"] >= 2
    with pytest.raises(InputError, match="Give the sizes yourself"):
        distinct_sizes([var("Z", (n - h, h - n + 1, h - n))])


def equal_mod_p(a: Node, b: Node) -> bool:
    left, right = evaluate_mod_p([a, b], {}, sizes={"n": 3}, rng=seeded(0))
    return bool((left == right).all())


def test_rational_identities_hold_and_false_ones_do_not() -> None:
    x, y = var("x"), var("y")
    s = apply("sigmoid", x)
    assert equal_mod_p(-y / s + (1 - y) / (1 - s), (s - y) / (s * (1 - s)))
    assert equal_mod_p(apply("exp", x - y) * 2, apply("exp", -y + x) + apply("exp", x - y))
    assert equal_mod_p(x ** (const(2) - 1), x)
    assert equal_mod_p(const(0.5) * x, x / 2)
    assert equal_mod_p(pi() * x * pi(), x * pi() ** 2)
    assert not equal_mod_p(-y / s + (1 - y) / (1 - s), (y - s) / (s * (1 - s)))
    assert not equal_mod_p(const(0.1) * x, x / 10)
    assert not equal_mod_p(apply("exp", x) * apply("exp", y), apply("exp", x + y))  # exp is unknown here, on purpose
    a, b = var("A", (2, "n")), var("B", ("n", 4))
    assert equal_mod_p((a @ b).T, b.T @ a.T)
    c = var("C", (3, 3))
    assert not equal_mod_p(c.T, c)


def test_one_env_and_atoms_serve_several_calls() -> None:
    x, y = var("x"), var("y")
    env: dict[Node, object] = {}
    atoms: dict[tuple, int] = {}
    first = evaluate_mod_p([apply("exp", x)], env, atoms=atoms)[0]
    second = evaluate_mod_p([apply("exp", x), apply("exp", y)], env, atoms=atoms)
    assert first == second[0]
    assert first != second[1]


def test_powers_of_powers_of_constants_do_not_explode() -> None:
    node = const(3)
    for _ in range(100):
        node = node * node
    assert evaluate_mod_p([node], {})[0] == pow(3, pow(2, 100), 2**61 - 1)
    assert evaluate([node], {})[0] == mpmath.inf


def test_depth() -> None:
    x = var("x")
    node = x
    for k in range(20_000):
        node = node + 1 if k % 2 else apply("sin", node)
    env = random_env([node], seeded(0), digits=15)
    assert mpmath.isfinite(evaluate([node], env, digits=15)[0].item())
    assert evaluate_mod_p([node], {})[0] > 0
