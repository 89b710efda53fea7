"""Value and gradients of networks as a careful programmer writes them in NumPy: the yardstick of the bench.

Arrays that are not needed again are overwritten, the logistic function and the loss are in forms that do not overflow,
reductions go through the ufunc, and nothing is checked. Loss: mean binary cross-entropy of sigmoid outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Result = tuple[Any, dict[str, Array]]


def _hidden(name: str, Z: Array) -> Array:
    """Return the activation, in the memory of Z."""
    if name == "relu":
        return np.maximum(Z, 0.0, out=Z)
    if name == "tanh":
        return np.tanh(Z, out=Z)
    e = np.abs(Z)
    np.negative(e, out=e)
    np.exp(e, out=e)
    d = 1.0 + e
    np.maximum(e, (Z >= 0.0).astype(Z.dtype), out=e)
    e /= d
    return e


def _hidden_pull(name: str, A: Array, A_bar: Array) -> Array:
    """Return the cotangent of the activation's input, in the memory of A_bar; A is used up."""
    if name == "relu":
        A_bar *= (A > 0.0).astype(A.dtype)
    elif name == "tanh":
        np.square(A, out=A)
        np.subtract(1.0, A, out=A)
        A_bar *= A
    else:
        A_bar *= A
        np.subtract(1.0, A, out=A)
        A_bar *= A
    return A_bar


def _output(Z: Array, Y: Array) -> tuple[Any, Array]:
    """Return the loss and the cotangent of Z, in the memory of Z."""
    e = np.abs(Z)
    np.negative(e, out=e)
    np.exp(e, out=e)
    d = 1.0 + e
    gate = (Z >= 0.0).astype(Z.dtype)
    P = np.maximum(e, gate)
    P /= d
    np.log1p(e, out=e)
    gate -= Y
    Z *= gate
    e += Z
    loss = np.add.reduce(e, axis=None) / Y.size
    P -= Y
    P /= Y.size
    return loss, P


def two_columns(X: Array, Y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Result:
    """One hidden ReLU layer, examples in columns."""
    Z1 = W1.dot(X)
    Z1 += b1
    A1 = np.maximum(Z1, 0.0, out=Z1)
    Z2 = W2.dot(A1)
    Z2 += b2
    e = np.abs(Z2)
    np.negative(e, out=e)
    np.exp(e, out=e)
    d = 1.0 + e
    gate = (Z2 >= 0.0).astype(Z2.dtype)
    P = np.maximum(e, gate)
    P /= d
    np.log1p(e, out=e)
    gate -= Y
    Z2 *= gate
    e += Z2
    loss = np.add.reduce(e, axis=None) / Y.size
    P -= Y
    P /= Y.size
    dW2 = P.dot(A1.T)
    db2 = np.add.reduce(P, axis=1, keepdims=True)
    dA1 = W2.T.dot(P)
    dA1 *= (A1 > 0.0).astype(A1.dtype)
    return loss, {"W1": dA1.dot(X.T), "b1": np.add.reduce(dA1, axis=1, keepdims=True), "W2": dW2, "b2": db2}


def two_rows(X: Array, Y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Result:
    """One hidden ReLU layer, examples in rows."""
    Z1 = X.dot(W1)
    Z1 += b1
    A1 = np.maximum(Z1, 0.0, out=Z1)
    Z2 = A1.dot(W2)
    Z2 += b2
    e = np.abs(Z2)
    np.negative(e, out=e)
    np.exp(e, out=e)
    d = 1.0 + e
    gate = (Z2 >= 0.0).astype(Z2.dtype)
    P = np.maximum(e, gate)
    P /= d
    np.log1p(e, out=e)
    gate -= Y
    Z2 *= gate
    e += Z2
    loss = np.add.reduce(e, axis=None) / Y.size
    P -= Y
    P /= Y.size
    dW2 = A1.T.dot(P)
    db2 = np.add.reduce(P, axis=0)
    dA1 = P.dot(W2.T)
    dA1 *= (A1 > 0.0).astype(A1.dtype)
    return loss, {"W1": X.T.dot(dA1), "b1": np.add.reduce(dA1, axis=0), "W2": dW2, "b2": db2}


def deep(depth: int, activation: str, rows: bool) -> Callable[..., Result]:
    """Return the loop for `depth` layers, all but the last with the activation."""

    def run(X: Array, Y: Array, **given: Array) -> Result:
        W = [given[f"W{k}"] for k in range(1, depth + 1)]
        A = [X]
        for k in range(depth - 1):
            Z = A[k].dot(W[k]) if rows else W[k].dot(A[k])
            Z += given[f"b{k + 1}"]
            A.append(_hidden(activation, Z))
        Z = A[-1].dot(W[-1]) if rows else W[-1].dot(A[-1])
        Z += given[f"b{depth}"]
        loss, G = _output(Z, Y)
        grads: dict[str, Array] = {}
        for k in range(depth, 0, -1):
            below = A.pop()
            grads[f"W{k}"] = below.T.dot(G) if rows else G.dot(below.T)
            grads[f"b{k}"] = np.add.reduce(G, axis=0) if rows else np.add.reduce(G, axis=1, keepdims=True)
            if k > 1:
                G = _hidden_pull(activation, below, G.dot(W[k - 1].T) if rows else W[k - 1].T.dot(G))
        return loss, grads

    return run
