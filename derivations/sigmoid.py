"""The sigmoid and its derivative in its own output.

The sigmoid s(z) = 1/(1 + exp(-z)) turns any number into one between 0 and 1, which can stand for a probability. Its
derivative needs nothing but its value, s'(z) = s(z) (1 - s(z)): a backward pass that has kept s computes no exponential
again. It is 1/4 at z = 0 and vanishes on both sides: a saturated sigmoid passes almost nothing on. The quotient that
the chain rule gives first is inf/inf at z = -800, because exp(800) is beyond floating point; the kernel takes no
exponential of a positive number.
"""

import numpy as np
import sympy as sp

import symgrad as sg

z = sp.Symbol("z", real=True)

d = sg.derive(sg.sigmoid(z), z, expand=True)
check = d.verify()
print(d, "Verification", check, "", sep="\n")

point = {"z": 0.5}
c = sg.compare(sg.sigmoid(z), at=point)
print(f"Numbers at z = {point['z']}", c, "", sep="\n")

f = sg.compile(sg.sigmoid(z), wrt=z)
quotient = sp.lambdify(z, sp.diff(1 / (1 + sp.exp(-z)), z))
print("     z         s(z)   s'(z) by the kernel   by the quotient")
rows = []
for at in (-800.0, -5.0, 0.0, 5.0):
    value, grads = f(z=at)
    with np.errstate(over="ignore", invalid="ignore"):
        rows.append((at, float(value), float(grads["z"]), float(quotient(np.float64(at)))))
    print("{:6.0f}  {:11.6g}  {:20.6g}  {:16.6g}".format(*rows[-1]))
