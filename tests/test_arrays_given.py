"""Every door that takes arrays, times every kind of array: the results are those of plain arrays, or our own error.

Plain is: of the same values, in C order, aligned, in the byte order of the machine, of float64 where the kind is not of
floats. All sizes are distinct. A door with a flat view of an array that is not in C order is planted, and found.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.check.numeric import central_difference, complex_step, numeric_gradient, one_sided
from symgrad.check.point import random_point
from symgrad.engine.evaluate import distinct_sizes
from symgrad.engine.reverse import vjp
from symgrad.engine.stabilise import stabilise
from symgrad.graph.node import reduce_sum, var
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.functions import plain_function
from symgrad.learn.descent import Adam, Descent, minimise
from symgrad.rules.arrays import ARRAY_FUNCTIONS
from symgrad.rules.row import ArrayFunction
from tests.tape.cases import REDUCED, SPELLED
from tests.tape.cases import ROWS as TAPED

Arrays = dict[str, Any]
EPS = float(np.finfo(np.float64).eps)


def fortran(a: Any) -> Any:
    return np.array(a, order="F")  # np.asfortranarray would give a scalar an axis


class Frame:
    """What a data frame is to NumPy: an object that hands out its entries, column by column in memory."""

    def __init__(self, entries: Any) -> None:
        self.entries = fortran(entries)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.entries, dtype, copy=copy)


def strided(a: Any) -> Any:
    out = np.zeros(tuple(2 * n for n in a.shape), a.dtype)[(..., *(slice(None, None, 2),) * a.ndim)]
    out[...] = a
    return out


def negative(a: Any) -> Any:
    turned = (..., *(slice(None, None, -1),) * a.ndim)
    return a[turned].copy()[turned]


def readonly(a: Any) -> Any:
    out = a.copy("K")
    out.flags.writeable = False
    return out


def unaligned(a: Any) -> Any:
    out = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    out[...] = a
    assert not out.flags.aligned
    return out


def whole(a: Any) -> Any:
    return np.rint(3 * a) - 1


def matrix(a: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(a) if a.ndim == 2 else a


FLOATS: dict[str, Callable[[Any], Any]] = {
    "C": np.array, "Fortran": fortran, "transposed": lambda a: np.array(a.T.copy()).T,
    "moved axis": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0) if a.ndim > 1 else a,
    "strided": strided, "negative strides": negative, "read-only": readonly,
    "read-only Fortran": lambda a: readonly(fortran(a)), "big-endian": lambda a: a.astype(">f8"),
    "big-endian Fortran": lambda a: fortran(a.astype(">f8")), "big-endian float32": lambda a: a.astype(">f4"),
    "not aligned": unaligned, "broadcast": lambda a: np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim), a.shape),
    "float32": lambda a: a.astype(np.float32), "float32 Fortran": lambda a: fortran(a.astype(np.float32)),
}  # fmt: skip
OTHERS: dict[str, Callable[[Any], Any]] = {
    "list": lambda a: a.tolist(), "frame": Frame, "int": lambda a: whole(a).astype(int),
    "int8 Fortran": lambda a: fortran(whole(a).astype(np.int8)), "big-endian int": lambda a: whole(a).astype(">i4"),
    "bool": lambda a: a > 0.5, "np.matrix": matrix, "masked, no gaps": np.ma.array,
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "masked": lambda a: np.ma.array(a, mask=np.ones(a.shape, bool)), "object": lambda a: a.astype(object),
    "complex": lambda a: a + 0j, "text": lambda a: a.astype(str), "ragged": lambda a: [[1.0], [1.0, 2.0]],
    "dates": lambda a: np.zeros(a.shape, "M8[s]"), "records": lambda a: np.zeros(a.shape, [("a", "f8")]),
    "None": lambda a: None, "a set": lambda a: {1.0}, "a word": lambda a: "word",
}  # fmt: skip

RNG = np.random.default_rng(0)
BASE: Arrays = {n: np.array(RNG.uniform(0.2, 1.5, s)) for n, s in
                {"X": (4, 3), "w": (3,), "B": (3, 5), "y": (4,), "c": ()}.items()}
NET = sg.parse("X: (n, d); w: (d,); B: (d, k); y: (n,); c: (); H = tanh(X @ B)*c; "
               "L = mean((sum(H, axis=1) + X @ w - y)**2) + sum(exp(B)*B) + c*sum(X)")
SMALL = sg.parse("X: (n, d); w: (d,); c: (); L = c*sum(tanh(X @ w / 16)**2) + sum(X**3)*c")
FEW: Arrays = {n: np.array(RNG.uniform(0.2, 1.5, s)) for n, s in {"X": (2, 3), "w": (3,), "c": ()}.items()}
LAYER = sg.parse("X: (n, d); w: (d,); Z = tanh(X @ w)")
STATED = sg.parse("X: (n, d); assume(X > -100); assume(sum(X) <= 1000); L = sum(abs(X)*X)")
KERNEL = sg.compile(NET, wrt=["X", "w", "B", "y", "c"])


def loss(X: Any, w: Any, B: Any, y: Any, c: Any) -> Any:
    return np.sum(np.tanh(X @ B) * c) + np.sum((X @ w - y) ** 2) + np.sum(np.exp(B) * B)


def small(X: Any, w: Any, c: Any) -> Any:
    return c * np.sum(np.tanh(X @ w / 16) ** 2) + np.sum(X**3)


def weighted(X: Any) -> Any:
    return np.sum(np.sin(X) * FEW["X"])


def compared(c: Any) -> Any:
    assert c.ok, c
    return {m: c.gradients[m] for m in ("symbolic", "tape")}


def flat(a: Arrays) -> Any:
    f = KERNEL.flat(**a)
    return f.x0, f(f.x0), f.unpack(f.x0)


def fixed(a: Arrays) -> Any:
    f = KERNEL.flat(["w"], **{**a, "w": BASE["w"]})
    return f(f.pack({"w": a["w"]}))


def pulled(a: Arrays) -> Any:
    y, pull = sg.tape.vjp(np.matmul, a["X"], a["B"])
    return y, pull(BASE["X"] @ BASE["B"])


def some(a: Arrays, *names: str) -> Arrays:
    return {n: a[n] for n in names}


def of(d: Any, *names: str) -> Callable[[Arrays], Any]:
    f = d.compile()
    return lambda a: f(**some(a, *names))


SCALARS = sg.lambdify(sp.symbols("a b"), [sp.Symbol("a") * sp.exp(sp.Symbol("b")), sp.Symbol("a")])
MATRICES = sg.lambdify([sp.MatrixSymbol("X", *sp.symbols("n d")), sp.MatrixSymbol("B", *sp.symbols("d k"))],
                       sp.MatrixSymbol("X", *sp.symbols("n d")) * sp.MatrixSymbol("B", *sp.symbols("d k")))
PRODUCT = sg.hvp(NET, wrt="X", v="V").compile()

SQUARES = sg.compile("X: (n, d); L = sum(X*X)", wrt="X")
SUMS = sg.compile("X: (n, d); w: (d,); L = sum(X) + sum(w)", wrt=["X", "w"])
TURNED = sg.compile("X: (n, d); Z = X.T")
COPY = copy.deepcopy(KERNEL)
CHECKED = sg.compile(STATED, wrt="X", check_assumptions=True)
DERIVED = sg.derive(NET)
PULLED = sg.vjp(LAYER, wrt="w", v="y").compile()
PUSHED = sg.jvp(LAYER, wrt="X", v="V").compile()

DOORS: dict[str, Callable[[Arrays], Any]] = {
    "kernel": lambda a: KERNEL(**a), "kernel of one array": lambda a: SQUARES(a["X"]),
    "kernel of constant gradients": lambda a: SUMS(**some(a, "X", "w")),
    "kernel that returns a view": lambda a: TURNED(X=a["X"]), "copied kernel": lambda a: COPY(**a),
    "flat": flat, "flat, fixed": fixed,
    "check_assumptions": lambda a: sg.check_assumptions(STATED, some(a, "X")),
    "checked kernel": lambda a: CHECKED(X=a["X"]),
    "trace_values": lambda a: [(r.value, r.gradient) for r in sg.trace_values(DERIVED, a)],
    "hessian": of(sg.hessian(NET, wrt=["w", "B"]), "X", "w", "B", "y", "c"),
    "jacobian": of(sg.jacobian(LAYER, wrt=["X", "w"]), "X", "w"),
    "hvp": lambda a: PRODUCT(**some(a, *(n for n in PRODUCT.inputs if n != "V")), V=a["X"]),
    "vjp, derived": lambda a: PULLED(**some(a, "X", "w", "y")),
    "jvp, derived": lambda a: PUSHED(**some(a, "X", "w"), V=a["X"]),
    "lambdify of scalars": lambda a: SCALARS(a["X"], a["c"]),
    "lambdify of matrices": lambda a: MATRICES(a["X"], a["B"]),
    "gradient descent": lambda a: minimise(KERNEL, some(a, "w", "B"), some(a, "X", "y", "c"), Descent(0.01),
                                           epochs=2).parameters,
    "minibatches": lambda a: minimise(KERNEL, some(a, "w", "B"), some(a, "X", "y", "c"), Adam(0.01), epochs=2, batch=2,
                                      axes={"X": 0, "y": 0}).parameters,
}  # fmt: skip
HESSIAN, JACOBIAN = sg.hessian(SMALL, wrt=["w", "X"]), sg.jacobian(LAYER, wrt=["X", "w"])
JUDGES: dict[str, Callable[[Arrays], Any]] = {
    "compare": lambda a: compared(sg.compare(SMALL, a)),
    "compare of a Hessian": lambda a: compared(sg.compare(HESSIAN, a)),
    "compare of a Jacobian": lambda a: compared(sg.compare(JACOBIAN, some(a, "X", "w"))),
    "central differences": lambda a: central_difference(weighted, a["X"])[0],
    "complex step": lambda a: complex_step(weighted, a["X"]),
    "numeric_gradient": lambda a: {n: e.gradient for n, e in numeric_gradient(small, a).items()},
    "numeric_gradient, complex": lambda a: {n: e.gradient for n, e in
                                            numeric_gradient(small, a, method="complex").items()},
    "one_sided": lambda a: one_sided(weighted, a["X"], (1, 2))[0].gradient,
}
TAPE: dict[str, Callable[[Arrays], Any]] = {
    "value_and_grad": lambda a: sg.tape.value_and_grad(loss)(**a),
    "tape.grad": lambda a: sg.tape.grad(loss, wrt=["X", "c"])(**a), "tape.vjp": pulled,
    "tape.jvp": lambda a: sg.tape.jvp(np.matmul, (a["X"], a["B"]), (BASE["X"], BASE["B"])),
    "tape, returned as it is": lambda a: sg.tape.vjp(lambda X: X, a["X"])[0],
}
TANGENTS: dict[str, Callable[[Arrays], Any]] = {
    "cotangent": lambda a: sg.tape.vjp(lambda X: 2 * X, BASE["X"])[1](a["X"]),
    "tangents": lambda a: sg.tape.jvp(np.matmul, (BASE["X"], BASE["B"]), (a["X"], a["B"])),
}


def plain(value: Any, keep: bool) -> Any:
    """Return the same values in an array that holds no surprise; with `keep` whole numbers stay what they are."""
    array = np.asarray(value)
    dtype = array.dtype.newbyteorder("=") if array.dtype.kind == "f" or keep else np.dtype(np.float64)
    return np.array(array, dtype=dtype, order="C")


def leaves(found: Any) -> Iterator[Any]:
    parts = found.values() if isinstance(found, Mapping) else found if isinstance(found, (tuple, list)) else None
    if parts is None:
        yield found
    else:
        for part in parts:
            yield from leaves(part)


def faults(door: Callable[[Arrays], Any], make: Callable[[Any], Any], keep: bool = False,
           tolerance: float = 256 * EPS, base: Arrays = BASE) -> list[str]:
    """Return in what the results of a door for arrays of a kind differ from those for plain arrays."""
    given = {n: make(a) for n, a in base.items()}
    kept = {n: plain(a, True) for n, a in given.items()}
    out = []
    right = door({n: plain(a, keep) for n, a in given.items()})
    for found, true in zip(leaves(door(given)), leaves(right), strict=True):
        if found is None or true is None:
            out += ["None"] if found is not true else []
            continue
        f, t = np.asarray(found), np.asarray(true)
        if not f.dtype.isnative:
            out.append("byte order")
        if f.dtype != t.dtype or type(found) is not type(true):
            out.append(f"{type(found).__name__} of {f.dtype}, not {type(true).__name__} of {t.dtype}")
        allowed = tolerance * max(1.0, float(np.finfo(t.dtype).eps) / EPS if t.dtype.kind == "f" else 1.0)
        if f.shape != t.shape or np.max(np.abs(f.astype(float) - t), initial=0.0) > allowed * max(
                1.0, float(np.max(np.abs(t), initial=0.0))):
            out.append("values")
    out += [f"{n} was changed" for n, a in given.items() if not np.array_equal(plain(a, True), kept[n])]
    return out


NUMERIC = 64 * EPS**0.8  # what rounding is to a difference over a step of EPS**0.2


@pytest.mark.parametrize("kind", [*FLOATS, *OTHERS])
def test_every_door_gives_what_it_gives_for_plain_arrays(kind: str) -> None:
    found = {d: faults(door, (FLOATS | OTHERS)[kind]) for d, door in DOORS.items()}
    found |= {d: faults(door, (FLOATS | OTHERS)[kind]) for d, door in TANGENTS.items() if kind != "np.matrix"
              and "masked" not in kind}
    assert {d: f for d, f in found.items() if f} == {}


@pytest.mark.parametrize("kind", [*FLOATS, *OTHERS])
def test_every_judge_agrees_with_right_gradients(kind: str) -> None:
    make = (FLOATS | OTHERS)[kind]
    found = {d: faults(door, make, tolerance=NUMERIC, base=FEW) for d, door in JUDGES.items()}
    assert {d: f for d, f in found.items() if f} == {}


@pytest.mark.parametrize("kind", FLOATS)
def test_the_tape_gives_what_it_gives_for_plain_arrays(kind: str) -> None:
    found = {d: faults(door, FLOATS[kind], keep=True) for d, door in TAPE.items()}
    assert {d: f for d, f in found.items() if f} == {}


# what an array is called where the door has no name for it, or another one
CALLED: dict[str, tuple[str, ...]] = {
    "central differences": ("x:",), "complex step": ("x:",), "one_sided": ("x:",), "cotangent": ("y_bar is",),
    "tangents": ("tangent 0 is",), "lambdify of scalars": ("a:", "b:"), "hvp": ("X:", "V:", "c:"),
    "vjp, derived": ("X:", "w:", "y:"), "jvp, derived": ("X:", "V:"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_holds_no_numbers_is_refused_by_name(kind: str) -> None:
    tried = 0
    for name, door in {**DOORS, **JUDGES, **TANGENTS}.items():
        if kind == "None" and name in ("tangents", "flat"):  # None says: a constant, nothing given
            continue
        base, words = (FEW if name in JUDGES else BASE), CALLED.get(name, ("X:",))
        with pytest.raises(sg.SymgradError) as caught:
            door({**base, "X": REFUSED[kind](base["X"])})
        assert str(caught.value).startswith(("missing" if kind == "None" else words[0], *words)), (name, caught.value)
        tried += 1
    assert tried >= len({**DOORS, **JUDGES, **TANGENTS}) - 2


@pytest.mark.parametrize("make", [np.ma.array, matrix, REFUSED["masked"]])
def test_the_tape_refuses_arrays_that_compute_otherwise(make: Callable[[Any], Any]) -> None:
    """In a matrix * is @, and a masked array leaves entries out: plain code and the rules would differ."""
    for door in (*TAPE.values(), *TANGENTS.values()):
        with pytest.raises(sg.InputError, match=r"masked array|np\.matrix"):
            door({**BASE, "X": make(BASE["X"])})


@pytest.mark.parametrize("text", ["max(X)", "prod(X)", "logsumexp(X)", "sum(softmax(X)**2)", "norm(X)", "mean(X)",
                                  "X[0]"])
def test_arrays_without_entries_are_refused(text: str) -> None:
    for kernel in (sg.compile(f"X: (n,); L = {text}"), sg.compile(f"X: (n,); L = {text}", wrt="X")):
        with pytest.raises(sg.ShapeError, match=r"X: a size is at least 1"):
            kernel(X=np.zeros(0))
    with pytest.raises(sg.ShapeError, match="X: a size is at least 1"):
        sg.compare(f"X: (n,); L = {text}", {"X": np.zeros(0)})


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_linear_algebra_says_which_precision_it_has(dtype: type) -> None:
    kernel = sg.compile("X: (n, n); L = logdet(X)", wrt="X")
    with pytest.raises(sg.InputError, match="X is of float"):
        kernel(X=np.eye(3, dtype=dtype))
    with pytest.raises(sg.InputError, match="array 1 is of float"):
        kernel(np.eye(3, dtype=dtype))


def test_a_flat_view_that_is_a_copy_is_found() -> None:
    """The planted fault: entries are moved in a flat view, which of a Fortran-ordered array is a copy."""
    def moved(a: Arrays) -> Any:
        work = np.array(a["X"], float)
        work.reshape(-1)[2] += 1.0
        return work

    bad = [k for k, make in FLOATS.items() if faults(moved, make)]
    assert "C" not in bad
    assert {"Fortran", "transposed", "moved axis", "float32 Fortran", "big-endian Fortran"} <= set(bad)
    assert "byte order" in faults(lambda a: np.asarray(a["X"]), FLOATS["big-endian"])

    def writes(a: Arrays) -> Any:
        a["X"][...] = 0.0

    assert faults(writes, FLOATS["strided"]) == ["X was changed"]


def test_a_saved_kernel_takes_them_in_a_fresh_process(tmp_path: Path) -> None:
    KERNEL.save(tmp_path / "kernel.py")
    np.savez(tmp_path / "base.npz", **BASE)
    script = """
import numpy as np, kernel
base = dict(np.load("base.npz"))
class Frame:
    def __init__(self, a): self.a = np.array(a, order="F")
    def __array__(self, dtype=None, copy=None): return np.array(self.a, dtype, copy=copy)
def unaligned(a):
    out = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    out[...] = a
    return out
kinds = [lambda a: np.array(a, order="F"), lambda a: np.repeat(a[..., None], 2, -1)[..., 0], Frame, unaligned,
         lambda a: a.astype(">f8"), lambda a: np.array(a, ">f8", order="F"), lambda a: a.tolist(),
         lambda a: np.flip(np.flip(a).copy())]
value, grads = kernel.kernel(**base)
for make in kinds:
    v, g = kernel.kernel(**{n: make(a) for n, a in base.items()})
    assert abs(v - value) < 1e-12 and v.dtype.isnative
    assert all(np.allclose(g[n], grads[n], rtol=1e-12, atol=1e-13) and g[n].dtype == np.float64 for n in grads)
for wrong in (np.ma.array(base["X"], mask=True), [[1.0], [1.0, 2.0]], base["X"] + 0j, base["X"].astype(object)):
    try:
        kernel.kernel(**{**base, "X": wrong})
    except kernel.InputError as error:
        assert str(error).startswith("X: expected an array of real numbers of shape (n, d)"), error
    else:
        raise AssertionError(wrong)
print("done", len(kinds))
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True,
                         check=False)
    assert (run.stdout, run.stderr) == ("done 8\n", "")


# --- every function of whole arrays, and every program of the tape ----------------------------------------------------

LAYOUTS = {k: FLOATS[k] for k in ("Fortran", "transposed", "moved axis", "strided", "negative strides", "big-endian",
                                  "read-only Fortran", "not aligned")}
ROWS = [r for r in ARRAY_FUNCTIONS if not r.whole]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_the_code_of_a_row_reads_every_layout(row: ArrayFunction) -> None:
    operands, options = row.placeholders()
    y = row(*operands, **options)
    c = var("c", y.shape)
    wanted = reduce_sum(c * y)
    real = [x for x in operands if x.attr[1] == "real"]
    sizes = distinct_sizes([wanted])
    at = random_point([wanted], sizes, seed=6)
    grads = {x.name: g for x, g in vjp(wanted, real).items()}
    kernel = compile_nodes({"L": wanted, "y": y}, grads, stabilise=stabilise, sizes=sizes)
    taped = sg.tape.value_and_grad(plain_function(wanted, [*operands, c], sizes), wrt=[x.name for x in real])
    for run in (kernel, taped) if real else (kernel,):
        true = list(leaves(run(**at)))
        for kind, make in LAYOUTS.items():
            given = {n: make(a) if a.dtype.kind == "f" or "big" not in kind else a.astype(">i8") for n, a in at.items()}
            for f, t in zip(leaves(run(**given)), true, strict=True):
                assert np.asarray(f).dtype == np.asarray(t).dtype
                np.testing.assert_allclose(f, t, rtol=1e-9, atol=1e-9, err_msg=kind)
            assert all(np.array_equal(given[n], a) for n, a in at.items())


def test_the_rules_of_the_tape_read_every_layout() -> None:
    tried = 0
    for key, cases in (TAPED | SPELLED | REDUCED).items():
        for function, args in cases:
            real = [i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
            if not real:
                continue

            def both(given: Any, function: Any = function) -> list[Any]:
                y, pull = sg.tape.vjp(function, *given)
                y_bar = np.random.default_rng(1).normal(size=np.shape(y))
                return [y, *(g for g in pull(y_bar) if g is not None)]

            true = both(args)
            for kind, make in LAYOUTS.items():
                given = [make(a) if i in real else a for i, a in enumerate(args)]
                for f, t in zip(both(given), true, strict=True):
                    assert np.asarray(f).dtype == np.asarray(t).dtype
                    np.testing.assert_allclose(f, t, rtol=1e-9, atol=1e-9, err_msg=f"{key} {kind}")
                tried += 1
    assert tried > 3000
