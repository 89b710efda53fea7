"""One or more calls of every function in the tables of the tape, at points where it is smooth, all sizes distinct."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.tape.arrays import cast, choose, index, logsumexp, vector_norm
from symgrad.tape.einsum import einsum
from symgrad.tape.linalg import eigenvectors, left_vectors, logabsdet, right_vectors, singular_values

Case = tuple[Callable[..., Any], tuple[Any, ...]]


def uniform(low: float, high: float, *shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(low, high, size=shape)


def spread(*shape: int, seed: int = 1) -> Any:
    """Entries whose absolute values are at least 0.06 apart, and 0.03 from 0, so that no step reaches a tie."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    ranks = rng.permutation(n) - n // 2
    return ((ranks + 0.25) * 0.2 + rng.uniform(-0.02, 0.02, size=n)).reshape(shape)


def regular(*shape: int, seed: int = 1) -> Any:
    """Well-conditioned matrices that are far from symmetric."""
    return uniform(-1, 1, *shape, seed=seed) + 3.0 * np.eye(shape[-1])


DOMAINS: dict[Any, tuple[float, float]] = {
    np.sqrt: (0.5, 2), np.cbrt: (0.5, 2), np.log: (0.5, 2), np.log2: (0.5, 2), np.log10: (0.5, 2),
    np.log1p: (-0.5, 2), np.reciprocal: (0.5, 2), np.arcsin: (-0.8, 0.8), np.arccos: (-0.8, 0.8),
    np.arctanh: (-0.8, 0.8), np.arccosh: (1.5, 3), np.absolute: (0.2, 2), np.fabs: (-2, -0.2), np.sign: (0.2, 2),
    np.sinc: (0.3, 1.7),
}  # fmt: skip
UNARY = [
    np.negative, np.positive, np.conjugate, np.reciprocal, np.square, np.sqrt, np.cbrt, np.exp, np.exp2, np.expm1,
    np.log, np.log2, np.log10, np.log1p, np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh,
    np.tanh, np.arcsinh, np.arccosh, np.arctanh, np.sinc, np.deg2rad, np.radians, np.rad2deg, np.degrees, np.absolute,
    np.fabs, np.sign,
]  # fmt: skip
BINARY: dict[Any, tuple[Any, Any]] = {
    f: (spread(3, 1), spread(2, 1, 4, seed=2) + 0.05)
    for f in (np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.arctan2,
              np.logaddexp, np.logaddexp2, np.copysign)
} | {
    f: (uniform(0.5, 2, 3, 1), uniform(0.5, 2, 2, 1, 4, seed=2)) for f in (np.divide, np.power, np.float_power)
} | {
    f: (np.array([[7.3], [-8.9], [4.4]]), np.array([[[2.0, -1.7, 3.0, 5.3]], [[2.6, 0.9, 6.1, -3.3]]]))
    for f in (np.remainder, np.fmod)
}  # fmt: skip

X = spread(3, 4)
Y = spread(3, 4, seed=7)
B = spread(2, 3, 4, seed=3)  # a batch
V = spread(4, seed=4)
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, False]])


def spd(a: Any) -> Any:
    """A symmetric positive definite matrix made of any matrix."""
    return a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1])


def over_axes(f: Any, *axes: Any, x: Any = B, **options: Any) -> list[Case]:
    """A reduction along each of the axes, with and without keepdims."""
    cases: list[Case] = [
        ((lambda a, axis=axis, keep=keep: f(a, axis=axis, keepdims=keep, **options)), (x,))
        for axis in axes
        for keep in (False, True)
    ]
    return [*cases, ((lambda a: f(a, **options)), (x,))]


ROWS: dict[Any, list[Case]] = {
    **{f: [(f, (uniform(*DOMAINS.get(f, (-1.4, 1.4)), 2, 3),))] for f in UNARY},
    **{f: [(f, pair), (f, pair[::-1])] for f, pair in BINARY.items()},
    np.heaviside: [
        (np.heaviside, (X, V)),
        (lambda at_zero: np.heaviside(np.array([[0.0], [2.0], [-3.0]]), at_zero), (V,)),
    ],
    np.sum: over_axes(np.sum, None, 1, -1, (0, 2)),
    np.mean: over_axes(np.mean, None, 1, -1, (0, 2)),
    np.prod: over_axes(np.prod, None, 1, (0, -1), x=uniform(0.5, 1.5, 2, 3, 4))
    + [(lambda x: np.prod(x, axis=0), (np.array([[0.0, 0.0, 2.0], [3.0, 0.0, 1.0]]),))],
    np.max: over_axes(np.max, None, 1, -1, (0, 2)),
    np.min: over_axes(np.min, None, 1, -1, (0, 2)),
    np.var: over_axes(np.var, None, 1, (0, 2)) + over_axes(np.var, 1, ddof=1),
    np.std: over_axes(np.std, None, 1, (0, 2)) + over_axes(np.std, 1, ddof=1),
    vector_norm: over_axes(vector_norm, 1, (0, 2)) + over_axes(vector_norm, 1, p=3.5),
    logsumexp: over_axes(logsumexp, 1, (0, 2)),
    np.cumsum: [(np.cumsum, (X,)), (lambda x: np.cumsum(x, axis=0), (X,)), (lambda x: np.cumsum(x, axis=-1), (B,))],
    index: [
        (lambda x: x[1], (X,)),
        (lambda x: x[-1, 2], (X,)),
        (lambda x: x[:, 1:3], (X,)),
        (lambda x: x[::-1, None, ..., ::2], (B,)),
        (lambda x: x[[0, 2, 0, 0]], (X,)),
        (lambda x: x[np.array([[0, 1], [1, 1]]), 1:], (X,)),
        (lambda x: x[MASK], (X,)),
        (lambda x: x[x > 0], (X,)),
        (lambda x: x[1, [0, 0, 3]], (X,)),
        (lambda x: x[np.int64(1)], (V,)),
        (lambda x: x[...], (V,)),
    ],
    cast: [(lambda x: cast(x, np.float64), (X,)), (lambda x: x.astype(float), (X,))],
    np.reshape: [
        (lambda x: np.reshape(x, (2, 6)), (X,)),
        (lambda x: x.reshape(-1), (X,)),
        (lambda x: x.reshape((6, -1)), (X,)),
        (lambda x: x.reshape(3, 2, 2), (X,)),
    ],
    np.transpose: [
        (lambda x: x.T, (X,)),
        (lambda x: x.mT, (B,)),
        (lambda x: np.transpose(x, (2, 0, 1)), (B,)),
        (lambda x: x.transpose(1, -1, 0), (B,)),
    ],
    np.broadcast_to: [(lambda x: np.broadcast_to(x, (2, 3, 4)), (spread(3, 1),))],
    np.concatenate: [
        (lambda a, b: np.concatenate([a, b], axis=0), (X, spread(2, 4, seed=5))),
        (lambda a, b: np.concatenate((a, np.ones((3, 2)), b, a), axis=-1), (X, spread(3, 1, seed=5))),
        (lambda a, b: np.concatenate([a, b], axis=None), (X, V)),
    ],
    choose: [
        (lambda a, b: np.where(MASK, a, b), (X, V)),
        (lambda a: np.where(a > 0, a, 0.1 * a), (X,)),
        (lambda a, b: np.where(V > 0, 2.0, b) * a, (X, V)),
    ],
    np.matmul: [
        (np.matmul, (spread(3, 4), spread(4, 5, seed=2))),
        (lambda a, b: a @ b, (spread(4), spread(4, seed=2))),
        (np.matmul, (spread(4), spread(4, 5, seed=2))),
        (np.matmul, (spread(3, 4), spread(4, seed=2))),
        (np.matmul, (spread(2, 3, 4), spread(4, 5, seed=2))),
        (np.matmul, (spread(3, 4), spread(2, 4, 5, seed=2))),
        (np.matmul, (spread(6, 1, 3, 4), spread(2, 4, 5, seed=2))),
        (np.matmul, (spread(2, 3, 4), spread(4, seed=2))),
        (np.matmul, (spread(4), spread(2, 4, 5, seed=2))),
        (lambda a: a @ [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (spread(2, 3),)),
    ],
    einsum: [
        (lambda a, b: np.einsum("ij,jk->ik", a, b), (spread(3, 4), spread(4, 5, seed=2))),
        (lambda a, b: np.einsum("ij,jk", a, b), (spread(3, 4), spread(4, 5, seed=2))),
        (lambda a, b: np.einsum("ba,cb", a, b), (spread(3, 4), spread(5, 3, seed=2))),
        (lambda a: np.einsum("ii", a), (spread(3, 3),)),
        (lambda a: np.einsum("ii->i", a), (spread(3, 3),)),
        (lambda a: np.einsum("iji->j", a), (spread(3, 4, 3),)),
        (lambda a, b: np.einsum("iij,jk->ik", a, b), (spread(3, 3, 4), spread(4, 5, seed=2))),
        (lambda a: np.einsum("ij->", a), (X,)),
        (lambda a: np.einsum("ijk->j", a), (B,)),
        (lambda a: np.einsum("ji", a), (X,)),
        (lambda a, b: np.einsum("i,j->ij", a, b), (spread(3), spread(4, seed=2))),
        (lambda a, b: np.einsum("i,j->", a, b), (spread(3), spread(4, seed=2))),
        (
            lambda a, b, c: np.einsum("bqd,bkd,bke->bqe", a, b, c),
            (spread(2, 3, 4), spread(2, 5, 4, seed=2), spread(2, 5, 6, seed=3)),
        ),
        (lambda a: np.einsum("ij,kj->ik", a, a), (X,)),
        (lambda a, b: np.einsum("...i,ij->...j", a, b), (B, spread(4, 5, seed=2))),
        (lambda a, b: np.einsum("...ij,...jk", a, b), (spread(6, 1, 3, 4), spread(2, 4, 5, seed=2))),
        (lambda a, b: np.einsum("ij,ij->ij", a, b), (spread(3, 1), spread(3, 4, seed=2))),
        (lambda a, b: np.einsum("ij,jk,kl->il", a, b, np.ones((5, 2)), optimize=True), (X, spread(4, 5, seed=2))),
    ],
    np.linalg.inv: [(np.linalg.inv, (regular(3, 3),)), (np.linalg.inv, (regular(2, 3, 3),))],
    np.linalg.det: [
        (np.linalg.det, (regular(3, 3),)),
        (np.linalg.det, (regular(2, 3, 3),)),
        (np.linalg.det, (np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 5.0]]),)),
    ],
    logabsdet: [(logabsdet, (regular(3, 3),)), (lambda a: np.linalg.slogdet(a)[1], (-regular(2, 3, 3),))],
    np.linalg.solve: [
        (np.linalg.solve, (regular(3, 3), spread(3, seed=2))),
        (np.linalg.solve, (regular(3, 3), spread(3, 4, seed=2))),
        (np.linalg.solve, (regular(2, 3, 3), spread(3, 4, seed=2))),
        (np.linalg.solve, (regular(2, 3, 3), spread(3, seed=2))),
        (np.linalg.solve, (regular(3, 3), spread(2, 3, 4, seed=2))),
    ],
    np.linalg.pinv: [
        (np.linalg.pinv, (spread(4, 3),)),
        (np.linalg.pinv, (spread(3, 4),)),
        (np.linalg.pinv, (spread(2, 4, 3),)),
        (np.linalg.pinv, (regular(3, 3),)),
    ],
    np.linalg.eigvalsh: [
        (lambda a: np.linalg.eigvalsh(a + np.swapaxes(a, -1, -2)), (regular(3, 3),)),
        (lambda a: np.linalg.eigvalsh(a + np.swapaxes(a, -1, -2)), (regular(2, 3, 3),)),
    ],
    eigenvectors: [
        (lambda a: eigenvectors(a + np.swapaxes(a, -1, -2)), (regular(3, 3),)),
        (lambda a: eigenvectors(a + np.swapaxes(a, -1, -2)), (regular(2, 3, 3),)),
    ],
    singular_values: [(singular_values, (spread(4, 3),)), (singular_values, (spread(2, 3, 4),))],
    left_vectors: [(left_vectors, (spread(4, 3),)), (left_vectors, (spread(2, 3, 4),))],
    right_vectors: [(right_vectors, (spread(4, 3),)), (right_vectors, (spread(2, 3, 4),))],
    np.linalg.cholesky: [
        (lambda a: np.linalg.cholesky(spd(a)), (regular(3, 3),)),
        (lambda a: np.linalg.cholesky(spd(a)), (regular(2, 3, 3),)),
    ],
}

def rebuilt(u: Any, s: Any, vt: Any) -> Any:
    return u * s**2 @ vt


SPELLED: dict[Any, list[Case]] = {
    np.squeeze: [(np.squeeze, (spread(1, 3, 1, 4),)), (lambda x: x.squeeze(axis=2), (spread(1, 3, 1, 4),))],
    np.expand_dims: [(lambda x: np.expand_dims(x, (0, 2)), (X,)), (lambda x: np.expand_dims(x, -1), (X,))],
    np.moveaxis: [
        (lambda x: np.moveaxis(x, 0, -1), (B,)),
        (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (spread(2, 3, 4, 5),)),
    ],
    np.swapaxes: [(lambda x: np.swapaxes(x, 0, -1), (B,)), (lambda x: x.swapaxes(1, 2), (B,))],
    np.matrix_transpose: [(np.matrix_transpose, (B,))],
    np.ravel: [(np.ravel, (X,)), (lambda x: x.ravel(order="F"), (B,)), (lambda x: x.flatten(), (X,))],
    np.broadcast_arrays: [(lambda a, b: np.broadcast_arrays(a, b)[0] * V, (spread(3, 1), V))],
    np.atleast_1d: [(lambda x: np.atleast_1d(x[0, 0]), (X,))],
    np.atleast_2d: [(np.atleast_2d, (V,))],
    np.atleast_3d: [(np.atleast_3d, (X,)), (np.atleast_3d, (V,))],
    np.copy: [(np.copy, (X,)), (lambda x: x.copy(), (X,))],
    np.flip: [(np.flip, (X,)), (lambda x: np.flip(x, 1), (X,)), (lambda x: np.flip(x, (0, -1)), (B,))],
    np.fliplr: [(np.fliplr, (X,))],
    np.flipud: [(np.flipud, (X,))],
    np.rot90: [((lambda x, k=k: np.rot90(x, k)), (X,)) for k in (0, 1, 2, 3, -1)]
    + [(lambda x: np.rot90(x, 1, (2, 1)), (B,))],
    np.tile: [(lambda x: np.tile(x, 3), (V,)), (lambda x: np.tile(x, (2, 1, 3)), (X,))],
    np.repeat: [
        (lambda x: np.repeat(x, 2), (X,)),
        (lambda x: x.repeat([1, 0, 3], axis=0), (X,)),
    ],
    np.lib.stride_tricks.sliding_window_view: [
        (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1)[:, ::2], (X,)),
        (lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3), (1, 0)), (X,)),
    ],
    np.roll: [(lambda x: np.roll(x, 5), (X,)), (lambda x: np.roll(x, (1, -1), (0, 1)), (X,))],
    np.take: [
        (lambda x: np.take(x, [[0, 5], [5, 5]]), (X,)),
        (lambda x: x.take([2, 0, 2], axis=1), (X,)),
        (lambda x: np.take(x, 1, axis=0), (X,)),
    ],
    np.take_along_axis: [(lambda x: np.take_along_axis(x, np.array([[0, 0], [3, 1], [2, 2]]), axis=1), (X,))],
    np.compress: [(lambda x: np.compress([True, False, True], x, axis=0), (X,))],
    np.delete: [(lambda x: np.delete(x, 1, axis=1), (X,))],
    np.resize: [(lambda x: np.resize(x, (5, 3)), (X,))],
    np.diagonal: [(np.diagonal, (X,)), (lambda x: x.diagonal(1, 1, 2), (B,))],
    np.diag: [(np.diag, (X,)), (np.diag, (V,)), (lambda x: np.diag(x, 2), (V,)), (lambda x: np.diag(x, -1), (V,))],
    np.diagflat: [(np.diagflat, (X,))],
    np.trace: [(np.trace, (X,)), (lambda x: x.trace(), (X,)), (lambda x: np.trace(x, 1, 2, 1), (B,))],
    np.pad: [
        (lambda x: np.pad(x, 1), (X,)),
        (lambda x: np.pad(x, ((1, 0), (2, 3)), constant_values=7.0), (X,)),
        (lambda x: np.pad(x, 2, mode="edge"), (X,)),
        (lambda x: np.pad(x, 2, mode="reflect"), (X,)),
        (lambda x: np.pad(x, 2, mode="wrap"), (X,)),
    ],
    np.split: [(lambda x: np.split(x, 2, axis=1)[1], (X,)), (lambda x: np.split(x, [1, 2])[1] * 2, (X,))],
    np.array_split: [(lambda x: np.array_split(x, 3, axis=-1)[0], (X,))],
    np.vsplit: [(lambda x: np.vsplit(x, 3)[2], (X,))],
    np.hsplit: [(lambda x: np.hsplit(x, 2)[0], (X,)), (lambda x: np.hsplit(x, 2)[0], (V,))],
    np.dsplit: [(lambda x: np.dsplit(x, 2)[0], (B,))],
    np.stack: [
        (lambda a, b: np.stack([a, b, a]), (X, Y)),
        (lambda a, b: np.stack((a, b), axis=-1), (X, Y)),
        (lambda x: np.stack([x[i] ** 2 for i in range(3)]), (V,)),
    ],
    np.vstack: [(lambda a, b: np.vstack([a, b]), (X, V))],
    np.hstack: [(lambda a, b: np.hstack([a, b]), (X, spread(3, 2))), (lambda a: np.hstack([a, a]), (V,))],
    np.dstack: [(lambda a, b: np.dstack([a, b]), (X, Y))],
    np.column_stack: [(lambda a, b: np.column_stack([a, b]), (X, spread(3)))],
    np.append: [(np.append, (X, V)), (lambda a, b: np.append(a, b, axis=0), (X, Y))],
    np.triu: [(np.triu, (X,)), (lambda x: np.triu(x, 1), (B,))],
    np.tril: [(np.tril, (X,)), (lambda x: np.tril(x, -1), (B,))],
    np.sort: [(np.sort, (X,)), (lambda x: np.sort(x, axis=0), (X,)), (lambda x: np.sort(x, axis=None), (X,))],
    np.median: over_axes(np.median, None, 1, -1),
    np.amax: over_axes(np.amax, 1),
    np.amin: over_axes(np.amin, 1),
    np.ptp: over_axes(np.ptp, 1),
    np.average: [
        (np.average, (X,)),
        (lambda a, w: np.average(a, axis=1, weights=w), (X, uniform(0.5, 1.5, 4))),
        (lambda a, w: np.average(a, weights=w), (X, uniform(0.5, 1.5, 3, 4))),
    ],
    np.nansum: [(lambda x: np.nansum(np.where(MASK, x, np.nan), axis=0), (X,))],
    np.nanmean: [(lambda x: np.nanmean(np.where(MASK, x, np.nan), axis=1), (X,))],
    np.diff: [(np.diff, (X,)), (lambda x: np.diff(x, n=2, axis=0), (X,))],
    np.cumprod: [
        (np.cumprod, (uniform(0.5, 1.5, 2, 3),)),
        (lambda x: x.cumprod(axis=1), (np.array([[1.0, 0.0, 2.0]]),)),
    ],
    np.clip: [
        (lambda x: np.clip(x, -0.3, 0.5), (X,)),
        (lambda x: np.clip(x, None, 0.5), (X,)),
        (lambda x: x.clip(min=0.02), (X,)),
        (np.clip, (X, np.array(-0.333), np.array([0.21, 0.33, 0.52, 0.77]))),
    ],
    np.where: [(lambda a, b: np.where(a > b, a * b, b), (X, Y + 0.05))],
    np.select: [(lambda x: np.select([x < -0.5, x < 0.5], [x**2, 3 * x], default=1.0), (X,))],
    np.nan_to_num: [(lambda x: np.nan_to_num(np.where(MASK, x, np.nan)), (X,))],
    np.divmod: [(lambda x: np.divmod(x, 0.7)[1], (X,))],
    np.dot: [
        (np.dot, (spread(4), spread(4, seed=2))),
        (lambda a: a.dot(V), (spread(3, 4),)),
        (np.dot, (spread(3, 4), spread(4, 5, seed=2))),
        (np.dot, (spread(3, 4), spread(2, 4, 5, seed=2))),
        (np.dot, (spread(3, 4), np.array(1.5))),
    ],
    np.vdot: [(np.vdot, (X, Y))],
    np.inner: [(np.inner, (spread(3, 4), spread(5, 4, seed=2))), (np.inner, (V, V + 0.05))],
    np.outer: [(np.outer, (spread(3), spread(4, seed=2))), (np.outer, (X, V))],
    np.tensordot: [
        (np.tensordot, (spread(2, 3, 4), spread(3, 4, 5, seed=2))),
        (lambda a, b: np.tensordot(a, b, 1), (X, spread(4, 5, seed=2))),
        (lambda a, b: np.tensordot(a, b, 0), (V, X)),
        (lambda a, b: np.tensordot(a, b, ([0, -1], [2, 0])), (spread(2, 3, 4), spread(4, 5, 2, seed=2))),
        (lambda a, b: np.tensordot(a, b, (0, 1)), (X, spread(2, 3, seed=2))),
    ],
    np.kron: [(np.kron, (X, spread(2, 5, seed=2))), (np.kron, (V, spread(2, 3, seed=2)))],
    np.cross: [(np.cross, (spread(4, 3), spread(4, 3, seed=2)))],
    np.einsum: [(lambda a: np.einsum("ij->ji", a), (X,))],
    np.polyval: [(np.polyval, (V, uniform(-1, 1, 3)))],
    np.linalg.norm: [
        (np.linalg.norm, (V,)),
        (np.linalg.norm, (B,)),
        *[((lambda x, p=p: np.linalg.norm(x, p)), (V,)) for p in (1, 2, 3, np.inf, -np.inf, 0)],
        *[((lambda x, p=p: np.linalg.norm(x, p, axis=1, keepdims=True)), (X,)) for p in (1, 2, 2.5, np.inf)],
        *[((lambda x, p=p: np.linalg.norm(x, p)), (X,)) for p in ("fro", 1, -1, np.inf, -np.inf)],
        *[((lambda x, p=p: np.linalg.norm(x, p, axis=(2, 0), keepdims=True)), (B,)) for p in (None, "fro", 1, np.inf)],
    ],
    np.linalg.vector_norm: [
        (np.linalg.vector_norm, (X,)),
        (lambda x: np.linalg.vector_norm(x, axis=1, ord=3, keepdims=True), (X,)),
        (lambda x: np.linalg.vector_norm(x, keepdims=True), (X,)),
    ],
    np.linalg.slogdet: [(lambda a: np.linalg.slogdet(a).sign * np.linalg.slogdet(a).logabsdet, (regular(3, 3),))],
    np.linalg.eigh: [
        (lambda a: np.linalg.eigh(a + a.T).eigenvectors @ np.exp(np.linalg.eigh(a + a.T)[0]), (regular(3, 3),)),
    ],
    np.linalg.svd: [
        (lambda a: rebuilt(*np.linalg.svd(a, full_matrices=False)), (spread(4, 3),)),
        (lambda a: np.linalg.svd(a, compute_uv=False), (spread(4, 3),)),
    ],
    np.linalg.matrix_power: [
        ((lambda a, n=n: np.linalg.matrix_power(a, n)), (0.5 * regular(3, 3),)) for n in (0, 1, 2, 5, -2)
    ],
    np.linalg.matrix_transpose: [(np.linalg.matrix_transpose, (B,))],
    np.linalg.matmul: [(np.linalg.matmul, (X, spread(4, 5)))],
    np.linalg.outer: [(np.linalg.outer, (V, spread(3)))],
    np.linalg.trace: [(np.linalg.trace, (B,))],
    np.linalg.diagonal: [(lambda x: np.linalg.diagonal(x, offset=1), (B,))],
    np.linalg.tensordot: [(lambda a, b: np.linalg.tensordot(a, b, axes=1), (X, spread(4, 5)))],
    np.linalg.vecdot: [(np.linalg.vecdot, (X, V))],
}
# Functions that the oldest supported NumPy does not have yet.
for name, pair in {"vecdot": (X, V), "matvec": (X, V), "vecmat": (V, spread(4, 5))}.items():
    if hasattr(np, name):
        SPELLED[getattr(np, name)] = [(getattr(np, name), pair)]

REDUCED: dict[Any, list[Case]] = {
    (np.add, "reduce"): [(np.add.reduce, (X,)), (lambda x: np.add.reduce(x, axis=1, keepdims=True), (X,))],
    (np.multiply, "reduce"): [(np.multiply.reduce, (X,))],
    (np.maximum, "reduce"): [(np.maximum.reduce, (X,))],
    (np.minimum, "reduce"): [(lambda x: np.minimum.reduce(x, axis=None), (X,))],
    (np.logaddexp, "reduce"): [(lambda x: np.logaddexp.reduce(x, axis=1), (X,))],
    (np.add, "accumulate"): [(np.add.accumulate, (X,))],
    (np.multiply, "accumulate"): [(lambda x: np.multiply.accumulate(x, axis=1), (X,))],
    (np.power, "outer"): [(np.power.outer, (uniform(0.5, 2, 3), uniform(0.5, 2, 2, 4)))],
}
