"""Names as LaTeX: the author's conventions, the user's choices, and names that are not names."""

import pytest

from symgrad.errors import InputError
from symgrad.render.names import Namer, checked_latex, name_to_latex, plain_text
from tests.render.latex_check import faults

CONVENTIONS = {
    "W1": "W_{1}",
    "W_1": "W_{1}",
    "z_12": "z_{12}",
    "x": "x",
    "alpha": r"\alpha",
    "Sigma": r"\Sigma",
    "lamda": r"\lambda",
    "eps": r"\epsilon",
    "beta1": r"\beta_{1}",
    "x_hat": r"\hat{x}",
    "x_hat_1": r"\hat{x}_{1}",
    "x_bar": r"\bar{x}",
    "x_tilde": r"\tilde{x}",
    "x_dot": r"\dot{x}",
    "w_star": r"w^{\star}",
    "W_l1": "W^{(1)}",
    "x_max": r"x_{\mathrm{max}}",
    "x_1_2": "x_{1,2}",
    "mu_k": r"\mu_{k}",
    "A_T": "A_{T}",
    "dLdw": r"\mathrm{dLdw}",
    "dW1": r"\mathrm{dW}_{1}",
    "learning_rate": r"\mathrm{learning\_rate}",
    "loss_1": r"\mathrm{loss}_{1}",
    "\u03b1": r"\alpha",
    "\u03a3": r"\Sigma",
    "\u03bb_1": r"\lambda_{1}",
}
HOSTILE = [
    r"\input{/etc/passwd}",
    r"x}\write18{id}{",
    "<script>alert(1)</script>",
    "a b",
    "a$b$",
    "50%",
    "#1",
    "x&y",
    "~",
    "^^5c",
    "a\nb",
    "\x1b[2J",
    "\x00\x01\x02",
    "```",
    "_",
    "__",
    "",
    "x_",
    "_x",
    "\\",
    "{",
    "}}}}",
    "\u4e2d\u6587",
    "\U0001f600",
    "'",
    '"',
    r"\end{align}",
    "a" * 500,
    "x_{1}",
    "\\\\",
    "%\n\\def",
    "|",
    "-",
    "1",
    "x^2",
    "\u202e",
    "\u00e9",
]


@pytest.mark.parametrize(("name", "latex"), CONVENTIONS.items())
def test_conventions(name, latex):
    assert name_to_latex(name) == latex


def test_bold_capitals_on_request():
    assert name_to_latex("W1", bold=True) == r"\mathbf{W}_{1}"
    assert name_to_latex("Sigma", bold=True) == r"\boldsymbol{\Sigma}"
    assert Namer(bold=True)("x", 0) == "x"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_harmless(name):
    for tex in (name_to_latex(name), name_to_latex(name, bold=True), plain_text(name)):
        assert faults(tex) == []
        assert "```" not in tex
        assert "\n" not in tex
    assert name_to_latex(name)


def test_the_judge_sees_planted_faults():
    for bad in (
        r"\input{x}",
        "{",
        "}",
        "a%b",
        r"\write18{id}",
        "\u03b1",
        "\x01",
        "^^5c",
        r"\begin{align}",
        r"\left(x",
        "a#",
    ):
        assert faults(bad), bad
    assert faults(r"\frac{a}{b} \odot \left( x \right)") == []


def test_two_names_never_look_alike():
    namer = Namer()
    assert namer("W1") == "W_{1}"
    assert namer("W_1") == r"\mathrm{W\_1}"
    assert namer("W1") == "W_{1}"


def test_the_users_choice_wins():
    namer = Namer({"learning_rate": r"\eta", "x": r"\hat{\mathbf{x}}_{i}"})
    assert namer("learning_rate") == r"\eta"
    assert namer("x") == r"\hat{\mathbf{x}}_{i}"
    assert namer("y") == "y"


REFUSED = [
    (r"\input{x}", "input"),
    ("a}{b", "closes a brace"),
    ("{a", "open"),
    ("a^^5cinput", "^^"),
    ("a%b", "%"),
    ("$a$", r"\$"),
    ("a\\", "backslash"),
    (r"\def\x{}", "def"),
    (r"\\", r"\\"),
    (r"\csname input\endcsname", "csname"),
    ("\u00e9", "character"),
    ("", "give a string"),
    (r"\immediate\write18{id}", "immediate"),
    ("a&b", "&"),
    ("#1", "#"),
    (r"\catcode`\%", "catcode"),
    (r"\left(", "left"),
    ("a\nb", "character"),
    (r"\href{javascript:x}{y}", "href"),
]


@pytest.mark.parametrize(("latex", "word"), REFUSED)
def test_dangerous_choices_are_refused(latex, word):
    with pytest.raises(InputError) as caught:
        checked_latex(latex, "w")
    assert word.replace("\\$", "$") in str(caught.value)
    assert "'w'" in str(caught.value)
