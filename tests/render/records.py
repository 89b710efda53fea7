"""Derivations to print: one made by hand, the others by the engine."""

from symgrad.engine.derivation import Call, Record, Step
from symgrad.engine.derive import derive
from symgrad.graph.node import apply, const, make, reduce_mean, var
from symgrad.language.composites import called
from symgrad.rules.elementwise import BY_NAME


def f(name, *args):
    return BY_NAME[name](*args)


def bce(p, y):
    return -(y * f("log", p) + (1 - y) * f("log", 1 - p))


def by_hand():
    """log(p), p = sigmoid(z), with one minor step and one assumption."""
    z = var("z")
    p = f("sigmoid", z)
    L = f("log", p)
    bar = make("bar", (L, p), (), ())

    def pull(c, top, at):
        return make("pull", (c, top, at), (), ())

    one = const(1)
    steps = (
        Step("definition", make("bar", (L, p), (), ()), pull(one, L, p), p, "definition of the cotangent"),
        Step("deriv_log", pull(one, L, p), one * (1 / p), p, "log' = 1/x"),
        Step("mul_one", one * (1 / p), 1 / p, p, "times one", minor=True),
        Step("chain_rule", make("bar", (L, z), (), ()), pull(bar, p, z), z, "chain rule"),
        Step("deriv_sigmoid", pull(bar, p, z), bar * (p * (1 - p)), z, "local derivative of sigmoid"),
        Step("substitute", bar * (p * (1 - p)), 1 / p * (p * (1 - p)), z, "substitute dL/dp"),
        Step("cancel", 1 / p * (p * (1 - p)), 1 - p, z, "p cancels", assumptions=("p > 0",)),
    )
    return Record(loss=L, wrt=(z,), names={p: "p", L: "L"}, given=frozenset((p, L)), calls={}, steps=steps,
                  values={p: 1 / p, z: 1 - p}, results={z: 1 - p})


def scalar_bce():
    y, z = var("y"), var("z")
    p = f("sigmoid", z)
    loss = bce(p, y)
    return derive(loss, [z], {p: "p"}, calls={loss: called("bce", (p, y))})


def two_layers(activation="relu", names=("X", "Y", "W1", "b1", "W2", "b2")):
    x_name, y_name, w1, c1, w2, c2 = names
    X, Y = var(x_name, (2, "n")), var(y_name, (1, "n"))
    W1, b1, W2, b2 = var(w1, ("h", 2)), var(c1, ("h", 1)), var(w2, (1, "h")), var(c2, (1, 1))
    Z1 = W1 @ X + b1
    A1 = apply(activation, Z1)
    Z2 = W2 @ A1 + b2
    P = f("sigmoid", Z2)
    entries = bce(P, Y)
    L = reduce_mean(entries)
    calls = {entries: called("bce", (P, Y)), L: Call("mean", (entries,))}
    return derive(L, [W1, b1, W2, b2], {Z1: "Z1", A1: "A1", Z2: "Z2", P: "P", L: "L"}, calls=calls)


def two_paths():
    w, x, y, z = map(var, "wxyz")
    return derive(w * x + w * y * f("tanh", w * z), [w], {})


def rows():
    """The same network with examples in rows and biases of rank 1."""
    X, Y = var("X", ("n", "d")), var("Y", ("n", "k"))
    W1, b1, W2, b2 = var("W1", ("d", "h")), var("b1", ("h",)), var("W2", ("h", "k")), var("b2", ("k",))
    H = f("tanh", X @ W1 + b1)
    P = f("sigmoid", H @ W2 + b2)
    L = reduce_mean(bce(P, Y))
    return derive(L, [W1, b1, W2, b2], {H: "H", P: "P", L: "L"})


def deep(layers):
    a = var("X", (3, "n"))
    names, weights = {}, []
    for k in range(1, layers + 1):
        W = var(f"W{k}", (3, 3))
        z = W @ a
        a = f("tanh", z)
        weights.append(W)
        names |= {z: f"Z{k}", a: f"A{k}"}
    return derive(reduce_mean(a * a), weights, names)


ALL = {"by_hand": by_hand, "scalar_bce": scalar_bce, "two_layers": two_layers, "two_paths": two_paths, "rows": rows,
       "tanh": lambda: two_layers("tanh")}
