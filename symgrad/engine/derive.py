"""The derivation: reverse mode over named nodes, every rewrite recorded.

Three rewrites on pulls carry it. Push applies the rule of one operation (engine.reverse.push); collect adds what
reaches one node on several paths; stop ends at the target. Between two names lies a short region, so the number of
steps is linear in the graph. After the last push a cotangent is simplified, in terms of the names and of the cotangents
met before.
The gradient functions are compiled from the same nodes that the steps end in.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from symgrad.engine.assumed import Assumed
from symgrad.engine.assumptions import Assumption, concerning
from symgrad.engine.cones import under_norm
from symgrad.engine.derivation import Call, Record, Step
from symgrad.engine.evaluate import evaluate
from symgrad.engine.naming import meant, name_nodes
from symgrad.engine.push_reasons import push_reason
from symgrad.engine.reverse import depends_on, push
from symgrad.engine.rows import find, local_derivatives, row_of
from symgrad.engine.simplify import Shortened, Simplifier
from symgrad.engine.tidy import plus, tidy
from symgrad.engine.written import moves
from symgrad.errors import NonScalarLoss, UnknownName
from symgrad.graph.node import Node, const, einsum, make, replace, topological
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row
from symgrad.shapes import show

_SUBSTITUTE = 40  # a cotangent that prints longer than this stays behind its name
_CLOSED = 60  # a closed form that prints longer is given in the names of other cotangents
_SHORT = 24  # a closed form that costs less is not written through another cotangent
_THROUGH = 10  # cotangents put in one after the other
_CLOSED_BETWEEN = 16  # for nodes on the way, which nobody asked for


def bar(loss: Node, x: Node) -> Node:
    """Return the symbol of the cotangent dL/dx."""
    return make("bar", (loss, x), (), x.shape)


def pull(c: Node, f: Node, w: Node) -> Node:
    """Return the pending pullback c * df/dw."""
    return make("pull", (c, f, w), (), w.shape)


@dataclass(frozen=True)
class _Through:
    """A line in one cotangent, its length with that cotangent written out once, and the steps that lead there."""

    line: Node
    bar: Node
    cost: int
    steps: tuple[Step, ...]


class _Run:
    """One derivation under way."""

    def __init__(
        self, loss: Node, wrt: Sequence[Node], names: Mapping[Node, str], given: Container[Node], kink: str,
        assumptions: Sequence[Assumption] = (),
    ) -> None:  # fmt: skip
        self.loss, self.wrt, self.names, self.kink = loss, wrt, names, kink
        self.active = depends_on([loss], wrt)
        self.order = [n for n in topological([loss]) if n in self.active]
        self.asked = frozenset(wrt)
        self.position = {n: k for k, n in enumerate(self.order)}
        self.cuts = {n for n in self.order if n in names or n in self.asked} | {loss}
        forward = topological([loss])
        self.forward = frozenset(forward)
        self.simplifier = Simplifier(names, forward)
        # results are read without the names that were chosen here, so those do not make a form short
        self.chosen = {n: s for n, s in names.items() if n not in given}
        self.outside = self.simplifier.renamed({n: s for n, s in names.items() if n in given})
        self.assumed = Assumed(assumptions, forward)
        self.rests: dict[Node, tuple[str, ...]] = {}  # target -> the assumptions that its value rests on
        self.closed_rests: dict[Node, tuple[str, ...]] = {}
        self.leads: dict[Node, dict[Node, None]] = {}  # node -> the named nodes that its region reaches
        self.steps: list[Step] = []
        self.values: dict[Node, Node] = {}
        self.lengths: dict[Node, int] = {}
        self.closed: dict[Node, Node] = {}
        self.closed_lengths: dict[Node, int] = {}
        self.resolved: dict[Node, Node] = {}

    def active_args(self, node: Node) -> list[int]:
        return [i for i, a in enumerate(node.args) if a in self.active]

    def region(self, top: Node) -> list[Node]:
        """Return `top` and the unnamed nodes below it down to the next names, inputs before users."""
        return topological([top], lambda n: [a for a in n.args if a in self.active and a not in self.cuts])

    def run(self) -> None:
        consumers: dict[Node, list[Node]] = {}
        for u in reversed(self.order):
            if u not in self.cuts or u.is_leaf or (u in self.asked and not self._goes_on(u)):
                continue
            below: dict[Node, dict[Node, None]] = {}
            for f in self.region(u):
                below[f] = {}
                for i in self.active_args(f):
                    a = f.args[i]
                    below[f].update({a: None} if a in self.cuts else below[a])
            self.leads.update(below)
            for t in below[u]:
                consumers.setdefault(t, []).append(u)
        position = self.position
        leaves: dict[Node, list[Node]] = {}
        for t, users in consumers.items():
            if t.is_leaf:  # a leaf comes as soon as its last consumer is done
                leaves.setdefault(min(users, key=position.__getitem__), []).append(t)
        for t in reversed(self.order):
            if t in self.cuts and not t.is_leaf:
                if t is not self.loss and t in consumers:
                    self.block(t, consumers[t])
                for leaf in sorted(leaves.get(t, ()), key=position.__getitem__):
                    self.block(leaf, consumers[leaf])

    def _goes_on(self, node: Node) -> bool:
        """A node asked for is a leaf of the derivation unless another one asked for lies below it."""
        others = [w for w in self.wrt if w is not node]
        return any(n in others for n in topological([node]) if n is not node)

    def block(self, t: Node, consumers: Sequence[Node]) -> None:
        """Record the chain dL/dt = ... and keep its end."""
        terms: list[Node] = [pull(const(1, u.shape) if u is self.loss else bar(self.loss, u), u, t) for u in consumers]
        line = _total(terms, t)
        if len(consumers) > 1:
            self.note("sum_over_paths", bar(self.loss, t), line, t, f"one term for each of the {len(consumers)} uses")
        elif consumers[0] is self.loss:
            self.note("definition", bar(self.loss, t), line, t, "derivative of the loss")
        else:
            self.note("chain_rule", bar(self.loss, t), line, t, "chain rule")
        k = 0
        while k < len(terms):
            if terms[k].op != "pull":
                k += 1
                continue
            line = self.push_term(terms, k, t, line)
        self.finish(t, line)

    def push_term(self, terms: list[Node], k: int, t: Node, line: Node) -> Node:
        """Replace the pull at place `k` by the pulls of its arguments, or by what has arrived at `t`."""
        c, f, _ = terms[k].args
        wanted = [
            i
            for i in self.active_args(f)
            if f.args[i] is t or (f.args[i] not in self.cuts and t in self.leads[f.args[i]])
        ]
        new = []
        rule = array_row(f).rule if f.op == "array" else "pull_einsum" if f.op == "einsum" else row_of(f).rule
        for p in push(f, c, wanted, self.kink):
            x = f.args[p.position]
            new.append(p.cotangent if x is t else pull(p.cotangent, x, t))
        terms[k : k + 1] = new
        after = _total(terms, t)
        self.note(rule, line, after, t, push_reason(f, wanted), f.op in _MINOR and len(wanted) == 1)
        return after

    def note(
        self, rule: str, before: Node, after: Node, target: Node, reason: str, minor: bool = False,
        rests: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        if before is not after:
            self.steps.append(Step(rule, before, after, target, reason, minor, rests))

    def finish(self, t: Node, raw: Node) -> None:
        """Simplify the last line; substitute known cotangents where that makes it shorter."""
        kept = self.assumed.shorten(self.simplifier, raw)
        bars = self.bars(raw)
        known = {b: self.values[b.args[1]] for b in bars if self.lengths[b.args[1]] <= _SUBSTITUTE}
        best, source = kept, raw
        rests: tuple[str, ...] = ()
        if known:
            source = self.put_in(raw, known)
            tried = self.assumed.shorten(self.simplifier, source)
            if tried.cost <= kept.cost:
                best, rests = tried, _united(self.rests[b.args[1]] for b in known)
                said = "substitute " + ", ".join(self.bar_text(b) for b in known)
                self.note("substitute", raw, source, t, said, rests=rests)
            else:
                source = raw
        self.values[t], self.lengths[t] = self.shortened(source, best, t, self.names), best.cost
        self.rests[t] = _united([rests, best.assumptions])
        self.resolve(t)
        self.close(t)

    def shortened(self, source: Node, best: Shortened, t: Node, names: Mapping[Node, str]) -> Node:
        """Record the way to the shortest form and return it; where a reader could see no change, nothing changes."""

        def same(a: Node, b: Node) -> bool:
            return to_text(a, names) == to_text(b, names)

        if same(best.node, source) or (
            best.rule == "order" and not _disorder(to_text(source, names), best.node, names)
        ):
            return source
        if best.via is not None:
            source = self.shortened(source, best.via, t, names)
            if same(best.node, source):
                return source
        self.note(best.rule, source, best.node, t, best.reason, rests=best.assumptions)
        return best.node

    def put_in(self, line: Node, values: Mapping[Node, Node]) -> Node:
        """Return the line with cotangent symbols replaced, its signs tidied."""

        def rebuild(n: Node, args: tuple[Node, ...]) -> Node:
            if args == n.args:
                return n
            if n.op == "einsum" and len(args) == 2 and n.args[0].op == "bar" and (args[0].rank, args[1].rank) == (1, 2):
                ins, out, sizes = n.attr  # A.T @ (p - y), as A.T @ dL/dp is written
                return einsum(ins[::-1], args[::-1], out, dict(enumerate(sizes)))
            return tidy(n.op, args, n.attr, n.shape)

        return replace([line], values, rebuild, self.forward)[0]

    def bars(self, value: Node) -> list[Node]:
        """Return the cotangent symbols in a line."""
        inner = topological([value], lambda n: () if n.op == "bar" or n in self.forward else n.args)
        return [n for n in inner if n.op == "bar"]

    def resolve(self, t: Node) -> None:
        value = self.values[t]
        known = {b: self.resolved[b.args[1]] for b in self.bars(value)}
        self.resolved[t] = replace([value], known, fixed=self.forward)[0]

    def close(self, t: Node) -> None:
        """Write the cotangent in names of the forward pass alone, where that stays readable."""
        value = self.values[t]
        bars = self.bars(value)
        found = self.closed_form(value, bars)
        long = found is None or found[1].cost > _SHORT
        through = self.through(t) if t in self.asked and bars and long else None
        if through is not None and (found is None or through.cost < found[1].cost):
            self.steps += through.steps
            u = through.bar.args[1]
            above = self.closed.get(u, self.resolved[u])
            self.closed[t], self.closed_lengths[t] = self.put_in(through.line, {through.bar: above}), through.cost
            beyond = [self.closed_rests[u]] if u in self.closed else list(self.rests.values())
            self.closed_rests[t] = _united([self.rests[t], *(s.assumptions for s in through.steps), *beyond])
            return
        if found is None:
            return
        whole, short = found
        said = t in self.asked or bool(bars and short.cost <= _CLOSED_BETWEEN)
        if short.assumptions and not said:  # what rests on assumptions is said or left alone
            short = self.simplifier.shorten(whole)
        read: Shortened | None = None  # as it is read without the names that were chosen here
        if t in self.asked and self.simplifier.reads(short.node, self.chosen):
            read = self.assumed.shorten(self.outside, short.node)
            if read.cost > self.outside.cost(short.node):
                read = None
        best = short if read is None else read
        above_rests = _united(self.closed_rests[b.args[1]] for b in bars)
        self.closed_rests[t] = _united([self.rests[t], above_rests, short.assumptions, best.assumptions])
        self.closed[t], self.closed_lengths[t] = best.node, short.cost
        if said:
            substituted = "substitute " + ", ".join(self.bar_text(b) for b in bars)
            self.note("substitute", value, whole, t, substituted, rests=above_rests)
            line = self.shortened(whole, short, t, self.names)
            if read is not None:
                self.shortened(line, read, t, self.outside.names)

    def closed_form(self, value: Node, bars: Sequence[Node]) -> tuple[Node, Shortened] | None:
        """Return a line with all cotangents put in, and its shortest form; None where that is too long."""
        below = [b.args[1] for b in bars]
        if any(x not in self.closed for x in below) or sum(self.closed_lengths[x] for x in below) > _CLOSED:
            return None
        whole = self.put_in(value, {b: self.closed[b.args[1]] for b in bars})
        long = self.simplifier.length(whole) > _CLOSED
        return None if long else (whole, self.assumed.shorten(self.simplifier, whole))

    def through(self, t: Node) -> _Through | None:
        """Return the cotangent in that of one node which all paths pass, such as dL/dh of a layer norm.

        Cotangents are put in one after the other, the nearest first. Of the lines that hold one cotangent the shortest
        is taken, the lines of the cotangents that come after it counted; None where putting in gains nothing.
        """
        line, steps = self.values[t], list[Step]()
        stages: list[tuple[int, _Through]] = []
        spent = 0  # the lengths of the lines put in so far
        for _ in range(_THROUGH):
            bars = self.bars(line)
            if len(bars) == 1 and (steps or len(self.bars(self.values.get(bars[0].args[1], line))) > 1):
                u = bars[0].args[1]
                length = self.simplifier.cost(line)
                whole = length + self.closed_lengths.get(u, self.lengths.get(u, 1))
                stages.append((length - spent, _Through(line, bars[0], whole, tuple(steps))))
            nearest = min(bars, key=lambda b: self.position[b.args[1]], default=None)
            if nearest is None or nearest.args[1] not in self.lengths:
                break
            if len(bars) == 1 and len(self.bars(self.values[nearest.args[1]])) < 2:
                break  # one path leads on from here
            new = self.put_in(line, {nearest: self.values[nearest.args[1]]})
            inner = topological([new], lambda n: () if n in self.forward or n.op == "bar" else n.args)
            sums = any(n.op == "einsum" and n not in self.forward and not moves(n) for n in inner)
            if not sums or self.simplifier.length(new) > _CLOSED:
                break  # what no sum over an index ties together gains nothing
            spent += self.lengths[nearest.args[1]]
            before = len(self.steps)
            rests = self.rests[nearest.args[1]]
            self.note("substitute", line, new, t, f"substitute {self.bar_text(nearest)}", rests=rests)
            line = self.shortened(new, self.simplifier.shorten(new), t, self.names)
            steps += self.steps[before:]
            del self.steps[before:]
        best = min(stages, key=lambda s: s[0], default=None)
        return best[1] if best is not None and best[1].steps else None

    def bar_text(self, b: Node) -> str:
        return to_text(b, self.names)


_MINOR = frozenset({"add", "sub", "neg"})

def _disorder(text: str, ordered: Node, names: Mapping[Node, str]) -> bool:
    """Return whether putting factors in order gains anything: a number amid factors, or a shorter line."""
    return bool(re.search(r"\* ?\d", text)) or len(to_text(ordered, names)) < len(text) - 1


def _united(texts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t for one in texts for t in one))


def _total(terms: Sequence[Node], t: Node) -> Node:
    if not terms:
        return const(0, t.shape)
    out = terms[0]
    for term in terms[1:]:
        out = plus(out, term)
    return out


def derive(
    loss: Node,
    wrt: Sequence[Node],
    names: Mapping[Node, str] = {},
    *,
    hints: Mapping[Node, str] = {},
    calls: Mapping[Node, Call] = {},
    kink: str = "policy",
    before: Sequence[Step] = (),
    loss_name: str = "L",
    assumptions: Sequence[Assumption] = (),
    reserved: Iterable[str] = (),
) -> Record:
    """Derive the gradient of a scalar node by each of `wrt` and record every step.

    No name that is chosen here is among `reserved`.
    Raises NonScalarLoss, UnknownName (a `wrt` that does not occur), NoRule.
    """
    if any(d != 1 for d in loss.shape):
        raise NonScalarLoss(
            f"a gradient needs a scalar loss; {names.get(loss, 'this expression')} has shape {show(loss.shape)}: "
            f"reduce it with sum(...) or mean(...)"
        )
    below = set(topological([loss]))
    for w in wrt:
        if w not in below:
            raise UnknownName(
                f"the loss does not depend on {to_text(w, names)}; it depends on "
                f"{', '.join(n.name for n in topological([loss]) if n.op == 'var') or 'no variable'}"
            )
    active = depends_on([loss], wrt)
    known = frozenset([*names.values(), *reserved, *meant([loss, *wrt, *(n for a in assumptions for n in a.nodes)])])
    all_names = name_nodes(
        loss,
        {n: s for n, s in names.items() if n in below},
        active,
        hints,
        reserved=known,
        loss_name=loss_name,
    )
    run = _Run(loss, wrt, all_names, names, kink, concerning(assumptions, [loss]))
    run.run()
    for w in wrt:
        if w is loss:
            run.values[w] = run.closed[w] = run.resolved[w] = const(1, w.shape)
        elif w not in run.values:
            run.values[w] = run.closed[w] = run.resolved[w] = const(0, w.shape)
    return Record(
        loss=loss,
        wrt=tuple(wrt),
        names=all_names,
        given=frozenset(n for n in names if n in below),
        calls=dict(calls),
        steps=(*before, *run.steps),
        values=run.values,
        results={w: run.closed.get(w, run.resolved[w]) for w in wrt},
        resolved=run.resolved,
        closed=run.closed,
        kinks=_kinks(run),
        options={"kink": kink},
        assumptions=tuple(assumptions),
        reserved=known,
    )


def _kinks(run: _Run) -> tuple[str, ...]:
    """Say where the functions of the forward pass have no derivative, and what is taken there."""
    out = []
    for n in run.order:
        if n.op == "array" and array_row(n).kink:
            out.append(f"{array_row(n).name} has no derivative {array_row(n).kink}")
        row = find(n)
        tip = under_norm(n) if n.op == "sqrt" else None
        if tip is not None:
            at = to_text(tip, run.names, expand_root=False)
            out.append(f"a norm has no derivative at {at} = 0; there 0 is taken")
        if row is None or row.kink is None:
            continue
        where = to_text(row.kink(*n.args), run.names, expand_root=False)
        taken = taken_at_kink(n.op, n.attr, run.kink)
        out.append(f"{row.name} has no derivative at {where} = 0; there {taken or 'the value of its formula'} is taken")
    return tuple(dict.fromkeys(out))


@lru_cache(maxsize=256)
def taken_at_kink(op: str, attr: tuple[object, ...], kink: str) -> str:
    """Return the local derivatives of a function at its kink, where the kink is at 0 or where its arguments meet."""
    x = row_of(make(op, (), attr, ())).placeholders
    node = make(op, x, attr, ())
    row = row_of(node)
    assert row.kink is not None
    point = dict.fromkeys(x, 0 if len(x) == 1 else 1)
    local = [d for d in local_derivatives(node, kink) if d is not None]
    at, *values = (v[()] for v in evaluate([row.kink(*x), *local], point, digits=20))
    if at != 0:
        return ""
    return " and ".join(dict.fromkeys(f"{float(v):g}" for v in values)) or "0"
