"""Forward and backward through a network with one hidden layer; examples are columns.

The forward pass computes Z1, A1, Z2, P, L in this order; the backward pass runs against it and computes the derivative
of L by each of them once. dL/dZ2 is the error (P - Y)/n; W2 takes it back to the hidden layer, and the ReLU lets it
pass where its input was positive. The gradient of a weight matrix is the error behind it times the input before it.
The numbers are those of one example. The third hidden neuron has a negative input, -0.1: it outputs 0, nothing passes
back through it, and its row of dL/dW1, its entry of dL/db1 and its entry of dL/dW2 are exactly 0.
"""

import numpy as np

import symgrad as sg

net = sg.parse("""
X: (2, n);  Y: (1, n);  W1: (h, 2);  b1: (h, 1);  W2: (1, h);  b2: (1, 1)
Z1 = W1 @ X + b1
A1 = relu(Z1)
Z2 = W2 @ A1 + b2
P  = sigmoid(Z2)
L  = mean(bce(P, Y))
""")
parameters = ["W1", "b1", "W2", "b2"]
point = {
    "X": np.array([[1.0], [0.5]]),
    "Y": np.array([[1.0]]),
    "W1": np.array([[0.2, 0.4], [-0.1, 0.6], [0.3, -0.8]]),
    "b1": np.array([[0.1], [0.0], [0.0]]),
    "W2": np.array([[0.45, -0.3, 0.5]]),
    "b2": np.array([[0.06]]),
}

d = sg.derive(net, wrt=parameters)
check = d.verify()
print(d, "Verification", check, "", sep="\n")


def value(expression: sg.Expression) -> np.ndarray:
    f = sg.compile(expression)
    return f(**{name: point[name] for name in f.inputs})


forward = {name: value(net[name]) for name in net}
backward = {name: value(d[name].expression) for name in ["Z2", "W2", "b2", "A1", "Z1", "W1", "b1"]}
print("Forward values")
for name, array in forward.items():
    print(f"  {name:<6} = {np.array2string(array, precision=4, prefix=' ' * 11)}")
print("Backward values")
for name, array in backward.items():
    print(f"  dL/d{name:<2} = {np.array2string(array, precision=4, prefix=' ' * 11)}")

c = sg.compare(net, at=point, wrt=parameters)
print("", c, sep="\n")
