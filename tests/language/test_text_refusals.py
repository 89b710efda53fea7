"""What is not in the language is refused with little work, in words that say what and where; nothing is executed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgrad.errors import InputError, LimitExceeded, NoRule, ParseError, ShapeError, SymgradError, UnknownName
from symgrad.graph.node import topological
from symgrad.language.text_functions import TABLE
from symgrad.language.text_io import parse
from tests.work import calls, counted, within

BOUND = 250_000  # calls of Python functions until a text is read or refused

NETWORK = """
X: (2, n);  Y: (1, n);  W1: (h, 2);  b1: (h, 1);  W2: (1, h);  b2: (1, 1)
Z1 = W1 @ X + b1
A1 = relu(Z1)
P  = sigmoid(W2 @ A1 + b2)
L  = mean(bce(P, Y))
"""


def refused(text: str, kind: type[SymgradError] = ParseError) -> str:
    """The message with which a text is refused, which must take little work."""
    with pytest.raises(kind) as caught:
        within(BOUND, lambda: parse(text))
    message = str(caught.value)
    assert len(message) < 1500
    assert "Traceback" not in message
    return message


@pytest.mark.parametrize(("text", "kind", "words"), [
    # names
    ("sigmiod(x)", UnknownName, ["line 1, column 1", "'sigmiod'", "Did you mean 'sigmoid'"]),
    ("x(y + 1)", UnknownName, ["unknown function 'x'", "x*(...)"]),
    ("weights: (n,); sum(wieghts)", UnknownName, ["unknown name 'wieghts'", "Did you mean 'weights'?"]),
    ("x: (n,); x + exp", UnknownName, ["'exp' is a function here", "exp(x)"]),
    ("x: (n,); x/m", UnknownName, ["unknown name 'm'"]),
    ("x: (n,); ones((n, m)) + x", UnknownName, ["unknown size 'm'"]),
    ("a = b + 1\nb = x", ParseError, ["line 1, column 5", "'b' is used before its equation in line 2"]),
    ("a = c + 1\nb = a\nc = 2*b", ParseError, ["circle", "c needs b needs a needs c"]),
    ("a = a + 1", ParseError, ["a is defined by itself"]),
    ("x: (n,); x: (3,); x", ParseError, ["'x' is given twice"]),
    ("a = x; a = y", ParseError, ["'a' is given twice", "line 1"]),
    ("x: (n,); n: (); x", ParseError, ["'n' is a size already"]),
    ("x: (n,); n = sum(x)", ParseError, ["'n' is a size already"]),
    ("pi = 3", ParseError, ["'pi' is a constant"]),
    ("lambda*w**2", ParseError, ["'lambda' is a Python keyword", "lam or lamda"]),
    ("x: (in, 2); x", ParseError, ["'in' is a Python keyword"]),
    ("class_ + def", ParseError, ["'def' is a Python keyword", "def_"]),
    ("a__b", ParseError, ["double underscore"]),
    ("a" * 65, LimitExceeded, ["65 characters", "64"]),
    # statements
    ("x: (n,)", ParseError, ["only declarations"]),
    ("# nothing", ParseError, ["no statement"]),
    ("x\ny", ParseError, ["line 1", "has no name, and more follows"]),
    ("L = a\n    + b", ParseError, ["begins with a sign", "brackets"]),
    ("L = a\nM = a\n    b", ParseError, ["line 3", "indented differently"]),
    ("L = a +\nb", ParseError, ["ends after '+'", "brackets"]),
    ("x: n; x", ParseError, ["a shape is a tuple", "x: (n,)"]),
    ("x: (n**n,); x", ParseError, ["a size is an integer, a name"]),
    ("x: (n/0,); x", ParseError, ["divided by 0"]),
    ("x: (2 - 3,); x", ShapeError, ["negative"]),
    ("x: (n,) = 3", ParseError, ["a declaration has no value"]),
    ("a, b = c", ParseError, ["left side"]),
    ("f(x) = x**2", ParseError, ["line 1, column 1"]),
    ("a = b = c", ParseError, ["one equation gives one name"]),
    ("x += 1", ParseError, ["'+='"]),
    (";x", ParseError, ["no statement before"]),
    ("del x", ParseError, ["'del'"]),
    ("assume(y); y", ParseError, ["assume takes one comparison"]),
    ("assume(y in x); y", ParseError, ["a tuple of numbers"]),
    ("assume(y in (0, z)); y", ParseError, ["numbers"]),
    ("assume(y == (0, 1)); y", ParseError, ["a tuple"]),
    ("x + assume(x > 0)", ParseError, ["a statement of its own"]),
    # expressions
    ("x^2", ParseError, ["'^'", "**"]),
    ("x // 2", ParseError, ["'//'"]),
    ("x < y", ParseError, ["where(...) or assume(...)"]),
    ("where(x in (0, 1), x, y)", ParseError, ["In"]),
    ("x if y else z", ParseError, ["where(condition, a, b)"]),
    ("2x", ParseError, ["2*x"]),
    ("2(x)", ParseError, ["2*(...)"]),
    ("x y", ParseError, ["between 'x' and 'y'", "x*y"]),
    ("(x)(y)(z)", ParseError, ["only a name can be called"]),
    ("1,5*x", ParseError, ["a tuple", "decimal"]),
    ("[x, y]", ParseError, ["a list"]),
    ("'x'", ParseError, ["a string"]),
    ("x.real", ParseError, [".real", ".T"]),
    ("x.sum()", ParseError, ["sum(x)"]),
    ("1j*x", ParseError, ["complex"]),
    ("0x1F", ParseError, ["decimal"]),
    ("True + x", ParseError, ["True"]),
    ("[x for x in y]", ParseError, ["'for'"]),
    ("f'x'", ParseError, ["prefix"]),
    ("(x := 2)", ParseError, ["':='"]),
    ("x.T.(y)", ParseError, ["line 1, column 5"]),
    ("sin(*x)", ParseError, ["'*'"]),
    ("x @= y", ParseError, ["'@='"]),
    ("not x", ParseError, ["'not'"]),
    ("x\\\n+ y", ParseError, ["backslash"]),
    ("(x + y", ParseError, ["column 1", "never closed"]),
    ("x + y)", ParseError, ["closes nothing"]),
    ("(x + y]", ParseError, ["meets the '(' of line 1"]),
    ("(x; y)", ParseError, ["';' inside brackets"]),
    ("007", ParseError, ["line 1", "leading zeros"]),
    # arguments
    ("sin(x, y)", ParseError, ["sin", "too many", "sin(x)"]),
    ("sin()", ParseError, ["missing", "'x'", "sin(x)"]),
    ("log(x, 2)", ParseError, ["log(x)"]),
    ("sum(x, axes=0)", ParseError, ["'axes'", "sum(x, *, axis=None, keepdims=False)"]),
    ("sum(x, 0)", ParseError, ["axis=None"]),
    ("sum(x, axis=1.5)", ParseError, ["an axis is an integer"]),
    ("sum(x, keepdims=1)", ParseError, ["True or False"]),
    ("sum(x, axis=0, axis=0)", ParseError, ["line 1"]),
    ("einsum(x, x)", ParseError, ["a string such as"]),
    ('einsum("i,i", x)', ParseError, ["2 operands", "given 1"]),
    ('einsum("i->ii", x)', ParseError, ["stands twice"]),
    ('einsum("i->j", x)', ParseError, ["occurs in no operand"]),
    ('einsum("1->", x)', ParseError, ["letters and commas"]),
    ("max(x, y, axis=0)", ParseError, ["max(a, b)"]),
    ("softmax(x)", ShapeError, ["softmax of x", "0 axes"]),
    ("round(x)", NoRule, ["round", "no rule yet"]),
    ("x: (n, 3); x[:, 3]", ShapeError, ["index 3 is out of range for x (n, 3), axis 1"]),
    ("x: (n, 3); x[:, 2:2]", ShapeError, ["is empty"]),
    ("x: (n, 3); x[::0]", ShapeError, ["step 0"]),
    ("x: (n, 3); x[::x]", ParseError, ["step", "integer"]),
    ("x: (n, 3); x[:, 0.5]", ParseError, ["a size is an integer"]),
    ("x: (n, 3); concatenate(x)", ParseError, ["takes a list"]),
    ("x: (n, 3); reshape(x, (n, 2))", ShapeError, ["3*n entries"]),
    ("x: (n, 3); pad(x, 1)", ParseError, ["pairs"]),
    ("x: (n, 1); x[:, 0, 0]", ShapeError, ["3 indices", "(n, 1)"]),
    # shapes
    ("x: (n, 3); W: (4, h); z = x @ W", ShapeError,
     ["x has shape (n, 3)", "W has shape (4, h)", "3 and 4", "z = x @ W"]),
    ("x: (n, 3); y: (n, 4)\nz = x*y", ShapeError, ["line 2, column 5", "x (n, 3)", "y (n, 4)"]),
    ("x @ y", ShapeError, ["x has shape ()", "y has shape ()", "*"]),
    ("x: (n,); sum(x, axis=1)", ShapeError, ["axis 1", "x"]),
    ("x: (n, m); trace(x)", ShapeError, ["sizes n and m"]),
    ("x: (n, m); outer(x, x)", ShapeError, ["outer", "x has shape (n, m)"]),
    ("x: (n, m); broadcast_to(x, (n,))", ShapeError, ["(n, m)", "(n,)"]),
    ("A: (2, n, m); B: (3, m, k); A @ B", ShapeError, ["A has shape (2, n, m)", "B has shape (3, m, k)"]),
    # constants
    ("0/0*x", ParseError, ["division by 0"]),
    ("x/(y - y)", ParseError, ["division by 0"]),
    ("x/((y+1)*(y-1) - y**2 + 1)", ParseError, ["division by 0"]),
    ("x/(sin(y + 1) - sin(1 + y))", ParseError, ["division by 0"]),
    ("x/(sqrt(2)**2 - 2)", ParseError, ["division by 0"]),
    ("log(y - y)", ParseError, ["log of 0"]),
    ("log(0)*x", ParseError, ["log of 0"]),
    ("log(relu(-1))*x", ParseError, ["log of 0"]),
    ("sqrt(-1)*x", ParseError, ["sqrt of -1"]),
    ("(-8)**(1/3)", ParseError, ["a power of -8"]),
    ("arcsin(2)", ParseError, ["arcsin of 2"]),
    ("0**-1*x", ParseError, ["a power of 0, -1"]),
    ("bce(1, y)", ParseError, ["log of 0"]),
    ("x: (n,); sum(x/zeros((n,)))", ParseError, ["division by 0"]),
    ("inf*x", ParseError, ["inf"]),
    ("exp(-inf)", ParseError, ["inf"]),
    ("9**9**9*x", LimitExceeded, ["387420489", "64"]),
    ("2**(2**40)*x", LimitExceeded, ["64"]),
    ("2.5**1000*x", LimitExceeded, ["double precision"]),
    ("exp(exp(exp(exp(10))))", LimitExceeded, ["double precision"]),
    ("1e999*x", LimitExceeded, ["double precision"]),
    ("10000000000001*x", LimitExceeded, ["1000000000000"]),
    ("1" * 5000, LimitExceeded, ["5000 characters"]),
    # size and depth
    ("x + " * 75000 + "x", LimitExceeded, ["300001 characters", "262144"]),
    ("(" * 101 + "x" + ")" * 101, LimitExceeded, ["100"]),
    ("-" * 101 + "x", LimitExceeded, ["100"]),
    ("x" + "**x" * 101, LimitExceeded, ["100"]),
    ("x" + ".T**x" * 101, LimitExceeded, ["100"]),
    ("x" + "+x" * 2001, LimitExceeded, ["2000 operators"]),
    ("x" + ".T" * 2001, LimitExceeded, ["2000 operators"]),
    ("x" + "(y)" * 2001, LimitExceeded, ["2000 operators"]),
    ("x" + "[0]" * 2001, LimitExceeded, ["2000 operators"]),
    ("max(" + "x, " * 25000 + "x)", LimitExceeded, ["40000"]),
    ("x: (" + "+".join(["n"] * 100) + ",); x", LimitExceeded, ["12"]),
    ("X: (" + "1," * 33 + "); X", LimitExceeded, ["33 axes"]),
    ("x" + "[None]" * 40, LimitExceeded, ["33 axes"]),
    ("x" + ", ".join(["n"] * 100), ParseError, ["a tuple"]),
    # characters
    ("\u03b1*x", ParseError, ["GREEK SMALL LETTER ALPHA", "Write alpha"]),
    ("x\u00b2", ParseError, ["SUPERSCRIPT TWO", "**2"]),
    ("x \u2212 y", ParseError, ["MINUS SIGN", "Write -"]),
    ("x\x00", ParseError, ["U+0000"]),
    ("x # \u202e", ParseError, ["invisible", "U+202E"]),
    ("x # \ud800", ParseError, ["U+D800"]),
    ("x\x0cy", ParseError, ["U+000C"]),
    ("x'", ParseError, ["x_prime"]),
    ("\\frac{x}{2}", ParseError, ["LaTeX"]),
    ("x $ y", ParseError, ["'$'"]),
    ("{x}", ParseError, ["braces"]),
], ids=lambda p: p[:30].encode("ascii", "backslashreplace").decode() if isinstance(p, str) else "")
def test_refusals(text: str, kind: type[SymgradError], words: list[str]) -> None:
    message = refused(text, kind)
    for word in words:
        assert word in message


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"]])
def test_only_text_is_read(text: Any) -> None:
    with pytest.raises(InputError):
        parse(text)


def test_chains_inside_chains_end_in_an_error() -> None:
    """Python's own parser gives up on a tree this deep; that must not be seen as a RecursionError."""
    text = "x"
    for _ in range(9):
        text = f"({text}{'+x' * 1000})"
    refused(text, LimitExceeded)


def test_long_texts_are_read_with_work_in_proportion() -> None:
    def sums(n: int) -> int:
        return calls(lambda: parse("+".join(f"s{i}**2" for i in range(n))))

    def equations(n: int) -> int:
        return calls(lambda: parse("\n".join(["a0 = x", *(f"a{i} = sin(a{i - 1})" for i in range(1, n))])))

    sums(10), equations(10)  # caches
    assert sums(1900) <= 10.5 * sums(190)
    assert equations(2500) <= 10.5 * equations(250)
    node = parse("+".join(f"s{i}**2" for i in range(1900))).output
    assert len(topological([node])) == 1900 + 1 + 1900 + 1899
    deep = parse("\n".join(["a0 = x", *(f"a{i} = sin(a{i - 1})" for i in range(1, 2500))])).output
    assert len(topological([deep])) == 2500


def test_a_thousand_layers_are_read() -> None:
    """The limits leave room for what people write; the work grows with the number of layers."""
    def read(count: int) -> int:
        layers = range(1, count + 1)
        lines = [f"W{i}: (3, 3); b{i}: (3, 1)" for i in layers] + ["A0: (3, n); Y: (3, n)"]
        lines += [f"Z{i} = W{i} @ A{i - 1} + b{i}\nA{i} = tanh(Z{i})" for i in layers]
        work, net = counted(lambda: parse("\n".join([*lines, f"L = mean((A{count} - Y)**2)"])))
        assert len(net.equations) == 2 * count + 1
        assert len(net.inputs) == 2 * count + 2
        return work

    read(10)  # caches
    assert read(1000) <= 10.5 * read(100)


def test_a_message_shows_the_place() -> None:
    message = refused("a = x\n  # two\nb = (a\n     + foo(a))", UnknownName)
    assert message.splitlines()[0].startswith("line 4, column 8: unknown function 'foo'")
    assert message.splitlines()[1:] == ["         + foo(a))", "           ^"]


def test_a_caret_stands_under_indented_text() -> None:
    message = refused("\n    a = x\n    b = a + foo(a)\n", UnknownName)
    line, caret = message.splitlines()[1:]
    assert line[caret.index("^"):].startswith("foo")


# --- hostile text ------------------------------------------------------------------------------------------------

WORDS = st.sampled_from([
    "x", "y", "X", "n", "sum", "mean", "exp", "log", "where", "einsum", "eye", "ones", "assume", "bce", "max", "T",
    "int", "axis", "True", "None", "lambda", "in", "is", "for", "import", "pi", "inf", "0", "1", "2.5", "1e9",
    '"ij->i"', "'", "(", ")", "[", "]", ",", ";", ":", "=", "==", "<=", "**", "*", "-", "+", "/", "@", ".", ".T", "\n",
    " ", "\t", "#", "\\", "{", "}", ":=", "^", "__", "\u03b1", "\x00", "(n, 3)", "X: (n, 3)\n", "x: (n,);", "axis=0",
])


def _survives(text: str) -> None:
    try:
        within(BOUND, lambda: parse(text))
        message = ""
    except SymgradError as error:
        message = str(error)
    assert len(message.encode("utf-8")) < 3000


@given(st.lists(WORDS, max_size=30).map("".join))
def test_any_words(text: str) -> None:
    _survives(text)


@given(st.one_of(st.text(max_size=80), st.text(st.characters(max_codepoint=127), max_size=80),
                 st.binary(max_size=80).map(lambda raw: raw.decode("latin-1"))))
def test_any_characters(text: str) -> None:
    _survives(text)


@given(st.lists(st.sampled_from([NETWORK[i:i + 7] for i in range(0, len(NETWORK), 3)]), max_size=40).map("".join))
def test_any_shreds_of_a_network(text: str) -> None:
    _survives(text)


def test_the_table_is_closed() -> None:
    """Functions are called by name, operators are not, and nothing of Python's own is among them."""
    assert {"sigmoid", "expit", "sum", "bce"} <= TABLE.keys()
    assert not {"add", "gt", "neg", "eval", "open", "print"} & TABLE.keys()
