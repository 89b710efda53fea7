"""The command line: what every command prints, what it returns, and that bad input never shows a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import symgrad as sg
from symgrad.cli import ENDINGS, app, main
from symgrad.engine.proof import Proof
from symgrad.engine.verify import Verification
from symgrad.rules.elementwise import FUNCTIONS
from symgrad.rules.row import Function
from tests.work import within

ROOT = Path(__file__).parent.parent
SQUARES = "x: (n,); sum(x**2)"
REFUSAL = 600_000  # calls of Python functions until a text is refused
BCE = "bce(sigmoid(z), y)"
NET = """\
X: (d, n);  Y: (1, n);  W1: (h, d);  b1: (h, 1);  W2: (1, h);  b2: (1, 1)
A1 = tanh(W1 @ X + b1)
P  = sigmoid(W2 @ A1 + b2)
L  = mean(bce(P, Y))
"""


class Run:
    """One run of the program in this process."""

    def __init__(self, capsys, monkeypatch):
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *argv: str, stdin: bytes | None = None, code: int = 0) -> str:
        if stdin is not None:
            self.monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        got = main([str(a) for a in argv])
        self.out, self.err = self.capsys.readouterr()
        assert got == code, self.err
        assert "Traceback" not in self.err
        return self.out


@pytest.fixture
def run(capsys, monkeypatch, tmp_path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYMGRAD_DEBUG", raising=False)
    return Run(capsys, monkeypatch)


@pytest.fixture
def net(tmp_path) -> Path:
    path = tmp_path / "net.txt"
    path.write_text(NET)
    return path


def program(*argv: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, "-m", "symgrad", *argv], capture_output=True, encoding=encoding, check=False,
                          timeout=60, env=env)


# --- start ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["derive", "--help"], ["compare", "-h"], ["drive"]])
def test_help_and_version_import_neither_sympy_nor_numpy(argv):
    code = (f"import sys\nfrom symgrad.cli import main\nmain({argv!r})\n"
            "heavy = {'sympy', 'numpy', 'mpmath', 'jinja2'} & set(sys.modules)\n"
            "sys.exit(f'imported {heavy}' if heavy else 0)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_every_command_in_80_columns(run):
    lines = run("--help").splitlines()
    assert all(len(line) <= 80 and not line.endswith("...") for line in lines[1:])
    assert [c.callback.__name__ for c in app.registered_commands] == [
        "demo", "derive", "grad", "hessian", "jacobian", "compile", "compare", "trace", "train", "rules", "bench"]
    for command in app.registered_commands:
        assert any(line.startswith(f"  {command.callback.__name__} ") for line in lines)


def test_version(run):
    assert run("--version") == f"symgrad {sg.__version__}\n"


def test_nothing_asked_is_answered_with_help(run):
    run(code=2)
    assert "Commands:" in run.err


# --- derive -----------------------------------------------------------------------------------------------------------


def test_derive_prints_the_derivation(run):
    out = run("derive", BCE, "--wrt", "z")
    assert "= p - y" in out
    assert "dL/dz = sigmoid(z) - y" in out
    assert "chain rule" in out
    assert "\x1b" not in out


def test_derive_reads_a_file_and_stdin(run, net):
    from_file = run("derive", net, "--wrt", "W1")
    assert from_file == run("derive", "-", "--wrt", "W1", stdin=NET.encode())
    assert from_file == run("derive", NET, "--wrt", "W1")
    assert "dL/dW1 = " in from_file


def test_wrt_may_be_given_again_or_with_commas(run, net):
    assert run("derive", net, "--wrt", "W1", "-w", "b1") == run("derive", net, "--wrt", "W1, b1")
    assert "dL/dW2 = " not in run.out.split("Gradients")[1]


def test_mathematics_may_begin_with_a_minus(run):
    spelled = "-(y*log(1/(1+exp(-z))) + (1-y)*log(1 - 1/(1+exp(-z))))"
    assert run("grad", spelled, "--wrt", "z") == "sigmoid(z) - y\n"
    assert run("grad", "--wrt", "x", "-omega*x") == "-omega\n"
    assert run("grad", "-", "--wrt", "x", stdin=b"-log(x)") == "-1/x\n"


@pytest.mark.parametrize(("ending", "sign"), [
    (".tex", r"\begin{align"), (".md", "```math"), (".html", "<!DOCTYPE html>"), (".json", '{"symgrad":'),
    (".txt", "chain rule"),
])
def test_the_ending_is_the_format(run, tmp_path, ending, sign):
    path = tmp_path / f"d{ending}"
    assert run("derive", BCE, "--wrt", "z", "-o", path) == ""
    assert sign in path.read_text()
    assert run.err == f"wrote {path}\n"
    if ending == ".json":
        assert sg.load(path).steps == sg.derive(BCE, "z").steps


def test_every_ending_has_a_format_that_can_be_printed(run):
    for kind in set(ENDINGS.values()) - {"pdf"}:
        assert "z" in run("derive", BCE, "--wrt", "z", "--format", kind)


def test_pdf_without_tex_is_exit_5(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    run("derive", "x**2", "-o", tmp_path / "d.pdf", code=5)
    assert "apt-get install" in run.err


def test_latex_options(run, tmp_path):
    text = "learning_rate*x**2"
    assert r"\eta" in run("derive", text, "--wrt", "x", "-f", "latex", "--names", r"learning_rate=\eta")
    assert r"\documentclass" not in run.out
    path = tmp_path / "d.tex"
    run("derive", text, "--standalone", "-o", path)
    assert r"\documentclass" in path.read_text()
    run("derive", text, "-f", "latex", "--names", r"learning_rate=\input{x}", code=2)


def test_detail_expand_and_kink(run):
    assert "Backward" not in run("derive", BCE, "--wrt", "z", "--detail", "result")
    assert "exp(-z)" in run("derive", "sigmoid(z)", "--expand")
    assert "exp(-z)" not in run("derive", "sigmoid(z)")
    assert run("derive", "relu(x)**2", "--kink", "left") != run("derive", "relu(x)**2", "--kink", "mean")
    run("derive", "relu(x)", "--kink", "up", code=2)
    assert "'policy'" in run.err


def test_verify_prints_the_proof_and_fails_where_it_fails(run, monkeypatch):
    assert "checks hold" in run("derive", BCE, "--wrt", "z", "--verify")
    monkeypatch.setattr(Verification, "ok", property(lambda self: False))  # a planted failure
    run("derive", BCE, "--wrt", "z", "--verify", code=1)


def test_derive_as_json(run, net):
    data = json.loads(run("derive", net, "--wrt", "W2", "--json", "--verify"))
    assert data["schema_version"] == 1
    assert data["ok"] is data["verification"]["ok"] is True
    assert data["results"]["W2"]["text"] == "(P - Y) @ A1.T / n"
    assert data["results"]["W2"]["shape"] == "(1, h)"
    assert [line["rule"] for line in data["backward"][0]["lines"]][-1] == "combine_fractions"
    assert all(c["ok"] for c in data["verification"]["checks"])


def test_names_cannot_command_the_terminal(run):
    run("derive", "x", "--wrt", "\x1b[31mred", code=2)
    assert "\x1b" not in run.err


# --- grad and compile -------------------------------------------------------------------------------------------------


def test_grad_of_one_is_an_expression_of_the_language(run):
    first = run("grad", "x**3", "--wrt", "x")
    assert first == "3*x**2\n"
    assert run("grad", "-", "--wrt", "x", stdin=first.encode()) == "6*x\n"


def test_grad_of_several_names_each(run, net):
    lines = run("grad", net, "--wrt", "W2,b2").splitlines()
    assert lines == ["dL/dW2 = (P - Y) @ A1.T / n", "dL/db2 = mean(P - Y, axis=1, keepdims=True)"]
    assert r"(P - Y) A_{1}^\top" in run("grad", net, "--wrt", "W2", "-f", "latex")


@pytest.mark.parametrize("way", ["line", "json", "npz"])
def test_grad_at_a_point(run, tmp_path, way):
    at = "z=0.3, y=1"
    if way == "json":
        at = tmp_path / "point.json"
        at.write_text('{"z": 0.3, "y": 1}')
    elif way == "npz":
        at = tmp_path / "point.npz"
        np.savez(at, z=0.3, y=1.0)
    data = json.loads(run("grad", BCE, "--wrt", "z", "--at", at, "--json"))
    expected = 1 / (1 + np.exp(-0.3)) - 1
    assert data["gradients"]["z"] == pytest.approx(expected, rel=4e-16)
    assert data["value"] == pytest.approx(np.log1p(np.exp(-0.3)), rel=4e-16)
    assert f"dL/dz = {data['gradients']['z']!r}" in run("grad", BCE, "--wrt", "z", "--at", at)


def test_strict_kinks_are_exit_3(run):
    assert "0" in run("grad", "relu(x)", "--at", "x=0")
    run("grad", "relu(x)", "--at", "x=0", "--strict-kinks", code=3)
    assert "relu" in run.err
    run("grad", "relu(x)", "--at", "x=1", "--strict-kinks")
    run("compare", "relu(x)", "--at", "x=0", "--strict-kinks", code=3)
    run("compare", "relu(x)", "--at", "x=0")
    run("grad", "relu(x)", "--strict-kinks", code=2)


def test_compile_prints_the_source_and_saves_a_module_that_stands_alone(run, net, tmp_path):
    assert run("compile", BCE, "--wrt", "z") == sg.compile(BCE, "z").source.rstrip("\n") + "\n"
    path = tmp_path / "kernel.py"
    run("compile", net, "--wrt", "W1,W2", "-o", path)
    check = ("import sys, numpy as np, kernel\nr = np.random.default_rng(0).normal\n"
             "L, g = kernel.kernel(X=r(size=(2, 5)), Y=r(size=(1, 5)), W1=r(size=(3, 2)), b1=r(size=(3, 1)), "
             "W2=r(size=(1, 3)), b2=r(size=(1, 1)))\n"
             "assert g['W1'].shape == (3, 2) and set(g) == {'W1', 'W2'} and 'symgrad' not in sys.modules")
    subprocess.run([sys.executable, "-c", check], cwd=tmp_path, check=True)
    assert run("compile", net, "--wrt", "W1,W2", "--standalone") == path.read_text()
    run("compile", net, "-o", tmp_path / "kernel.c", code=2)


# --- compare and trace ------------------------------------------------------------------------------------------------


def test_compare_draws_a_point_and_says_so(run, net):
    out = run("compare", net, "--wrt", "W1,b1", "--seed", "3", "--sizes", "n=5,h=4")
    assert out.startswith("12 entries")
    assert "8 agree" in out  # W1 is 4 x 2
    assert "complex step" in out
    assert "seed 3" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_compare_draws_inside_the_domain(run):
    data = json.loads(run("compare", "log(x) + sqrt(y - 1) + arcsin(u)", "--json"))
    assert data["ok"]
    assert data["schema_version"] == 1
    assert data["entries"]["agree"] == 3


def test_a_point_may_come_from_a_file(run, net, tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"X": (2, 5), "Y": (1, 5), "W1": (3, 2), "b1": (3, 1), "W2": (1, 3), "b2": (1, 1)}
    at = tmp_path / "point.npz"
    np.savez(at, **{k: rng.normal(size=s) for k, s in shapes.items()})
    assert json.loads(run("compare", net, "--at", at, "--json"))["seed"] is None
    run("compare", net, "--at", at, "--sizes", "n=5", code=2)


def test_a_planted_disagreement_is_exit_1(run, monkeypatch):
    from symgrad import api

    right = api.compile

    def planted(*given, **options):
        kernel = right(*given, **options)
        if not options.get("wrt"):
            return kernel
        return lambda **at: (kernel(**at)[0], {n: -g for n, g in kernel(**at)[1].items()})

    monkeypatch.setattr(api, "compile", planted)
    out = run("compare", BCE, "--wrt", "z", code=1)
    assert "disagree" in out
    assert json.loads(run("compare", BCE, "--wrt", "z", "--json", code=1))["ok"] is False


def test_trace_shows_the_example_and_a_unit_that_is_off(run):
    rows = {r["name"]: r for r in json.loads(run("trace", "--json"))["rows"]}
    assert rows["z1"]["value"][2] == -0.1
    assert rows["W1"]["gradient"][2] == [0.0, 0.0]
    assert 0.555 <= rows["p"]["value"] < 0.565
    assert "-0.1" in run("trace")


def test_trace_of_a_network(run, net):
    assert "dL/du" in run("trace", net)
    assert "seed 0" in run.out
    assert json.loads(run("trace", "x**2", "--at", "x=3", "--json"))["rows"][0] == {
        "name": "x", "value": 3, "gradient": 6.0}


# --- train, rules, bench ----------------------------------------------------------------------------------------------


def test_train(run):
    out = run("train", "xor")
    assert "accuracy 100.0%" in out
    assert "agree" in out
    data = json.loads(run("train", "xor", "--seeds", "2", "--seed", "3", "--json"))
    assert [r["seed"] for r in data["runs"]] == [3, 4]
    assert all(r["kernel_and_tape_agree"] and r["accuracy"] == 1 for r in data["runs"])
    assert "2 of 2 seeds" in run("train", "xor", "--seeds", "2")
    run("train", "mnist", code=2)
    assert "breast-cancer" in run.err


def test_train_without_scikit_learn_is_exit_5(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    run("train", "breast-cancer", code=5)
    assert "pip install" in run.err


def test_rules_lists_the_table(run):
    out = run("rules")
    assert all(f"{row.name}(" in out for row in FUNCTIONS)
    assert all(len(line) <= 80 for line in out.splitlines())
    data = json.loads(run("rules", "--json"))["rules"]
    assert {r["name"]: r for r in data}["sigmoid"]["derivatives"] == {"x": "y*(1 - y)"}
    assert all(r["source"] for r in data)


@pytest.mark.parametrize("name", ["sigmoid", "deriv_sigmoid", "expit"])
def test_a_rule_is_printed_with_its_proof(run, name):
    out = run("rules", name)
    assert "1/(1 + exp(-x))" in out
    assert "chain rule" in out
    assert "deriv_sigmoid holds" in out


def test_an_unknown_rule_is_exit_2(run):
    run("rules", "sigmod", code=2)
    assert "'sigmoid'" in run.err


def test_all_rules_are_proved_and_a_planted_false_one_fails(run, monkeypatch):
    from symgrad import rulebook
    from symgrad.engine.proof import prove

    row = Function("sigmoid", ("x",), lambda y, x: (y * (1 + y),), definition=lambda x: 1 / (1 + sg_exp(-x)))

    def planted(name: str) -> Proof:
        return prove(name, row if name == "sigmoid" else None)

    monkeypatch.setattr(rulebook, "FUNCTIONS", [f for f in FUNCTIONS if f.name in ("exp", "sigmoid", "relu")])
    assert "3 of 3 rules hold" in run("rules", "--all", "--verify")
    monkeypatch.setattr(rulebook, "prove", planted)
    out = run("rules", "--all", "--verify", code=1)
    assert "2 of 3 rules hold" in out
    assert "deriv_sigmoid    FAILS" in out


def sg_exp(x):
    from symgrad.graph.node import apply

    return apply("exp", x)


def test_bench(run, monkeypatch):
    from symgrad.check import bench

    monkeypatch.setattr(bench, "CASES", bench.CASES[-1:])
    monkeypatch.setattr(bench.run, "__defaults__", (bench.CASES, *bench.run.__defaults__[1:]))
    assert "2-4-1 rows" in run("bench", "--seconds", "0.01")
    rows = json.loads(run("bench", "--seconds", "0.01", "--json"))["rows"]
    assert [r["dtype"] for r in rows] == ["float64", "float32"]
    assert all(r["ours"] > 0 and r["hand"] > 0 for r in rows)
    monkeypatch.setattr(bench.symbolic, "__defaults__", ((2,),))
    assert "2 layers" in run("bench", "--symbolic")
    (row,) = json.loads(run("bench", "--symbolic", "--json"))["rows"]
    assert row["derive"] > 0
    assert row["steps"] > 10


# --- demo -------------------------------------------------------------------------------------------------------------


def test_demo_from_a_cold_start():
    done = program("demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for shown in ("p - y", "dL/dW1 = (W2.T @ (P - Y) * (1 - A1**2)) @ X.T / n", "Z1_bar", "complex step",
                  "symgrad derive", "exactly 0 are its entries of dL/dz1, dL/db1, dL/dW1"):
        assert shown in done.stdout
    assert "disagree" not in done.stdout


def test_demo_where_only_ascii_can_be_printed():
    done = program("demo", encoding="ascii")
    assert done.returncode == 0, done.stderr


# --- bad input --------------------------------------------------------------------------------------------------------

HOSTILE = {
    "import": '__import__("os").system("touch marker")',
    "attribute": "x.__class__.__mro__",
    "call of an attribute": 'x.T.__init__("touch marker")',
    "open": 'open("marker", "w")',
    "string": 'exp("touch marker")',
    "tower": "9**9**9**9",
    "parentheses": "(" * 10_000 + "x" + ")" * 10_000,
    "lambda": "(lambda: open('marker', 'w'))()",
    "comprehension": "[open('marker', 'w') for x in (1,)]",
    "f-string": "f'{open(chr(109))}'",
    "walrus": "(x := 2)",
    "unbalanced": "sin((x)",
    "empty": "",
    "blank": "  \n ; ",
}
WRONG = {
    "shapes": ("A: (2, 3); B: (4, 5); sum(A @ B)", ["A", "B", "(2, 3)", "(4, 5)"]),
    "broadcast": ("a: (3,); b: (4,); sum(a + b)", ["(3,)", "(4,)"]),
    "function": ("sigmod(x)", ["sigmoid"]),
    "name": ("alpha: (); alpah**2", ["alpha"]),
    "before its equation": ("x: (); a = b + x; b = x**2; L = a", ["'b'"]),
    "cycle": ("x: (); a = a + x", ["a is defined by itself"]),
    "not a scalar": ("X: (2, 3); tanh(X)", ["(2, 3)"]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused(run, tmp_path, name):
    for command in (["derive"], ["grad"], ["compile", "--wrt", "x"], ["compare"], ["trace"]):
        within(REFUSAL, lambda command=command: run(*command, "--", HOSTILE[name], code=2))
        assert run.err.startswith("error: ")
        assert run.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_text_is_explained(run, name):
    text, told = WRONG[name]
    within(REFUSAL, lambda: run("derive", text, code=2))
    assert all(t in run.err for t in told), run.err


def test_a_megabyte_is_refused(run, tmp_path):
    path = tmp_path / "big.txt"
    path.write_text("x + " * 262_144 + "x")
    for what, stdin in ((path, None), ("-", path.read_bytes()), ("-", b"\xff" * 2**23), ("-", b"x" * 2**23)):
        within(REFUSAL, lambda what=what, stdin=stdin: run("derive", what, stdin=stdin, code=2))


@pytest.mark.parametrize("argv", [
    ["derive", "x**2", "--wrt", "q"], ["derive", "x**2", "--wrt", ","], ["derive", "x", "--wtr", "x"], ["derive"],
    ["derive", "no_such_file.txt"], ["derive", "."], ["derive", "x", "--format", "word"],
    ["derive", "x", "--detail", "some"], ["derive", "x", "-o", "d.docx"], ["derive", "x", "-o", "no/such/d.tex"],
    ["derive", "x", "--names", "eta"],
    ["compare", "x", "--at", "nothing"], ["compare", "x", "--at", "none.npz"], ["compare", "x", "--at", "none.json"],
    ["compare", "x", "--at", "x=", "--json"], ["compare", "x", "--at", "x=[1,[2]]"], ["compare", "x", "--at", 'x="a"'],
    ["compare", "x", "--at", "y=1"], ["compare", "x", "--at", "x=[1,2]"], ["compare", "x", "--sizes", "n=2"],
    ["compare", "x: (n,); sum(x)", "--sizes", "n=0"], ["compare", "x: (n,); sum(x)", "--sizes", "n=a"],
    ["compare", "x: (n,); sum(x)", "--seed", "-1"], ["grad", "x", "--at", "y=2"], ["rules", "sin", "--all"], ["drive"],
])
def test_wrong_use_is_exit_2(run, argv):
    run(*argv, code=2)
    assert "error: " in run.err


HOSTILE_NUMBERS = ("1000000000000", "9" * 30, "9" * 5000, "-1", "0", "nan", "inf", "-inf", "1e9", "1e400", "1.5", "x",
                   "", "0x10")


@pytest.mark.parametrize("option", [
    ["compare", SQUARES, "--sizes", "n={}"], ["compare", SQUARES, "--seed", "{}"], ["compare", SQUARES, "--entries",
    "{}"],
    ["trace", SQUARES, "--seed", "{}"], ["train", "xor", "--seeds", "{}"], ["train", "breast-cancer", "--seed", "-1{}"],
    ["bench", "--seconds", "{}"], ["grad", "x**2", "--at", "x={}"], ["grad", SQUARES, "--at", "x=[{}]"],
    ["compare", "A: (n, m); sum(A**2)", "--sizes", "n={},m=70000000"], ["compare", "x: (n, n, n); sum(x)", "--sizes",
    "n={}"],
], ids=lambda o: " ".join([o[0], *o[-2:]]))
@pytest.mark.parametrize("number", HOSTILE_NUMBERS, ids=lambda n: n[:12])
def test_hostile_numbers_are_refused_or_answered(option, number, capsys, monkeypatch, tmp_path):
    """Exit code 2 or 4 with one message, or an answer; never a bug, whatever the number."""
    monkeypatch.chdir(tmp_path)
    for what in ("train_xor", "train_breast_cancer"):
        monkeypatch.setattr(f"symgrad.learn.examples.{what}", lambda **_: pytest.fail("a run that nobody waits for"))
    monkeypatch.setattr("symgrad.check.bench.run", lambda **_: [])
    code = main([a.replace("{}", number) for a in option])
    said = capsys.readouterr().err
    assert code in (0, 2, 4), said
    assert "bug" not in said
    assert (code == 0) == ("error: " not in said)
    assert said.count("error: ") <= 1
    assert len(said) < 1000


def test_memory_that_is_not_there_is_a_limit(run, monkeypatch):
    def fails(*_, **__):
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr("symgrad.check.compare.compare", fails)
    run("compare", "x**2", code=4)
    assert "7.28 TiB" in run.err


def test_broken_files_are_exit_2(run, tmp_path):
    broken = {"a.npz": b"PK\x03\x04nothing", "b.npz": b"", "c.json": b"[1, 2]", "d.json": b"{", "e.json": b"\xff",
              "f.json": b"[" * 100_000, "g.json": b'{"x": {"y": 1}}'}
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        run("compare", "x**2", "--at", name, code=2)
        assert name in run.err or "x is not" in run.err
    (tmp_path / "text.txt").write_bytes(b"\xff\xfe\x00")
    run("derive", "text.txt", code=2)
    assert "UTF-8" in run.err


def test_a_pickle_is_not_read(run, tmp_path):
    class Evil:
        def __reduce__(self):
            return open, ("marker", "w")

    np.savez(tmp_path / "evil.npz", x=np.array([Evil()], dtype=object))
    run("compare", "x**2", "--at", "evil.npz", code=2)
    assert not (tmp_path / "marker").exists()


def test_an_error_is_an_object_too(run):
    data = json.loads(run("derive", "sigmod(x)", "--json", code=2))
    assert data["schema_version"] == 1
    assert data["ok"] is False
    assert data["exit_code"] == 2
    assert "sigmoid" in data["message"]


def test_ctrl_c_is_one_line(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("symgrad.language.text_io.parse", interrupted)
    run("derive", "x**2", code=130)
    assert run.err == "interrupted\n"


def test_a_bug_is_reported_as_one(run, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("symgrad.language.text_io.parse", broken)
    run("derive", "x**2", code=70)
    assert "ZeroDivisionError: planted (test_cli.py, line" in run.err


def test_a_broken_pipe_is_quiet():
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "symgrad", "rules"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as started:
        started.stdout.close()
        error = started.stderr.read()
        assert started.wait(30) == 141
    assert error == b""


def test_hessian_and_jacobian_print_derive_prove_and_write(run: Run, tmp_path: Path) -> None:
    text = "X: (n, d); w: (d,); y: (n,); p = sigmoid(X @ w); L = mean(bce(p, y))"
    assert "d2L/dw2 = X.T @ diag(p*(1 - p)) @ X / n" in run("hessian", text, "--wrt", "w", "--detail", "result")
    assert r"\nabla^2_{w} L" in run("hessian", text, "-w", "w", "-f", "latex")
    data = json.loads(run("jacobian", "z: (k,); s = softmax(z)", "--json", "--verify"))
    assert data["results"]["z"]["text"] == "diag(s) - outer(s, s)"
    assert data["verification"]["ok"] is True
    run("hessian", text, "-w", "w", "-o", "h.json")
    assert isinstance(sg.load(tmp_path / "h.json"), sg.Jacobian)
    run("hessian", "z: (k,); s = softmax(z)", code=2)
    assert "jacobian" in run.err
