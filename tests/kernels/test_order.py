"""Arrays by position go in the order of the declarations, whatever is differentiated and whoever made the kernel."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import sympy as sp

import symgrad as sg

NAMES = ("w", "x", "y", "b")


@pytest.mark.parametrize("order", list(permutations(NAMES))[::3])
@pytest.mark.parametrize("wrt", ["w", "y", ["b", "x"], ["x", "y", "w", "b"]])
def test_positions_are_those_of_the_declarations(order: tuple[str, ...], wrt: str | list[str], tmp_path: Path) -> None:
    text = "; ".join(f"{n}: ()" for n in order) + "; L = (y - w*x - b)**2*exp(-w*y)"
    derivation = sg.derive(text, wrt)
    saved = sg.load(derivation.save(tmp_path / "d.json"))
    made = [sg.compile(text), sg.compile(text, wrt), derivation.compile(), saved.compile()]
    assert all(tuple(kernel.inputs) == order for kernel in made)
    hessian = sg.hessian(text, wrt).compile()  # it takes what its blocks depend on
    assert list(hessian.inputs) == [n for n in order if n in hessian.inputs]
    values = dict(zip(order, (0.5, 2.0, -1.0, 0.25)))
    assert made[1](*values.values())[0] == made[0](**values)


def test_a_gradient_of_a_text_keeps_the_order() -> None:
    gradient = sg.grad("w: (); x: (); y: (); L = (y - w*x)**2", "w")
    assert list(sg.compile(gradient).inputs) == ["w", "x", "y"]


def test_sympy_takes_the_order_of_the_expression_in_all_kernels() -> None:
    x, y = sp.symbols("x y", real=True)
    loss = (y - x)**2
    one, *others = [list(k.inputs) for k in (sg.compile(loss), sg.compile(loss, wrt=y), sg.compile(loss, wrt=x))]
    assert all(other == one for other in others)
