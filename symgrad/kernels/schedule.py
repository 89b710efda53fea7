"""The order of a kernel's operations, which of them write into an operand, and what the locals are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from symgrad.kernels.names import Locals
from symgrad.kernels.plan import BOOL, FLOAT, PYTHON, Val

LEAVES = frozenset({"input", "const", "dim"})
ALIASES = frozenset({"view", "diagonal", "array_view", "merge"})  # no new memory, or not always: their operand's
FRESH = frozenset({"matmul", "sum", "vdot", "einsum", "eye", "full", "copy", "cast", "scalar", "array",
                   "array_lines", "array_factor", "call", "spread"})
# written in several lines, or read several times in one
OWN_LINE = frozenset({"array_lines", "array_factor", "call", "spread", "diagonal_add"})
WORTH_FREEING = 12  # arrays still to be made; with fewer, a `del` is more noise than help
MAX_INLINE_DEPTH = 4  # deeper expressions get a line of their own


@dataclass
class Schedule:
    """A straight line of operations; `into[v]` is the operand whose memory v overwrites."""

    order: list[Val]
    inline: set[Val]  # written inside their one user
    into: dict[Val, Val] = field(default_factory=dict)
    local: dict[Val, str] = field(default_factory=dict)
    deaths: dict[Val, list[str]] = field(default_factory=dict)  # names of no use after this line


def postorder(roots: Sequence[Val]) -> list[Val]:
    """Return every value below the roots, operands first."""
    order: list[Val] = []
    entered: set[Val] = set()
    for root in roots:
        if root in entered:
            continue
        entered.add(root)
        stack: list[tuple[Val, Iterator[Val]]] = [(root, iter(root.args))]
        while stack:
            v, rest = stack[-1]
            for child in rest:
                if child not in entered:
                    entered.add(child)
                    stack.append((child, iter(child.args)))
                    break
            else:
                stack.pop()
                order.append(v)
    return order


def schedule(first: Sequence[Val], then: Sequence[Val], reuse: bool = True) -> Schedule:
    """Return the operations for the values `first` and after them `then`, shallow ones before deep ones.

    Shallow first means that a weight's gradient is formed as soon as its layer's cotangent is there, while both are in
    cache, and that the layer's memory is free before the next layer needs some.
    """
    level: dict[Val, int] = {}
    for v in postorder([*first, *then]):
        level[v] = 1 + max((level[a] for a in v.args), default=0)
    order = postorder([*first, *sorted(then, key=level.__getitem__)])
    outputs = {*first, *then}
    inline = _inlined(order, outputs)
    steps = [v for v in order if v not in inline and v.op not in LEAVES]
    plan = Schedule(steps, inline)
    if reuse:
        _in_place(plan, outputs)
    return plan


def _inlined(order: Sequence[Val], outputs: set[Val]) -> set[Val]:
    users: dict[Val, int] = {}
    only: dict[Val, Val] = {}
    for v in order:
        for a in set(v.args):
            users[a] = users.get(a, 0) + 1
            only[a] = v
    depth: dict[Val, int] = {}
    inline: set[Val] = set()
    for v in order:
        if v.op in LEAVES:
            continue
        depth[v] = 1 + max((depth.get(a, 0) for a in v.args if a in inline), default=0)
        if v in outputs or v.op in OWN_LINE or users[v] > 1 or depth[v] > MAX_INLINE_DEPTH or v.name is not None:
            continue
        user = only[v]
        # written twice in one expression it would be computed twice
        if user.args.count(v) > 1 and v.op != "view":
            continue
        if v.kind in (PYTHON, BOOL) or v.op in ("view", "merge", "scalar", "cast") or (not v.shape and not user.shape):
            inline.add(v)
    return inline


def reads(v: Val, inline: set[Val]) -> set[Val]:
    """Return the leaves and locals that the line of `v` reads, through what is written inside it."""
    out: set[Val] = set()
    stack = list(v.args)
    while stack:
        a = stack.pop()
        if a in inline:
            stack.extend(a.args)
        else:
            out.add(a)
    return out


def _memory(v: Val) -> Val:
    """Return the value whose memory `v` shows."""
    while v.op in ALIASES:
        v = v.args[0]
    return v


def writable(v: Val) -> bool:
    """Whether the operation can write its result into an operand of the same shape."""
    return v.kind == FLOAT and bool(v.shape) and v.op not in LEAVES | ALIASES | FRESH


def _in_place(plan: Schedule, outputs: set[Val]) -> None:
    """Let every elementwise operation overwrite an operand that nobody reads later."""
    inline = plan.inline
    line_reads = {v: reads(v, inline) for v in plan.order}
    readers: dict[Val, set[Val]] = {}  # memory -> the lines still to come that read it
    for v, used in line_reads.items():
        for r in used:
            readers.setdefault(_memory(r), set()).add(v)
    protected = {_memory(v) for v in outputs}
    position = {v: k for k, v in enumerate(plan.order)}
    done: set[Val] = set()
    order: list[Val] = []

    def candidates(v: Val) -> list[Val]:
        return [
            a for a in dict.fromkeys(v.args)
            if a.kind == FLOAT and a.shape == v.shape and a not in inline and a.op not in LEAVES | ALIASES
            and a not in protected
        ]

    def ready(v: Val) -> bool:
        return all(r in done or r.op in LEAVES for r in line_reads[v])

    def emit(v: Val) -> None:
        done.add(v)
        order.append(v)
        for r in line_reads[v]:
            readers[_memory(r)].discard(v)

    for v in plan.order:
        if v in done:
            continue
        if writable(v):
            free = candidates(v)
            dying = [a for a in free if readers[a] <= {v}]
            if not dying:
                for a in free:
                    others = sorted(readers[a] - {v}, key=position.__getitem__) if len(readers[a]) <= 4 else []
                    if others and all(ready(u) for u in others):
                        for u in others:  # read the operand first, then it can be overwritten
                            if u not in done:
                                emit(u)
                        dying = [a]
                        break
            if dying:
                plan.into[v] = dying[0]
        emit(v)
    plan.order = order


def name_locals(plan: Schedule, locals_: Locals, kept: Iterable[Val]) -> None:
    """Give every line a local: the wanted name; else the name its memory bears next; else a number.

    A number is used again once its array is dead, which also gives the memory back; `kept` is what the kernel returns.
    """
    following = {a: v for v, a in plan.into.items()}
    wanted: dict[Val, str] = {}
    for v in plan.order:
        if v.name is not None and (name := locals_.claim(v.name)) is not None:
            wanted[v] = name
    end: dict[Val, Val] = {}  # the line whose local an unnamed line shares
    for v in reversed(plan.order):
        after = following.get(v)
        end[v] = v if v in wanted or after is None else end[after]
    last: dict[Val, int] = {}
    for k, v in enumerate(plan.order):
        last[end[v]] = k
        for r in reads(v, plan.inline):
            if r in end:
                last[end[r]] = k
    for v in kept:
        if v in end:
            last[end[v]] = len(plan.order)
    expiring: dict[int, list[Val]] = {}
    for v, k in last.items():
        expiring.setdefault(k, []).append(v)
    for k, v in enumerate(plan.order):
        e = end[v]
        if e not in plan.local:
            plan.local[e] = wanted.get(e) or locals_.fresh()
        plan.local[v] = plan.local[e]
        for dead in expiring.get(k, ()):
            if dead not in wanted and dead in plan.local:
                locals_.free(plan.local[dead])
    _find_deaths(plan, set(kept), {end[v]: wanted[end[v]] for v in plan.order if end[v] in wanted})


def _find_deaths(plan: Schedule, kept: set[Val], named: Mapping[Val, str]) -> None:
    """Note after which line which named arrays are of no more use, where enough lines follow to use their memory."""
    base: dict[Val, Val] = {}  # line -> the line that first had its memory
    for v in plan.order:
        source = plan.into.get(v, v)
        while source.op in ALIASES:
            source = source.args[0]
        base[v] = base.get(source, source)
    holders: dict[Val, dict[str, None]] = {}
    last: dict[Val, int] = {}
    for k, v in enumerate(plan.order):
        last[base[v]] = k
        if v in named and base[v].op not in LEAVES:
            holders.setdefault(base[v], {})[named[v]] = None
        for r in reads(v, plan.inline):
            if r in base:
                last[base[r]] = k
    for v in kept:
        if v in base:
            last[base[v]] = len(plan.order)
    allocating = [v.kind == FLOAT and bool(v.shape) and v not in plan.into and v.op not in ALIASES for v in plan.order]
    to_come = list(accumulate(reversed(allocating)))[::-1]
    for b, names in holders.items():
        if b.shape and last[b] + 1 < len(to_come) and to_come[last[b] + 1] >= WORTH_FREEING:
            plan.deaths.setdefault(plan.order[last[b]], []).extend(names)
