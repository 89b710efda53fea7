"""Newton's method for logistic regression: the Hessian in closed form.

The gradient of the mean cross-entropy is X^T (p - y)/n, and its derivative along v is X^T (p (1 - p) X v)/n. As v is
arbitrary, the Hessian is X^T diag(p (1 - p)) X/n. A row of X weighs most where p = 1/2. The matrix is positive
semidefinite, so the loss is convex. One kernel gives loss, gradient and Hessian; it scales the rows of X and multiplies
once, with no loop over columns. Near the solution each step squares the error, as the norms of the gradient show.
"""

import numpy as np

import symgrad as sg

net = sg.parse("X: (n, d); w: (d,); y: (n,); p = sigmoid(X @ w); L = mean(bce(p, y))")

H = sg.hessian(net, wrt="w")
check = H.verify()
print(H, "Verification", check, "", sep="\n")

rng = np.random.default_rng(0)
X = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
y = (rng.uniform(size=200) < 1 / (1 + np.exp(-X @ [0.5, 2.0, -1.0]))).astype(float)
w = np.zeros(3)

c = sg.compare(H, at={"X": X[:20], "w": np.array([0.1, 0.5, -0.2]), "y": y[:20]})
print("Numbers at w = (0.1, 0.5, -0.2), 20 rows", c, "", sep="\n")

f = sg.compile(H, gradient=True)
print("step        loss   norm of the gradient")
rows = []
for step in range(7):
    found = f(X=X, w=w, y=y)
    rows.append((step, float(found["L"]), float(np.linalg.norm(found["dL/dw"]))))
    print("{:4d}  {:10.7f}   {:.1e}".format(*rows[-1]))
    w = w - np.linalg.solve(found["w, w"], found["dL/dw"])
