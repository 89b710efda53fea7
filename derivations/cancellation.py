"""Why the gradient at the logit is p - y.

A classifier ends in p = sigmoid(z) and is trained on binary cross-entropy. The loss contributes (p - y)/(p (1 - p)),
the sigmoid p (1 - p), and their product is the error p - y. So a large error gives a large step even where the sigmoid
is flat. Other spellings of the loss are the same function, and the same derivative must come out of each. With the
squared error nothing cancels: the factor p (1 - p) stays, and a model that is sure and wrong hardly learns.
"""

import sympy as sp

import symgrad as sg

z, y = sp.symbols("z y", real=True)

net = sg.Network()
p = net.let("p", sg.sigmoid(z))
L = net.let("L", sg.bce(p, y))
d = sg.derive(net, z)
check = d.verify()
print(d, "Verification", check, "", sep="\n")

s = 1 / (1 + sp.exp(-z))
spellings = {
    "bce(sigmoid(z), y)": sg.bce(sg.sigmoid(z), y),
    "-(y log s + (1 - y) log(1 - s)), s = 1/(1 + exp(-z))": -(y * sp.log(s) + (1 - y) * sp.log(1 - s)),
    "log(1 + exp(z)) - y z": sp.log(1 + sp.exp(z)) - y * z,
}
gradients = {name: sg.grad(loss, z) for name, loss in spellings.items()}
print("By another spelling")
for name, g in gradients.items():
    print(f"  {name:<53} ->  {g}")

squared = sg.derive("p = sigmoid(z); L = mse(p, y)", "z")
print(f"  {'(sigmoid(z) - y)**2':<53} ->  {squared.expression}\n")

point = {"z": 1.5, "y": 1.0}
c = sg.compare(net, at=point, wrt=z)
print("Numbers at z = 1.5, y = 1", c, "", sep="\n")
cross, square = (sg.compile(loss, wrt="z") for loss in (net, "mse(sigmoid(z), y)"))
print("    z   cross-entropy   squared error     (gradients for y = 1)")
rows = []
for at in (-10.0, -3.0, 0.0, 3.0):
    rows.append((at, *(float(f(z=at, y=1.0)[1]["z"]) for f in (cross, square))))
    print("{:5.0f}  {:14.6f}  {:14.6f}".format(*rows[-1]))
