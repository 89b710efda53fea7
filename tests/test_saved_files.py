"""Saved files are hostile: torn, forged, nested, mistyped ones are refused by name, or what they hold can be used."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import symgrad as sg
from symgrad.errors import InputError, LimitExceeded, SymgradError
from symgrad.graph.node import const, make, var
from symgrad.language.sound import check_nodes
from tests.work import within

CASES = int(os.environ.get("SYMGRAD_SAVED_FILES", "80"))
MADE = {
    "scalar": sg.derive("z: (); y: (); bce(sigmoid(z), y)", "z"),
    "network": sg.derive("X: (2, n); Y: (1, n); W1: (h, 2); W2: (1, h)\nA1 = relu(W1 @ X)\nP = sigmoid(W2 @ A1)\n"
                         "L = mean(bce(P, Y))", ["W1", "W2"]),
    "arrays": sg.derive("A: (3, 2); B: (3, 2); sum(cumsum(A, axis=0)*max(B*A, axis=1, keepdims=True)[:, 0:1])", "A"),
    "assumed": sg.derive("x: (n,); y: (n,); assume(sum(y) == 1); L = cross_entropy(x, y)", "x"),
    "hessian": sg.hessian("x: (n,); A: (n, n); L = logsumexp(A @ x)", "x"),
}
WRONG: list[Any] = [
    None, True, -1, 0, 7, 10**40, 1.5, 1e308, "", "nosuch", "einsum", "function", [], [1], [[]], {}, "n m", {"node": 0},
    {"float": "0x1p9999"}, {"float": "nan"}, {"fraction": [1, 0]}, {"dim": ["^", 10, 10**9]}, {"dim": ["min"]},
    {"dim": ["^", ["*", 2, "n"], 10**9]}, {"dim": ["^", ["^", ["^", ["*", 9, "n"], 64], 64], 64]}, "\ud800",
]


def places(data: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of plain data."""
    out, stack = [], [data]
    while stack:
        top = stack.pop()
        for key, value in list(top.items()) if isinstance(top, dict) else list(enumerate(top)):
            out.append((top, key))
            if isinstance(value, (dict, list)):
                stack.append(value)
    return out


def mutated(data: Any, rng: random.Random) -> None:
    """Change one place: taken out, given twice, of another type, or what stands elsewhere in the file."""
    found = places(data)
    top, key = rng.choice(found if rng.random() < 0.7 else [(t, k) for t, k in found if isinstance(t, dict)])
    how = rng.randrange(6)
    if how == 0:
        top.pop(key)
    elif how == 1 and isinstance(top, list):
        top.insert(key, top[key])
    elif how == 2:
        there, other = rng.choice(found)
        top[key] = json.loads(json.dumps(there[other]))
    else:
        top[key] = rng.choice(WRONG)


def used(path: Path) -> str:
    """Read a file and use what it holds; return the message where it is refused."""
    try:
        d = within(3_000_000, lambda: sg.load(path))
    except (InputError, LimitExceeded) as error:
        message = str(error)
        assert str(path) in message
        assert len(message) < 800
        return message
    for use in (d.text, d.latex, d.html, d.to_json, d.compile):
        try:
            use()
        except SymgradError:  # what cannot be printed or computed says so
            continue
    return ""


@pytest.mark.parametrize("seed", range(CASES))
def test_a_changed_file_is_refused_or_can_be_used(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)  # noqa: S311  # a reproducible test
    data = json.loads(MADE[list(MADE)[seed % len(MADE)]].to_json())
    for _ in range(rng.choice([1, 1, 2])):
        mutated(data, rng)
    path = tmp_path / "d.json"
    path.write_text(json.dumps(data))
    used(path)


@pytest.mark.parametrize("name", MADE)
def test_a_torn_file_is_refused(name: str, tmp_path: Path) -> None:
    whole, path = MADE[name].to_json(), tmp_path / "d.json"
    for tenth in range(10):
        path.write_text(whole[:len(whole) * tenth // 10])
        assert "does not hold a saved derivation" in used(path)
    path.write_text(whole)
    assert used(path) == ""
    path.write_bytes(b"\xef\xbb\xbf" + whole.encode())  # an editor's mark at the start
    assert used(path) == ""


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    whole, path = MADE["scalar"].to_json(), tmp_path / "d.json"
    files = {
        "nested too deeply": [b"[" * 100_000, b'{"symgrad":' * 100_000,
        b'{"nodes": ' + b"[" * 99_999 + b"]" * 99_999 + b"}"],
        "twice": [whole.replace('"symgrad":1', '"symgrad":1,"symgrad":1').encode()],
        "no number of JSON": [whole.replace('"symgrad":1', '"symgrad":NaN').encode(), b"[Infinity]"],
        "does not hold": [b"", b"\x00\x01\x02", b"PK\x03\x04", whole.encode("utf-16"), b"\xff\xfe", b"1" * 10_000, b"3",
                          b"null", b'"text"', b"[]", b"{}", b'{"stages": []}', b'{"stages": 3, "readings": []}'],
        "key 'loss' is missing": [whole.replace('"loss"', '"lost"').encode()],
    }
    for told, contents in files.items():
        for content in contents:
            path.write_bytes(content)
            assert told in used(path), content[:40]
    for place in (tmp_path, tmp_path / "none.json"):
        assert "cannot be read" in used(place)


def test_a_file_without_end_is_read_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symgrad.api.MOST_BYTES", 2**16)
    with pytest.raises(LimitExceeded, match="more than 65536 bytes"):
        sg.load("/dev/zero")


def test_rows_that_refer_to_themselves_or_ahead_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    for number in (0, 3, 99, -1, True, 1.0, "0", None):
        data = json.loads(MADE["scalar"].to_json())
        data["nodes"]["rows"][0] = ["neg", [number], [], []]
        path.write_text(json.dumps(data))
        assert "no node has the number" in used(path)


def test_nodes_that_no_constructor_makes_are_refused() -> None:
    x, v, A = var("x"), var("v", ("n",)), var("A", ("n", "d"))
    check_nodes([x + 1, (A.T @ v) ** 2, make("sin", (v,), (), v.shape)])
    wrong = [
        make("nosuch", (x,)), make("sin", (x, x)), make("sin", (), ()), make("add", (x, v), (), v.shape),
        make("sin", (v,), (), ("d",)), make("var", (x,), ("y", "real")), make("var", (), ("y", "complex")),
        make("var", (), (3, "real")), make("const", (), (None,)), make("const", (), ("tau",)),
        make("einsum", (v,), (((0,),), (1,), (v.shape[0],)), v.shape), make("einsum", (v,), ((), (), ()), ()),
        make("einsum", (A,), (((0, 1),), (1, 0), A.shape), A.shape), make("einsum", (v,), (), ()),
        make("array", (A,), ("nosuch",), A.shape), make("array", (A, A), ("inv",), A.shape), make("array", (A,), (),
        ()),
        make("array", (A,), ("cumsum", ("axis", 5)), A.shape), make("array", (A,), ("cumsum", ("axis", 0)), ("n",)),
        make("step", (x,), ("no",)), make("step", (x,), ()), make("sin", (x,), (1,)), make("pull", (x,), (), ()),
        make("bar", (x, v), (), ()), make("function", (x,), ("f",), ()), const(1, (-1,)), const(1, ("n",)),
    ]
    for node in wrong:
        with pytest.raises(InputError, match=r"none of symgrad's"):
            check_nodes([node])


def test_the_reader_stays_within_memory(tmp_path: Path) -> None:
    """All hostile values at once, under a limit of the system; the process says itself what became of each."""
    paths = []
    for k, value in enumerate([10**40, {"dim": ["^", 10, 10**9]}, {"dim": ["^", ["*", 2, "n"], 10**9]}, "9" * 10**6]):
        data = json.loads(MADE["network"].to_json())
        data["nodes"]["rows"][0][3] = [value]
        paths.append(tmp_path / f"{k}.json")
        paths[-1].write_text(json.dumps(data))
    code = ("import resource, sys\nresource.setrlimit(resource.RLIMIT_AS, (2 * 2**30,) * 2)\nimport symgrad as sg\n"
            "for path in sys.argv[1:]:\n    try:\n        sg.load(path)\n        print('read')\n"
            "    except sg.SymgradError as error:\n        print(type(error).__name__)")
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=True,
                          timeout=100)
    assert done.stdout.split() == ["InputError"] * len(paths)
