"""Bad input to functions of whole arrays: what was given, what is expected, what to do, wherever it comes in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import main
from symgrad.errors import InputError, NoRule, ParseError, ShapeError, SymgradError

X, W = "x: (2, 3, 8); w: (4, 3, 3); ", "x: (n, 3); i: int(n,); y: (n,); "

TEXTS: list[tuple[str, type[SymgradError], list[str]]] = [
    # shapes and axes
    (W + "x + y[:2]", ShapeError, ["x (n, 3)", "(2,)", "3 and 2 meet", "[:, None]"]),
    (W + "argmax(x, axis=2)", ShapeError, ["axis 2", "argmax of x", "2 axes", "-2 to 1"]),
    (W + "argmax(x, axis=(0, 1))", ShapeError, ["one axis of x (n, 3)", "axis="]),
    (W + "sort(x, axis=4)", ShapeError, ["axis 4", "sort of x"]),
    (W + "concatenate([x, x], axis=2)", ShapeError, ["axis 2", "concatenate of x"]),
    (W + "stack([x, x], axis=4)", ShapeError, ["axis 4", "2 axes"]),
    (W + "flip(x, axis=7)", ShapeError, ["axis 7", "flip of x"]),
    (W + "expand_dims(x, 5)", ShapeError, ["axis 5", "3 axes"]),
    (W + "moveaxis(x, 0, 2)", ShapeError, ["axis 2", "moveaxis of x"]),
    (W + "permute(x, (0, 0))", ShapeError, ["(0, 0)", "no permutation"]),
    (W + "squeeze(x, axis=1)", ShapeError, ["axis 1 of x (n, 3)", "size 3"]),
    (W + "repeat(x, 2, axis=5)", ShapeError, ["axis 5", "repeat of x"]),
    (W + "tile(x, 0)", ShapeError, ["1 or more", "0"]),
    (W + "diff(x, 3, axis=1)", ShapeError, ["3 entries of axis 1 of x (n, 3)", "not 3"]),
    (W + "median(x)", ShapeError, ["3*n entries", "give a number"]),
    (W + "linspace(y, y, 3)", ShapeError, ["scalars", "(n,)"]),
    (W + "arange(3, 3)", ShapeError, ["arange(3, 3, 1)", "no number"]),
    (W + "cumprod(x)", ShapeError, ["one axis of x", "axis="]),
    # einsum
    (W + 'einsum("i->", x)', ShapeError, ["'i' has too few letters for operand 1, x", "(n, 3)", "..."]),
    (W + 'einsum("ijk->", x)', ShapeError, ["'ijk' has too many letters", "x", "(n, 3)"]),
    (W + 'einsum("ij,kj->ik", x, x.T)', ShapeError, ["letter 'j'", "3 in x (n, 3)", "n in", "(3, n)"]),
    (W + 'einsum("...i->i", x)', ParseError, ["... stay in the result"]),
    (W + 'einsum("i.j->", x)', ParseError, ["letters and commas"]),
    (W + 'einsum("...i...->", x)', ParseError, ["... stands twice"]),
    (W + 'einsum("ij->jj", x)', ParseError, ["'j' stands twice", "diag"]),
    (W + 'einsum("ij->ik", x)', ParseError, ["letter 'k'", "no operand"]),
    (W + 'einsum("ij,j->i", x)', ParseError, ["2 operands", "given 1"]),
    (W + 'einsum("i1->i", x)', ParseError, ["letters and commas"]),
    # padding and windows
    (W + "pad(x, ((1, -1), (0, 0)))", ShapeError, ["pad of x (n, 3)", "negative", "-1"]),
    (W + "windows(x, 5, axis=1)", ShapeError, ["window of 5", "axis of 3"]),
    (W + "windows(x, 2, axis=2)", ShapeError, ["axis 2", "x (n, 3)"]),
    (W + "windows(x, 2, axis=1, stride=0)", ShapeError, ["stride is a positive"]),
    (X + "conv1d(x, w, padding=-1)", ShapeError, ["padding cannot be negative", "-1"]),
    (X + 'conv1d(x, w, padding="sam")', ShapeError, ["valid", "same", "'sam'"]),
    (X + 'conv1d(x, w, stride=2, padding="same")', ShapeError, ["stride 1 only"]),
    (X + "conv1d(x, w, stride=0)", ShapeError, ["stride is a positive", "0"]),
    (X + "conv1d(x, w, stride=(1, 2))", ShapeError, ["stride", "(1, 2)"]),
    (X + "conv2d(x, w)", ShapeError, ["height, width", "x (2, 3, 8)", "w (4, 3, 3)"]),
    (X + "conv1d(x, w[:, :2])", ShapeError, ["x has 3 channels", "filter of w has 2"]),
    (X + "conv1d(x, w, x[0, 0])", ShapeError, ["bias", "(4,)", "(8,)"]),
    (X + "conv1d(x, w, groups=2)", ShapeError, ["3 channels in 2 groups"]),
    (X + "conv1d(x, w, dilation=4)", ShapeError, ["window of 3 entries 4 apart", "axis of 8"]),
    ("x: (2, 3, l); w: (4, 3, 3); conv1d(x, w, stride=2)", ShapeError, ["into l with stride 2", "2*m + r"]),
    ('x: (2, 3, l); w: (4, 3, k); conv1d(x, w, padding="same")', ShapeError, ["k - 1 is even", "2*m + 1"]),
    (X + "max_pool1d(x, 9)", ShapeError, ["max_pool1d of x (2, 3, 8)", "window of 9"]),
    (X + "max_pool1d(x, 2, padding=2)", ShapeError, ["padding 2", "below the size 2"]),
    (X + "avg_pool2d(x[0, 0], 2)", ShapeError, ["last 2 axes", "(8,)"]),
    # indices
    (W + "x[:, 4]", ShapeError, ["index 4", "x (n, 3), axis 1"]),
    (W + "x[i, 5]", ShapeError, ["index 5", "x (n, 3), axis 1"]),
    (W + "take(x, 3, axis=1)", ShapeError, ["index 3", "3 entries", "x (n, 3)"]),
    (W + "x[y]", InputError, ["whole numbers", "y is real", "declare y: int(n,)"]),
    (W + "take(x, y, axis=0)", InputError, ["take", "whole numbers", "declare y: int(n,)"]),
    (W + "one_hot(y, 3)", InputError, ["one_hot", "declare y: int(n,)"]),
    (W + "cross_entropy(x, y)", ShapeError, ["labels", "declare y: int(n,)"]),
    (W + "take_along_axis(x, i, axis=0)", ShapeError, ["x (n, 3)", "i (n,)", "[:, None]"]),
    (W + "take_along_axis(x, x, axis=0)", InputError, ["whole numbers", "x is real"]),
    ("x: (n, 3, 2); i: int(n,); x[0, :, i]", ShapeError, ["parted by a slice", "x[0][:, idx]"]),
    (W + "x[i, :2, i]", ShapeError, ["3 indices", "(n, 3)"]),
]


@pytest.mark.parametrize(("text", "kind", "words"), TEXTS, ids=lambda p: p[-40:] if isinstance(p, str) else "")
def test_the_message_says_what_was_given_and_what_to_do(text: str, kind: type[SymgradError], words: list[str]) -> None:
    with pytest.raises(kind) as caught:
        sg.parse(text)
    message = str(caught.value)
    assert message.startswith("line 1, column ")
    for word in words:
        assert word in message


x, w, real = sg.symbol("x", ("n", 3)), sg.symbol("w", (4, 3, 3)), sg.symbol("y", "n")


@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda: sg.conv1d(x, w), ShapeError, ["x (n, 3)", "w (4, 3, 3)"]),
    (lambda: sg.conv1d(w, w, padding=-1), ShapeError, ["negative", "-1"]),
    (lambda: sg.conv1d(w, w, strides=2), InputError, ["strides", "stride=1"]),
    (lambda: sg.windows(x, 2), InputError, ["'axis'"]),
    (lambda: sg.einsum("ij,jk", x, x), ShapeError, ["letter 'j'", "3 in x", "n in x"]),
    (lambda: sg.argmax(x, axis=2), ShapeError, ["axis 2", "argmax of x"]),
    (lambda: x[real], InputError, ["whole numbers", "declare y: int(n,)"]),
    (lambda: sg.take(x, real, axis=0), InputError, ["whole numbers", "y is real"]),
    (lambda: x[0.5], InputError, ["0.5"]),
    (lambda: x + sg.symbol("z", (4,)), ShapeError, ["x (n, 3)", "z (4,)"]),
    (lambda: sg.pad(x, ((0, 0), (-1, 0))), ShapeError, ["negative", "-1"]),
], ids=range(11))
def test_python_says_the_same(call: Callable[[], Any], kind: type[SymgradError], words: list[str]) -> None:
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("text", "wrt", "kind", "words"), [
    ("x: (n, 3); L = sum(argmax(x, axis=1))", "x", NoRule,
     ["L depends on x only through argmax(x, axis=1)", "softmax"]),
    ("x: (n, 3); a = argmax(x, axis=1); E: (n, 4); L = sum(E[arange(n), a])", ["E", "x"], NoRule,
     ["argmax(x, axis=1)"]),
    ("x: (n, 3); z: (n, 3); L = sum(z*one_hot(argmax(x, axis=1), 3))", "x", NoRule, ["argmax(x, axis=1)"]),
    ("x: (n,); L = sum(argsort(x))", None, NoRule, ["argsort(x)"]),
    ("z: (n, 3); y: int(n,); L = mean(cross_entropy(z, y))", "y", InputError, ["y holds integers", "int(n,)", "z"]),
    ("z: (n, 3); y: int(n,); L = sum(where(y == 1, z[:, 0], 0))", "y", InputError, ["y holds integers", "z"]),
])
@pytest.mark.parametrize("call", [sg.derive, sg.grad], ids=["derive", "grad"])
def test_what_has_no_derivative_is_named(call: Any, text: str, wrt: Any, kind: type[SymgradError],
                                         words: list[str]) -> None:
    with pytest.raises(kind) as caught:
        call(text, wrt)
    for word in words:
        assert word in str(caught.value)


def test_what_also_enters_otherwise_has_a_derivative() -> None:
    text = "x: (n, 3); L = sum(take_along_axis(x, argmax(x, axis=1, keepdims=True), axis=1))"
    assert sg.derive(text, "x").verify().ok
    value, grads = sg.compile(text, wrt="x")(x=np.array([[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]]))
    assert value == 12
    assert grads["x"].tolist() == [[0, 1, 0], [1, 0, 0]]


LABELS = "z: (n, 5); y: int(n,); L = mean(cross_entropy(z, y))"
ROWS = "E: (v, 2); i: int(n,); L = sum(E[i]**2)"
Z = np.zeros((3, 5))


@pytest.mark.parametrize(("text", "arrays", "kind", "words"), [
    (LABELS, {"z": Z, "y": [0, 1, 5]}, InputError, ["y", "5 at (2,)", "5 entries", "from 0 to 4"]),
    (LABELS, {"z": Z, "y": [0, -1, 4]}, InputError, ["y", "-1 at (1,)", "from 0 to 4"]),
    (LABELS, {"z": Z, "y": [0.0, 1.0, 2.0]}, InputError, ["y", "integers", "float64"]),
    (LABELS, {"z": Z}, InputError, ["missing input", "y (n,)", "y=array"]),
    (LABELS, {"z": Z, "y": [0, 1, 2], "w": 1}, InputError, ["unknown input 'w'", "The inputs are"]),
    (LABELS, {"z": Z[:, :4], "y": [0, 1, 2]}, ShapeError, ["z", "(n, 5)", "(3, 4)"]),
    (LABELS, {"z": Z[0], "y": [0, 1, 2]}, ShapeError, ["z", "(n, 5)", "(5,)"]),
    (LABELS, {"z": Z + 1j, "y": [0, 1, 2]}, InputError, ["z", "real numbers", "complex128"]),
    (ROWS, {"E": np.ones((3, 2)), "i": [0, 3]}, InputError, ["i", "3 at (1,)", "from -3 to 2"]),
    (ROWS, {"E": np.ones((3, 2)), "i": [-4, 0]}, InputError, ["i", "-4 at (0,)", "from -3 to 2"]),
    (ROWS.replace("[i]", "[i + 1]"), {"E": np.ones((3, 2)), "i": [2, 0]}, InputError, ["computed", "index 3"]),
    ("z: (n, 4); y: int(n,); L = sum(z[arange(n), y])", {"z": np.ones((2, 4)), "y": [0, 4]}, InputError,
     ["y", "4 at (1,)", "4 entries"]),
    ("z: (n, 4); y: int(1, 2); L = sum(take_along_axis(z, y, axis=1))", {"z": np.ones((3, 4)), "y": [[0, 9]]},
     InputError, ["y", "9 at (0, 1)", "4 entries"]),
])
def test_a_kernel_says_what_does_not_fit(text: str, arrays: dict[str, Any], kind: type[SymgradError],
                                         words: list[str]) -> None:
    for kernel in (sg.compile(text), sg.compile(text, wrt=text[0])):
        with pytest.raises(kind) as caught:
            kernel(**arrays)
        for word in words:
            assert word in str(caught.value)


def test_rows_may_be_counted_from_the_end() -> None:
    _, grads = sg.compile(ROWS, wrt="E")(E=np.ones((3, 2)), i=[-1, 0])
    assert grads["E"].tolist() == [[2, 2], [0, 0], [2, 2]]


def test_a_saved_kernel_checks_its_indices(tmp_path: Path) -> None:
    path = sg.compile(LABELS, wrt="z").save(tmp_path / "kernel.py")
    code = "import numpy as np, kernel; kernel.kernel(z=np.zeros((2, 5)), y=np.array([0, 7]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=path.parent, capture_output=True, text=True, check=False)
    assert "InputError: y: an index is out of range: 7 at (1,)" in done.stderr


@pytest.mark.parametrize(("command", "words"), [
    (["derive", "x: (2, 3, 8); w: (4, 3, 3); L = sum(conv1d(x, w, padding=-1))"], ["negative", "-1"]),
    (["derive", 'x: (n, 3); L = sum(einsum("ijk->", x))'], ["too many letters", "x"]),
    (["grad", "x: (n, 3); L = sum(argmax(x, axis=1))"], ["argmax(x, axis=1)", "no derivative"]),
    (["compile", "x: (n, 3); y: (n,); L = sum(x[y])"], ["whole numbers", "declare y: int(n,)"]),
])
def test_the_command_line_says_it_without_a_traceback(command: list[str], words: list[str],
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    for word in words:
        assert word in " ".join(said.split())
