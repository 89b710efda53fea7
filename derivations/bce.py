"""Binary cross-entropy: the loss of a probability.

A model says that an event happens with probability p; y is 1 if it happened and 0 if not. What was observed then had
the probability p**y * (1 - p)**(1 - y), and the loss is minus its logarithm, -(y log p + (1 - y) log(1 - p)): nothing
for certainty in the truth, without bound for certainty in the opposite. Its derivative has the sign of the error p - y
and grows without bound where the model is sure and wrong.
"""

import sympy as sp

import symgrad as sg

p, y = sp.symbols("p y", positive=True)

d = sg.derive(sg.bce(p, y), p)
check = d.verify()
print(d, "Verification", check, "", sep="\n")

point = {"p": 0.8, "y": 1.0}
c = sg.compare(sg.bce(p, y), at=point, wrt=p)
print("Numbers at p = 0.8, y = 1", c, "", sep="\n")

f = sg.compile(sg.bce(p, y), wrt=p)
print("   p    y    loss      dL/dp")
rows = []
for at in ((0.99, 1.0), (0.8, 1.0), (0.5, 1.0), (0.01, 1.0), (0.5, 0.0), (0.99, 0.0)):
    value, grads = f(p=at[0], y=at[1])
    rows.append((*at, float(value), float(grads["p"])))
    print("{:4.2f}  {:3.0f}  {:6.3f}  {:9.3f}".format(*rows[-1]))
