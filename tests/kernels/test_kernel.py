"""What a kernel promises its caller: values, dtypes, refusals, source, pickles, saved modules, the flat form."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from symgrad.errors import InputError, NoRule, ShapeError
from symgrad.graph.node import Node, apply, const, einsum, make, reduce_mean, reduce_sum, size, topological, var
from symgrad.kernels.compile import compile_nodes, count_ops
from symgrad.shapes import size_symbol
from tests.kernels.networks import arrays, kernel, two_layers
from tests.kernels.reference import reference

F = kernel()


def test_value_and_gradients_against_the_reference_and_differences() -> None:
    a = arrays()
    value, grads = F(**a)
    assert abs(value - reference([two_layers()[0]], a, {"n": 5, "h": 3})[0]) < 1e-14
    assert list(grads) == ["W1", "b1", "W2", "b2"]
    for name, g in grads.items():
        assert g.shape == a[name].shape
        cotangent = np.random.default_rng(1).normal(size=g.shape)  # a random direction
        step = 1e-5
        up, down = (F(**{**a, name: a[name] + s * step * cotangent})[0] for s in (1, -1))
        assert abs((up - down) / (2 * step) - np.sum(g * cotangent)) < 1e-8


def test_by_position_and_any_layout() -> None:
    a = arrays()
    value, grads = F(*a.values())
    for twisted in ({k: np.asfortranarray(v) for k, v in a.items()}, {k: v[::1].tolist() for k, v in a.items()},
                    {k: np.repeat(v, 2, axis=1)[:, ::2] for k, v in a.items()}):
        other, others = F(**twisted)
        assert abs(other - value) <= 1e-15
        assert all(np.allclose(others[k], grads[k], rtol=1e-14, atol=0) for k in grads)


def test_new_sizes_need_no_new_kernel() -> None:
    for n, h in ((1, 1), (1, 4), (7, 1), (6, 2)):
        a = arrays(n=n, h=h)
        value, grads = F(**a)
        assert abs(value - reference([two_layers()[0]], a, {"n": n, "h": h})[0]) < 1e-14
        assert all(grads[k].shape == a[k].shape for k in grads)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_in_is_dtype_out(dtype: type) -> None:
    value, grads = F(**arrays(dtype))
    assert isinstance(value, dtype)
    assert {g.dtype for g in grads.values()} == {np.dtype(dtype)}


def test_other_dtypes() -> None:
    a = arrays(np.float32)
    assert F(**{**a, "Y": a["Y"].astype(np.int64)})[0].dtype == np.float64  # an integer array counts as float64
    assert F(**{**a, "X": a["X"].astype(np.float64)})[0].dtype == np.float64
    assert F(**{k: v.astype(np.longdouble) for k, v in a.items()})[0].dtype == np.longdouble
    x = var("x", ("n",))
    c = var("c")
    f = compile_nodes({"y": x * apply("exp", c)})
    assert f(x=np.ones(3, np.float32), c=0.5).dtype == np.float32  # a Python number takes the arrays' dtype
    assert f(x=np.ones(3, np.float32), c=np.float64(0.5)).dtype == np.float64
    assert f(x=[1, 2, 3], c=1).dtype == np.float64


REFUSALS = [
    (lambda a: a.pop("W1"), InputError, ["missing input", "W1 (h, 2)"]),
    (lambda a: a.update(W_1=a.pop("W1")), InputError, ["unknown input 'W_1'", "Did you mean 'W1'?"]),
    (lambda a: a.update(b1=np.ones((4, 1))), ShapeError, ["b1: expected (h, 1) with h = 3", "got (4, 1)"]),
    (lambda a: a.update(X=np.ones((3, 5))), ShapeError, ["X: expected (2, n)", "got (3, 5)"]),
    (lambda a: a.update(X=np.ones(2)), ShapeError, ["X: expected (2, n)", "got (2,)"]),
    (lambda a: a.update(W2=np.ones((3, 1))), ShapeError, ["W2: expected (1, h) with h = 3", "got (3, 1)"]),
    (lambda a: a.update(b2=np.float64(1)), ShapeError, ["b2: expected (1, 1)", "got ()"]),
    (lambda a: a.update(Y=np.array([["a"] * 5])), InputError, ["Y: expected an array of real numbers", "(1, n)"]),
    (lambda a: a.update(Y=np.ones((1, 5), complex)), InputError, ["Y: expected", "complex128"]),
    (lambda a: a.update(Y=np.full((1, 5), None)), InputError, ["Y: expected", "object"]),
    (lambda a: a.update(X=np.ones((2, 0)), Y=np.ones((1, 0))), ShapeError, ["X", "at least 1"]),
]


@pytest.mark.parametrize(("spoil", "error", "parts"), REFUSALS)
def test_refusals_say_which_and_what(spoil, error, parts) -> None:  # type: ignore[no-untyped-def]
    a = arrays()
    spoil(a)
    with pytest.raises(error) as caught:
        F(**a)
    assert all(p in str(caught.value) for p in parts), str(caught.value)


def test_too_many_by_position() -> None:
    with pytest.raises(InputError, match=r"7 arrays were given; the inputs are X, Y"):
        F(*arrays().values(), 1)


def test_a_matrix_subclass_is_an_array() -> None:
    class Odd(np.ndarray):
        def __mul__(self, other: object) -> object:
            raise AssertionError("the kernel must not use the operators of a subclass")

        __rmul__ = __imul__ = __mul__  # type: ignore[assignment]  # on purpose

    a = arrays()
    value, _ = F(**{k: v.view(Odd) for k, v in a.items()})
    assert value == F(**a)[0]


def test_source_reads_like_code() -> None:
    lines = [line.strip() for line in F.source.splitlines()]
    for expected in ("Z1 = W1.dot(X)", "Z1 += b1", "A1 = np.maximum(Z1, 0.0, out=Z1)", "# value", "# gradients",
                     "W2_bar = Z2_bar.dot(A1.T)"):
        assert expected in lines, F.source
    assert sum("np.exp(" in line for line in lines) == 1  # shared by value and gradient
    assert "X_bar" not in F.source  # nobody asked for it
    assert max(map(len, lines)) <= 110


def test_only_the_value() -> None:
    L, data, params, _ = two_layers()
    f = compile_nodes({"L": L}, inputs=[*data, *params])
    value = f(**arrays())
    assert isinstance(value, np.float64)
    assert f.ops < F.ops


def test_value_and_gradient_cost_at_most_five_values() -> None:
    L = two_layers()[0]
    assert count_ops([L]) > 10
    f = compile_nodes({"L": L})
    assert F.ops <= 5 * f.ops


def test_inputs_survive_and_outputs_are_the_callers() -> None:
    w, c = var("w", ("n", "m")), var("c", ("n", "m"))
    f = compile_nodes({"L": reduce_sum(w * c)}, {"w": c, "c": w, "t": einsum(["ij"], [w], "ji"), "again": c})
    a = {"w": np.ones((2, 3)), "c": np.full((2, 3), 2.0)}
    _, grads = f(**a)
    for g in grads.values():
        g[...] = -1
    assert a["w"].max() == 1
    assert a["c"].min() == 2
    assert len({g.ctypes.data for g in grads.values()}) == 4


def test_a_node_used_after_its_memory_could_be_reused() -> None:
    x = var("x", ("n", "n"))
    e = apply("exp", x)
    s = e + 1
    t = einsum(["ij"], [e], "ji")
    hazards = {"a": s * e, "b": e - t, "c": t + e * e, "d": apply("tanh", e) + e,
               "e": reduce_sum(e, axis=0, keepdims=True) + e, "f": apply("where", apply("gt", e, 1), t, e)}
    a = {"x": np.random.default_rng(0).normal(size=(3, 3))}
    for pick in [list(hazards), *[[k] for k in hazards], *[[k, j] for k in hazards for j in hazards if j != k]]:
        f = compile_nodes({k: hazards[k] for k in pick})
        out = f(**a)
        out = out if len(pick) > 1 else {pick[0]: out}
        for k, expected in zip(pick, reference([hazards[k] for k in pick], a, {"n": 3})):
            np.testing.assert_allclose(out[k], expected, rtol=1e-15, err_msg=f.source)


def test_constants_come_in_the_declared_shape() -> None:
    x = var("x", ("n", 3))
    flat = {"x": const(0, x.shape), "one": const(1, (4,)), "n": size("n", x.shape[:1])}
    f = compile_nodes({"L": const(2)}, flat, [x])
    value, grads = f(x=np.ones((2, 3), np.float32))
    assert (value, value.dtype) == (2, np.float32)
    assert grads["x"].tolist() == [[0.0] * 3] * 2
    assert grads["one"].tolist() == [1.0] * 4
    assert grads["n"].tolist() == [2.0, 2.0]
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
    assert compile_nodes({"y": const(3, (2,))})().tolist() == [3.0, 3.0]


def test_sizes_from_arithmetic_and_by_keyword() -> None:
    n, m = size_symbol("n"), size_symbol("m")
    x, y = var("x", (2 * n + 1,)), var("y", (n * m,))
    f = compile_nodes({"a": reduce_mean(x) * size(n), "b": y * size(m)}, sizes={"m": 3})
    out = f(x=np.ones(5), y=np.ones(6))
    assert out["a"] == 2
    assert out["b"].tolist() == [3.0] * 6
    with pytest.raises(ShapeError, match=r"y: expected"):
        f(x=np.ones(5), y=np.ones(7))
    with pytest.raises(ShapeError, match=r"x: expected"):
        f(x=np.ones(4), y=np.ones(6))
    with pytest.raises(ShapeError, match=r"no input has an axis of size q.*sizes=\{'q': 3\}"):
        compile_nodes({"y": reduce_sum(x) * size("q")})
    assert compile_nodes({"y": reduce_sum(x) * size("q")}, sizes={"q": 7})(x=np.ones(3)) == 21


HOSTILE = ['__import__("os").system("touch MARK")', "np", "sum", "lambda", "v0", "X;import os", "check", "a\nb", "é",
           "__class__", "None", '"""', "W'", "x" * 200, "INPUTS", "self", "type", "unknown", "more"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    f = kernel({"W1": name, "X": "v0" if name != "v0" else "v1"})
    a = arrays()
    expected, expected_grads = F(**a)
    renamed = {{"W1": name, "X": "v0" if name != "v0" else "v1"}.get(k, k): v for k, v in a.items()}
    for g in (f, pickle.loads(pickle.dumps(f))):  # noqa: S301  # our own pickle
        value, grads = g(**renamed)
        assert value == expected
        assert np.array_equal(grads[name], expected_grads["W1"])
    with pytest.raises(InputError):
        f(**{**renamed, "nonsense": 1})
    f.save(tmp_path / "saved.py")
    tree = ast.parse((tmp_path / "saved.py").read_text(encoding="utf-8"))
    assert [n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.Import)] == ["difflib", "numpy"]
    assert not (tmp_path / "MARK").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sizes_labels_and_notes(name: str) -> None:
    x = var("x", (size_symbol(name), 2))
    y = apply("exp", x)
    f = compile_nodes({name: reduce_mean(y)}, {name: y}, None, {y: name}, notes={y: name}, title=name)
    value, grads = f(x=np.zeros((3, 2)))
    assert value == 1
    assert grads[name].tolist() == [[1.0, 1.0]] * 3
    with pytest.raises(ShapeError):
        f(x=np.zeros((3, 3)))


def test_pickle_and_threads() -> None:
    a = arrays()
    g = pickle.loads(pickle.dumps(F))  # noqa: S301  # our own pickle
    assert g.source == F.source
    expected = F(**a)
    results: list[bool] = []

    def work() -> None:
        for _ in range(50):
            value, grads = g(**a)
            results.append(value == expected[0] and all(np.array_equal(grads[k], expected[1][k]) for k in grads))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True] * 200


def test_tampered_source_is_not_run() -> None:
    call, state = F.__reduce__()
    for evil in ("import os", "__import__('os').system('true')", "np.load('x')", "np.lib", "open('x')", "X.__class__",
                 "(lambda: 1)()", "np.exp.at(X, 0, 1)", "X.tofile('x')"):
        source = state[0].replace("# value", evil + "\n    # value")
        assert source != state[0]
        with pytest.raises(Exception, match="is not run"):
            call(source, *state[1:])


def test_saved_module_needs_numpy_alone(tmp_path: Path) -> None:
    path = F.save(tmp_path / "saved.py")
    np.savez(tmp_path / "data.npz", **arrays())
    program = """
import sys, numpy as np
sys.modules['symgrad'] = sys.modules['sympy'] = None
from saved import kernel
a = dict(np.load('data.npz'))
value, grads = kernel(**a)
print(repr(float(value)), *[repr(float(g.sum())) for g in grads.values()])
for bad in ({**a, 'b1': np.ones((4, 1))}, {**a, 'W_1': 1}, {k: a[k] for k in a if k != 'Y'}):
    try:
        kernel(**bad)
    except (TypeError, ValueError) as e:
        print(type(e).__name__, e)
"""
    out = subprocess.run([sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.')\n" + program], cwd=tmp_path,
                         capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    value, grads = F(**arrays())
    assert out[0].split() == [repr(float(value)), *[repr(float(g.sum())) for g in grads.values()]]
    assert out[1] == "ShapeError b1: expected (h, 1) with h = 3, got (4, 1)"
    assert out[2].startswith("InputError unknown input 'W_1'. Did you mean 'W1'?")
    assert out[3].startswith("InputError missing input: Y (1, n)")
    assert "symgrad" not in path.read_text().replace("symgrad kernel", "")


def test_flat_form_for_scipy() -> None:
    a = arrays()
    f = F.flat(**a)
    assert f.x0 is not None
    assert f.x0.shape == (f.size,) == (3 * 2 + 3 + 3 + 1,)
    assert check_grad(lambda x: f(x)[0], lambda x: f(x)[1], f.x0) < 1e-6
    back = f.unpack(f.x0)
    assert all(np.array_equal(back[k], a[k]) for k in back)
    assert np.array_equal(f.pack(back), f.x0)
    assert minimize(f, f.x0, jac=True).fun < f(f.x0)[0]
    assert pickle.loads(pickle.dumps(f))(f.x0)[0] == f(f.x0)[0]  # noqa: S301  # our own pickle
    one = F.flat("b1", **a)
    assert np.array_equal(one(one.x0)[1], F(**a)[1]["b1"].ravel())
    with pytest.raises(ShapeError, match="size h of W1 cannot be told"):
        F.flat(X=a["X"], Y=a["Y"])
    with pytest.raises(InputError, match="missing input: Y"):
        F.flat(X=a["X"])
    with pytest.raises(ShapeError, match=r"expected shape \(13,\)"):
        f(np.ones(12))


def test_what_has_no_code_is_refused_when_compiling() -> None:
    x = var("x", ("n",))
    with pytest.raises(NoRule, match="'frobnicate'"):
        compile_nodes({"y": make("frobnicate", (x,), (), x.shape)})
    with pytest.raises(NoRule, match="notation of a derivation"):
        compile_nodes({"y": make("bar", (reduce_sum(x), x), (), x.shape)})
    with pytest.raises(InputError, match="x occurs in the expression but not among the inputs"):
        compile_nodes({"y": x}, inputs=[var("z")])
    with pytest.raises(InputError, match="two variables are called x"):
        compile_nodes({"y": reduce_sum(x) + var("x")})


def test_integer_variables() -> None:
    k = var("k", ("n",), kind="int")
    f = compile_nodes({"y": k * 0.5})
    assert f(k=np.array([1, 2])).tolist() == [0.5, 1.0]
    with pytest.raises(InputError, match="k: expected an array of integers"):
        f(k=np.array([1.0, 2.0]))


def test_repr_tells_inputs_and_outputs() -> None:
    assert repr(F) == ("<Kernel L, gradients by W1, b1, W2, b2 of X (2, n), Y (1, n), W1 (h, 2), b1 (h, 1), "
                       f"W2 (1, h), b2 (1, 1); {F.ops} operations>")


def test_depth() -> None:
    x = var("x", ("n",))
    y: Node = x
    for _ in range(20_000):
        y = apply("sin", y)
    f = compile_nodes({"y": y})
    assert f.ops == 20_000 == count_ops([y])
    assert len(topological([y])) == 20_001
    assert np.all(np.isfinite(f(x=np.ones(2))))


def test_a_repeated_minus_one_keeps_its_sign() -> None:
    x = var("x", ("n", "k"))
    minus = einsum([[]], [const(-1)], ["i", "j"], {"i": "n", "j": "k"})
    at = np.arange(6.0).reshape(2, 3)
    for node, told in ((minus * x, -at), (-(minus * x), at), (minus + x, at - 1), (-(minus - x), at + 1),
                       (einsum([[], [0, 1]], [const(-1), x], [1]), -at.sum(axis=0))):
        np.testing.assert_array_equal(compile_nodes({"y": node})(x=at), told)
