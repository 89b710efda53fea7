"""A small reader of index notation as text: what a formula says, in numbers, by no code of the printers."""

import math
import re

import numpy as np

_TOKEN = re.compile(r"\s*(sum_[^ ]+ |d[A-Za-z]\w*/d[A-Za-z]\w*|[A-Za-z_]\w*|\d+\.?\d*(?:e[-+]?\d+)?"
                    r"|\*\*|<=|>=|[-+*/()\[\],=<>])")
FUNCTIONS = {"exp": math.exp, "log": math.log, "tanh": math.tanh, "sqrt": math.sqrt, "relu": lambda x: max(x, 0.0),
             "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "step": lambda x: float(x > 0), "sin": math.sin}


def _softmax(a):
    e = np.exp(a - a.max())
    return e / e.sum()


ALONG = {"softmax": _softmax, "log_softmax": lambda a: np.log(_softmax(a)), "max": np.max, "min": np.min,
         "prod": np.prod, "logsumexp": lambda a: np.log(np.sum(np.exp(a)))}
KEEPS = ("softmax", "log_softmax")
WHOLE = {"inv": np.linalg.inv, "det": np.linalg.det, "logdet": lambda a: np.linalg.slogdet(a)[1]}


class Reader:
    """Reads one formula; `arrays` by name without their axes of size 1, `sizes` of index letters and of size names."""

    def __init__(self, arrays, letters, sizes):
        self.arrays, self.letters, self.sizes = arrays, letters, sizes

    def value(self, text, **place):
        self.tokens = _TOKEN.findall(text)
        assert "".join(self.tokens).replace(" ", "") == text.replace(" ", ""), text
        self.at = 0
        out = self.expression(place)
        assert self.at == len(self.tokens), (text, self.tokens[self.at:])
        return out

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, token=None):
        found = self.peek()
        assert token is None or found == token, (found, token)
        self.at += 1
        return found

    def expression(self, env):
        out = self.term(env)
        while self.peek() in ("+", "-"):
            sign = self.take()
            right = self.term(env)
            out = out + right if sign == "+" else out - right
        return out

    def term(self, env):
        if self.peek() == "-":
            self.take()
            return -self.term(env)
        out = self.factor(env)
        while self.peek() in ("*", "/"):
            sign = self.take()
            right = self.factor(env)
            out = out * right if sign == "*" else out / right
        return out

    def factor(self, env):
        if self.peek().startswith("sum_"):
            return self.total(env)
        if self.peek() == "-":
            self.take()
            return -self.factor(env)
        out = self.base(env)
        if self.peek() == "**":
            self.take()
            out = out ** self.factor(env)
        return out

    def again(self, start, env, read):
        self.at = start
        return read(env)

    def total(self, env):
        """A sum reaches to the end of its product."""
        under = self.take()[4:].strip()
        start = self.at
        bounds = re.fullmatch(r"(\w+)(<=|>=)(.+)", under)
        names = [bounds[1]] if bounds else under.split(",")
        ranges = [range(self.letters[x]) for x in names]
        if bounds:
            end = Reader(self.arrays, self.letters, self.sizes).value(bounds[3], **env)
            ranges = [[k for k in ranges[0] if (k <= end if bounds[2] == "<=" else k >= end)]]
        out = 0.0
        self.again(start, {**env, **dict.fromkeys(names, 0)}, self.skip)
        stop = self.at
        for values in np.ndindex(*map(len, ranges)):
            inner = {**env, **{n: r[v] for n, r, v in zip(names, ranges, values)}}
            out += self.again(start, inner, self.term)
        self.at = stop
        return out

    def skip(self, _env):
        """Go to the end of the product without reading it."""
        depth = 0
        while self.peek():
            t = self.peek()
            if depth == 0 and (t in ("+", ")", "]", ",") or (t == "-" and self.tokens[self.at - 1] not in ("*", "/")
                                                            and not self.tokens[self.at - 1].startswith("sum_"))):
                return
            depth += (t in "([") - (t in ")]")
            self.at += 1

    def places(self, env):
        out = []
        if self.peek() == "[":
            self.take()
            while self.peek() != "]":
                out.append(self.expression(env))
                if self.peek() == ",":
                    self.take()
            self.take("]")
        return tuple(map(int, out))

    def base(self, env):
        t = self.take()
        if t == "(":
            out = self.expression(env)
            self.take(")")
            return out
        if t == "[":
            return self.holds(env)
        if t[0].isdigit():
            return float(t)
        if t == "delta":
            a, b = self.places(env)
            return float(a == b)
        head, _, under = t.rpartition("_")
        if head in ALONG and self.peek() == "(":
            return self.along(head, under, env)
        if t in FUNCTIONS:
            self.take("(")
            out = self.expression(env)
            self.take(")")
            return FUNCTIONS[t](out)
        if t in WHOLE:
            self.take("(")
            out = WHOLE[t](self.arrays[self.take()])
            self.take(")")
            return self.entry(out, env)
        if t in env:
            return env[t]
        return self.entry(self.arrays[t], env) if t in self.arrays else self.sizes[t]

    def entry(self, array, env):
        place = self.places(env)
        assert len(place) == np.ndim(array), (place, np.shape(array))
        inside = all(0 <= p < d for p, d in zip(place, np.shape(array)))
        return float(np.asarray(array)[place]) if inside else math.nan

    def along(self, head, under, env):
        names = [under]
        while self.peek() == ",":  # max_i,j(...)
            self.take()
            names.append(self.take())
        start = self.at
        values = np.empty([self.letters[n] for n in names])
        for place in np.ndindex(values.shape):
            self.at = start
            self.take("(")
            values[place] = self.expression({**env, **dict(zip(names, place))})
            self.take(")")
        out = ALONG[head](values)
        if head not in KEEPS:
            return float(out)
        where = {n: env.get(n) for n in names}
        if self.peek() == "[":
            self.take()
            for _ in names:
                n = self.take()
                self.take("=")
                where[n] = self.expression(env)
                if self.peek() == ",":
                    self.take()
            self.take("]")
        return float(out[tuple(int(where[n]) for n in names)])

    def holds(self, env):
        """1 or 0; what it guards counts only where it is 1."""
        true = True
        while True:
            left = self.expression(env)
            while self.peek() in ("<", "<="):
                sign = self.take()
                right = self.expression(env)
                true = true and (left < right if sign == "<" else left <= right)
                left = right
            if self.peek() != "and":
                break
            self.take()
        self.take("]")
        if true:
            return 1.0
        if self.peek() == "*":  # the rest of the product does not count
            self.skip(env)
        return 0.0
