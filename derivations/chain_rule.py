"""The chain rule on a computational graph.

A formula is a graph: each node is one operation, and its inputs are the nodes below it. Along one path the chain rule
multiplies: if f = log(u) and u = 1 + x**2, then df/dx = df/du * du/dx. In several variables x may reach f by several
paths; each gives one product, and the derivative is their sum. So one walk from f back to the inputs, which adds up
what arrives at a node before it goes on, finds every derivative. It is the backward pass; what arrives at u is df/du.
"""

import symgrad as sg

one_path = """
x: ()
u = 1 + x**2
f = log(u)
"""
a_sum_and_a_product = """
x: ();  y: ();  z: ()
q = x + y
f = q * z
"""
two_paths = """
x: ()
u = x**2
v = sin(x)
f = u * v
"""

pages = [
    ("One path: multiply along it", one_path, {"x": 0.5}),
    ("A product exchanges its factors, a sum hands on", a_sum_and_a_product, {"x": -2.0, "y": 5.0, "z": -4.0}),
    ("Two paths: add over them", two_paths, {"x": 0.5}),
]
derivations = [sg.derive(text) for _, text, _ in pages]
checks = [d.verify() for d in derivations]
comparisons = [sg.compare(text, at=point) for _, text, point in pages]

for (title, _, point), d, check, c in zip(pages, derivations, checks, comparisons, strict=True):
    print(title, "-" * len(title), d.text(detail="all"), "Verification", check, "", sep="\n")
    print("Numbers at", ", ".join(f"{name} = {value}" for name, value in point.items()))
    print(c, "\n", sep="\n")
