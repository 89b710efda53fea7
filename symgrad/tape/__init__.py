"""A reverse-mode tape and dual numbers over plain NumPy code.

The tape is the independent witness of this library: it shares no rule with the symbolic side, so that where the two
agree, they agree for different reasons.

What it does at a kink: 0 where the point is a local optimum, else the one side that exists, else the mean of the
sides. So abs'(0) = 0; `np.maximum`, `np.minimum` and `np.clip` give 1/2 at a tie or a border; the extreme of an array
(`np.max`, `np.min`) shares the derivative equally among the entries that attain it; the derivatives of
`np.linalg.norm`, `np.hypot` and `np.std` are 0 where these are 0; that of `np.sqrt` at 0 is inf. `np.sign` and
`np.heaviside` have the derivative 0 everywhere. Write relu as `np.where(x > 0, x, 0)`, whose derivative at 0 is 0 as in
the rest of the library; `np.maximum(x, 0)` gives 1/2 there. An entry whose cotangent is zero gets the gradient zero,
even where its own derivative is infinite or undefined, so the branch that `np.where` did not take cannot spoil the
gradient.

`np.linalg.cholesky` takes its argument for a symmetric matrix, and its gradient is symmetric.

Arrays that a function uses must not be changed in place between the call and the end of its pullback.
"""

from symgrad.tape.composites import COMPOSITES
from symgrad.tape.rules import RULES
from symgrad.tape.transforms import grad, jvp, value_and_grad, vjp

__all__ = ["COMPOSITES", "RULES", "grad", "jvp", "value_and_grad", "vjp"]
