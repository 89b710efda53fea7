"""Small inputs that ask for much: each is answered within bounded memory and work, or refused by a limit that is named.

They run in processes of their own under a limit of the system on memory; the suite's general timeout bounds the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import symgrad as sg
from symgrad.check.point import random_point
from symgrad.errors import LimitExceeded

MEMORY, PARTS = 2 * 2**30, 4
PROGRAM = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
import sympy as sp, symgrad as sg
x, y = sp.symbols("x y", real=True)
p = sp.Symbol("p", positive=True)
for name, given in json.load(sys.stdin).items():
    try:
        d = sg.derive(eval(given[1:]) if given.startswith("!") else given)  # the texts of this file alone
        d.text(), d.latex(), d.compile()
        out = ["ok", 0, d.text(detail="result")[:2000]]
    except sg.SymgradError as error:
        out = [type(error).__name__, error.exit_code, str(error)]
    print(json.dumps([name, *out]), flush=True)
"""
NESTED = "x"
for _k in range(40):
    NESTED = f"where(x > {_k}, {NESTED}, sin(x))"
POWERS = "x"
for _k in range(60):
    POWERS = f"({POWERS})**999999999999"


def named(first: str, each: str, count: int) -> str:
    """Return a chain of equations; {} is the name before."""
    return "\n".join([f"a0 = {first}", *(f"a{k} = {each.replace('{}', f'a{k - 1}')}" for k in range(1, count + 1))])


ANSWERED = {
    "doublings": named("x", "{} + {}", 60), "squarings": named("x", "{} * {}", 60), "wheres": NESTED,
    "named wheres": named("x", "where({} > 1, {}**2, sin({}))", 40), "large exponent": "x**1000000000",
    "exponents": "((x**64)**64)**64", "sum to a power": "(1 - x)**1000000",
    "sums to powers": "(x + y)**1000*(x - y)**1000",
    "powers in powers": "(x**1000 + y**1000)**1000", "focal": "p: (); y: (); focal(p, y, gamma=1000000000)",
    "softmax": "x: (n,); sum(softmax(x)**1000000)", "many sums": "*".join(f"(x{k} + y{k} + z{k})**9" for k in range(4)),
    "tower of names": "x**x**x**x**x", "towers of exp": "exp(exp(exp(exp(exp(exp(x))))))", "decimal": "1e81*x",
    "long sum": "+".join(f"s{k}**2" for k in range(400)), "nested": "sin(" * 45 + "x" + ")" * 45,
    "matrix power": "A: (n, n); sum(matrix_power(A, 1000000000))", "shape": "x: (); sum(ones((1000000, 1000000))*x)",
    "arange": "x: (); sum(arange(1000000000000)*x)", "eye": "x: (); sum(eye(1000000000)*x)",
    "one_hot": "i: int(n,); x: (); sum(one_hot(i, 1000000000000)*x)",
    "pad": "x: (n,); sum(pad(x, ((1000000000000, 0),))**2)", "roll": "x: (3,); c: (3,); sum(roll(x, 1000000000000)*c)",
    "tile": "x: (n,); sum(tile(x, (1000000, 1000000))**2)", "repeat": "x: (n,); sum(repeat(x, 1000000000000)**2)",
    "linspace": "x: (); sum(linspace(0, x, 1000000000000)**2)", "index": "x: (1000000000000,); x[999999999999]",
    "broadcast": "x: (); sum(broadcast_to(x, (1000000, 1000000, 1000000))**2)",
    "windows": "x: (1000000000000,); sum(windows(x, 1000000, axis=0)**2)", "prod": "x: (1000000000000,); prod(x)",
    "pool": "x: (4, 1000000000); sum(max_pool1d(x, 100000)**2)", "sort": "x: (1000000000000,); sum(sort(x)[0:5])",
    "kron": "A: (1000000, 1000000); sum(kron(kron(A, A), kron(A, A)))", "norm": "x: (n,); norm(x, ord=1000000000)",
    "SymPy: power": "!(x + y)**1000", "SymPy: number": "!sp.Integer(10)**300*x",
    "SymPy: root": "!p**sp.Rational(1, 10**9)",
    "SymPy: sum": "!sp.Add(*(sp.Symbol(f's{k}', real=True)**2 for k in range(300)))",
}
REFUSED = {  # the exit code, and words of the message
    "tower": ("x**(10**9)**9", 2, ["256 bits"]), "tower alone": ("10**9**9*x", 2, ["exponent", "64"]),
    "two": ("2**100000*x", 2, ["exponent", "64"]), "nines": ("9**9**9*x", 2, ["exponent", "64"]),
    "product": ("*".join(["10**12"] * 7) + "*x", 2, ["256 bits"]), "fraction": ("(1/10**9)**9*x", 2, ["256 bits"]),
    "digits": ("1" * 65 + "*x", 2, ["64"]), "integer": ("10000000000000*x", 2, ["1000000000000"]),
    "powers of powers": (POWERS, 2, ["float64"]), "gamma": ("gamma(1000000)*x", 2, ["limit"]),
    "exp": ("exp(1000000000)*x", 2, ["limit of double precision"]), "brackets": ("(" * 101 + "x" + ")" * 101, 2,
    ["100"]),
    "diff": ("x: (n,); sum(diff(x, 65)**2)", 4, ["64"]), "long": ("+".join(["x"] * 2002), 2, ["2000"]),
    "size": ("x: (10000000000000,); sum(x)", 2, ["1000000000000"]),
    "SymPy: exponent": ("!x**sp.Integer(10)**400", 4, ["1024"]), "SymPy: factorial": ("!sp.factorial(1000)*x", 4,
    ["1024"]),
    "SymPy: float": ("!sp.Float('1e400')*x", 4, ["double precision"]), "SymPy: root": ("!p**sp.Rational(1, 10**400)",
    4, ["1024"]),
    "SymPy: towers": ("!(p**(10**300))**(10**300)", 4, ["1024"]),
    "SymPy: binomial": ("!sp.binomial(10**5, 5*10**4)*x", 4, ["1024"]),
}


def results(cases: dict[str, str]) -> dict[str, tuple[str, int, str]]:
    """Return (kind of error or 'ok', exit code, message) of each case."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(MEMORY)], input=json.dumps(cases), capture_output=True,
                          text=True, check=False, timeout=115)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {name: tuple(rest) for name, *rest in map(json.loads, done.stdout.splitlines())}
    assert list(found) == list(cases)
    return found  # type: ignore[return-value]  # three entries each


@pytest.mark.parametrize("part", range(PARTS))
def test_what_is_large_only_when_written_out_is_answered(part: int) -> None:
    cases = dict(list(ANSWERED.items())[part::PARTS])
    assert {name: r[2] for name, r in results(cases).items() if r[0] != "ok"} == {}


def test_what_is_large_is_refused_by_a_limit_that_is_named() -> None:
    found = results({name: text for name, (text, _, _) in REFUSED.items()})
    for name, (_, code, words) in REFUSED.items():
        kind, exit_code, message = found[name]
        assert kind in ("TextLimit", "LimitExceeded", "InputError"), (name, found[name])
        assert exit_code == code, (name, found[name])
        assert all(w in message for w in words), (name, message)
        assert len(message) < 1000


def test_powers_too_large_to_multiply_out_are_shortened_all_the_same() -> None:
    found = results({"like terms": "(1 - x)**1000000*x", "factors": "sigmoid(x)**1000000*(1 - sigmoid(x))",
                     "two apart": "x**1000*y + x**1000000*y"})
    assert "(1 - 1000001*x)*(1 - x)**999999" in found["like terms"][2]
    assert "sigmoid(x)**1000000*(1 - sigmoid(x))*(1000000 - 1000001*sigmoid(x))" in found["factors"][2]
    assert "1000*y*(1000*x**999999 + x**999)" in found["two apart"][2]


@pytest.mark.parametrize("text", [
    "x: (1000000, 1000000); sum(x**2)", "x: (3,); sum(arange(1000000000)*x[0])", "A: (4000, 4000); sum((A @ A)**2)",
])
def test_proofs_and_points_count_entries(text: str) -> None:
    with pytest.raises(LimitExceeded, match="the limit"):
        sg.derive(text).verify()
    if "4000" not in text:
        with pytest.raises(LimitExceeded, match="the limit for a random point"):
            random_point([sg.parse(text).output])


def test_a_large_point_of_ones_own_is_no_bomb(rng: Any) -> None:
    value, grads = sg.compile("x: (n,); sum(x**2)", wrt="x")(x=rng.normal(size=2**20))
    assert grads["x"].shape == (2**20,)
    assert value > 0
