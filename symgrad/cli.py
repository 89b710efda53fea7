"""The command `symgrad`: demo, derive, grad, compile, compare, trace, train, rules, bench.

Heavy modules are imported inside the commands, so that `symgrad --help` needs neither SymPy nor NumPy.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from symgrad import __version__
from symgrad.console import (
    PipedConsole,
    columns,
    failed,
    is_plain,
    listed,
    pairs,
    positional,
    progress,
    save,
    show,
    show_json,
    sizes_of,
    text_of,
)
from symgrad.errors import InputError, LimitExceeded, NotDifferentiable, SymgradError

if TYPE_CHECKING:
    from symgrad.api import Derivation
    from symgrad.check.bench import Row
    from symgrad.language.network import Network

STARTED = time.perf_counter()
DISAGREE, BUG, INTERRUPTED, BROKEN_PIPE = 1, 70, 130, 141
FORMATS = ("text", "latex", "markdown", "html", "json")
ENDINGS = {".txt": "text", ".tex": "latex", ".md": "markdown", ".html": "html", ".json": "json", ".pdf": "pdf"}

app = typer.Typer(
    name="symgrad", add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    epilog="TEXT is an expression, a file that holds a network, or - for standard input. "
           "Exit codes: 0 fine, 1 gradients disagree, 2 bad input, 3 kink, 4 limit, 5 a tool is missing.",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip

Flag = typer.Option
What = Annotated[str, typer.Argument(metavar="TEXT", show_default=False,
                                     help="An expression or a network, a file that holds it, or - for stdin.")]
Wrt = Annotated[list[str] | None, Flag("--wrt", "-w", metavar="NAMES", show_default=False,
                                       help="Differentiate by these, W1,b1 or given again. Without it: by all.")]
At = Annotated[list[str] | None, Flag("--at", metavar="POINT", show_default=False,
                                      help="A .json or .npz file, or z=0.3,w=[1,2].")]
Out = Annotated[Path | None, Flag("--output", "-o", metavar="FILE", show_default=False,
                                  help="Write to FILE; its ending is the format.")]
Json = Annotated[bool, Flag("--json", help="Print one JSON object.")]
Form = Annotated[str, Flag("--format", "-f", help=f"{', '.join(FORMATS)}.")]
Detail = Annotated[str, Flag("--detail", help="result, standard or all.")]
Verify = Annotated[bool, Flag("--verify", help="Prove every step again; exit with 1 where one fails.")]
Notation = Annotated[str, Flag("--notation", help="matrix, index, or differential (dL = <G, dW>).")]
Layout = Annotated[str, Flag("--layout", help="denominator (the shape of the variable) or numerator (its transpose).")]
Kink = Annotated[str, Flag("--kink", help="Where there is no derivative: policy, left, mean or right.")]
Structured = Annotated[bool, Flag("--structured", help="By a matrix assumed X == X.T as one set of entries.")]
Strict = Annotated[bool, Flag("--strict-kinks", help="Exit with 3 where the point lies on a kink.")]
Check = Annotated[bool, Flag("--check-assumptions", help="Refuse a point at which an assume(...) does not hold.")]
Seed = Annotated[int, Flag("--seed", min=0, help="Seed of the random numbers.")]


# --- the frame of every command ---------------------------------------------------------------------------------------


def command(function: Callable[..., int | None]) -> Callable[..., int]:
    """Register a command under its own name; what it returns is the exit code, None is 0."""

    @wraps(function)
    def run(*args: Any, **options: Any) -> int:
        try:
            code = function(*args, **options) or 0
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            # whoever read our output has gone; the interpreter must not complain of it at its exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE

    app.command(function.__name__)(run)
    return run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every message goes to standard error."""
    args = [positional(a) for a in (sys.argv[1:] if argv is None else argv)]
    try:
        code = typer.main.get_command(app).main(args=args, prog_name="symgrad", standalone_mode=False)
        return _interrupted() if code == INTERRUPTED else code if isinstance(code, int) else 0
    except SymgradError as error:
        return failed(error, error.exit_code, args)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return failed(InputError(f"{where}{error.strerror or error}"), InputError.exit_code, args)
    except MemoryError as error:  # what a user asked of NumPy
        return failed(LimitExceeded(f"out of memory: {error or 'an array is too large'}. Give smaller sizes"),
                      LimitExceeded.exit_code, args)
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted()
    except Exception as error:  # noqa: BLE001  # a bug, or one of typer's usage errors, which have no public base class
        if hasattr(error, "format_message"):
            return _misused(error, args)
        if os.environ.get("SYMGRAD_DEBUG"):
            traceback.print_exc()
        at = traceback.extract_tb(error.__traceback__)[-1]
        return failed(f"{type(error).__name__}: {error} ({Path(at.filename).name}, line {at.lineno}). "
                              f"This is a bug of symgrad. SYMGRAD_DEBUG=1 shows where it happened", BUG, args)


def _interrupted() -> int:
    sys.stderr.write("interrupted\n")
    return INTERRUPTED


def _misused(error: Any, args: Sequence[str]) -> int:
    """Print the usage of the command and what was wrong with it; the help where nothing was asked."""
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.format_message()}\n")
        return InputError.exit_code
    if getattr(error, "ctx", None) is not None:
        sys.stderr.write(f"{error.ctx.get_usage()}\n")
    return failed(InputError(error.format_message()), InputError.exit_code, args)


def _network(what: str) -> Network:
    from symgrad.language.text_io import parse

    return parse(text_of(what))


def _point(at: Sequence[str]) -> dict[str, Any]:
    from symgrad.check.point import read_point

    return {name: array for where in at for name, array in read_point(where).items()}


def _one_of(value: str, known: Sequence[str], what: str) -> str:
    if value not in known:
        raise InputError(f"unknown {what} {value!r}; choose one of {', '.join(known)}")
    return value


def _version(wanted: bool) -> None:
    if wanted:
        show(f"symgrad {__version__}")
        raise typer.Exit


@app.callback()
def _options(version: Annotated[bool, Flag("--version", callback=_version, is_eager=True,
                                           help="Print the version and exit.")] = False) -> None:
    """Derive gradients step by step, compile them to NumPy, and check them against other methods."""


# --- commands ---------------------------------------------------------------------------------------------------------


@command
def demo() -> int:
    """Derive, compile, compare: a short tour, all of it computed."""
    from symgrad.demo import WIDTH
    from symgrad.demo import demo as tour

    return 0 if tour(PipedConsole(width=WIDTH), STARTED) else DISAGREE


@command
def derive(
    what: What, wrt: Wrt = None, output: Out = None,
    form: Form = "text",
    detail: Detail = "standard",
    expand: Annotated[bool, Flag("--expand", help="Write functions in their definitions first.")] = False,
    kink: Kink = "policy",
    names: Annotated[list[str] | None, Flag("--names", metavar="NAME=LATEX", show_default=False,
                                            help=r"LaTeX of a name: learning_rate='\eta'.")] = None,
    notation: Notation = "matrix", layout: Layout = "denominator",
    standalone: Annotated[bool, Flag("--standalone", help="A whole LaTeX document, no fragment.")] = False,
    structured: Structured = False,
    verify: Verify = False,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Derive gradients step by step: text, LaTeX, Markdown, HTML."""
    latex_names = pairs(names, "--names", r"learning_rate='\eta'")
    _one_of(form, FORMATS, "format")
    if output is not None:
        _one_of(output.suffix, tuple(ENDINGS), f"ending of {output}:")
    from symgrad.api import derive as derived
    from symgrad.render.outline import DETAILS
    from symgrad.render.style import Style

    _one_of(detail, DETAILS, "detail")
    style = Style(notation, layout)
    d = derived(_network(what), listed(wrt, "--wrt"), expand=expand, kink=kink, structured=structured)
    d = d.styled(notation, layout)

    def written(kind: str) -> str:
        if kind == "latex":
            return d.latex(standalone=standalone, names=latex_names, detail=detail)
        if kind == "markdown":
            return d.markdown(names=latex_names, detail=detail)
        if kind == "html":
            return d.html(names=latex_names, detail=detail)
        return d.to_json() if kind == "json" else d.text(detail=detail, columns=columns())

    if output is not None and ENDINGS[output.suffix] == "pdf":
        from symgrad.render.tex_document import tex_to_pdf

        save(output, tex_to_pdf(d.latex(standalone=True, names=latex_names, detail=detail)))
    elif output is not None:
        save(output, written(ENDINGS[output.suffix]))
    proved = d.verify() if verify else None
    if as_json:
        from symgrad.render.data import derivation_to_data

        data = {"ok": proved is None or proved.ok,
                **derivation_to_data(d.record, names=latex_names, detail=detail, style=style)}
        if proved is not None:
            data["verification"] = {"ok": proved.ok, "digits": proved.digits, "sizes": dict(proved.sizes),
                                    "seed": proved.seed, "points": proved.points,
                                    "checks": [{**vars(c), "verdict": c.verdict} for c in proved.checks]}
        show_json(data)
    elif output is None and form == "text" and not is_plain():
        from symgrad.render.terminal import derivation_in_colour

        show(derivation_in_colour(d.record, detail=detail, columns=columns(), style=style))
    elif output is None:
        show(written(form))
    if proved is None:
        return 0
    if not as_json:
        from symgrad.render.terminal import verification_table

        show("")
        show(str(proved) if is_plain() else verification_table(proved))
    return 0 if proved.ok else DISAGREE


@command
def grad(
    what: What, wrt: Wrt = None, at: At = None, kink: Kink = "policy", strict_kinks: Strict = False,
    check_assumptions: Check = False, structured: Structured = False,
    form: Annotated[str, Flag("--format", "-f", help="text or latex.")] = "text",
    notation: Notation = "matrix", layout: Layout = "denominator", as_json: Json = False,
) -> int:
    """Print gradients in closed form, and with --at their numbers."""
    _one_of(form, ("text", "latex"), "format")
    from symgrad.api import derive as derived
    from symgrad.check.trace import plain, written
    from symgrad.graph.text import plain_name
    from symgrad.render.data import results_to_data
    from symgrad.render.style import Style

    net = _network(what)
    d = derived(net, listed(wrt, "--wrt"), kink=kink, structured=structured)
    results = results_to_data(d.record, style=Style(notation, layout))
    loss = plain_name(net.output_name)
    data: dict[str, Any] = {"ok": True, "loss": net.output_name, "results": results}
    # without its left side a formula in indices would not say what the indices are
    alone = len(results) == 1 and notation != "index"
    of = "latex_of" if form == "latex" else "of"
    lines = [r[form] if alone else f"{r[of]} = {r[form]}" for r in results.values()]
    if at:
        point = _point(at)
        value, grads = d.compile(check_assumptions=check_assumptions)(**point)
        if strict_kinks:
            _refuse_kinks(d, point)
        data |= {"value": plain(value), "gradients": {n: plain(g) for n, g in grads.items()}}
        lines += ["", f"{loss} = {written(value, None)}"]
        lines += [f"d{loss}/d{plain_name(n)} = {written(g, None)}" for n, g in grads.items()]
    elif strict_kinks or check_assumptions:
        which = "--strict-kinks" if strict_kinks else "--check-assumptions"
        raise InputError(f"{which} looks at a point; give one with --at")
    if as_json:
        show_json(data)
    else:
        show("\n".join(lines))
    return 0


def _refuse_kinks(d: Derivation, point: Mapping[str, Any]) -> None:
    import numpy as np

    from symgrad.check.compare import kink_signs
    from symgrad.graph.node import variables

    inputs = {v.name: v for v in variables([d.record.loss])}
    signs = kink_signs(d.record.loss, inputs)
    if signs is not None and not np.all(signs(**{n: np.asarray(point[n]) for n in inputs})):
        raise NotDifferentiable("this point lies on a kink: " + "; ".join(d.record.kinks))


@command
def hessian(
    what: What, wrt: Wrt = None, output: Out = None,
    form: Form = "text",
    detail: Detail = "standard",
    kink: Kink = "policy",
    verify: Verify = False,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Derive the Hessian of a scalar in closed form, step by step."""
    return _staged("hessian", what, wrt, output, form, detail, kink, verify, as_json)


@command
def jacobian(
    what: What, wrt: Wrt = None, output: Out = None,
    form: Form = "text",
    detail: Detail = "standard",
    kink: Kink = "policy",
    verify: Verify = False,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Derive the Jacobian of an array in closed form, step by step."""
    return _staged("jacobian", what, wrt, output, form, detail, kink, verify, as_json)


def _staged(kind: str, what: str, wrt: list[str] | None, output: Path | None, form: str, detail: str, kink: str,
            verify: bool, as_json: bool) -> int:
    """Derive, print or write, and prove what comes in stages."""
    _one_of(form, FORMATS, "format")
    if output is not None:
        _one_of(output.suffix, tuple(ENDINGS), f"ending of {output}:")
    from symgrad.jacobians import derive as derivatives
    from symgrad.render.outline import DETAILS

    _one_of(detail, DETAILS, "detail")
    names = listed(wrt, "--wrt")
    one = names[0] if names is not None and len(names) == 1 else names
    found = (derivatives.hessian if kind == "hessian" else derivatives.jacobian)(_network(what), one, kink=kink)
    proved = found.verify() if verify else None
    written = {"latex": found.latex, "markdown": found.markdown, "html": found.html}
    if output is not None:
        found.save(output)
    if as_json:
        data = {"ok": proved is None or proved.ok, **found.data()}
        if proved is not None:
            data["verification"] = {"ok": proved.ok, "digits": proved.digits, "sizes": dict(proved.sizes),
                                    "seed": proved.seed, "points": proved.points,
                                    "checks": [{**vars(c), "verdict": c.verdict} for c in proved.checks]}
        show_json(data)
    elif output is None:
        show(found.to_json() if form == "json" else written[form](detail=detail) if form in written
             else found.text(detail=detail, columns=columns()))
    if proved is not None and not as_json:
        show("")
        show(str(proved))
    return 0 if proved is None or proved.ok else DISAGREE


@command
def compile(
    what: What, wrt: Wrt = None, output: Out = None, kink: Kink = "policy", structured: Structured = False,
    standalone: Annotated[bool, Flag("--standalone", help="Print the whole module, as -o writes it.")] = False,
) -> int:
    """Compile value and gradients to NumPy source.

    Without --wrt the value alone. -o FILE.py writes a module that needs NumPy and nothing else.
    """
    if output is not None and output.suffix != ".py":
        raise InputError(f"a kernel is written to a .py file, not to {output}")
    from symgrad.api import compile as compiled

    kernel = compiled(_network(what), listed(wrt, "--wrt"), kink=kink, structured=structured)
    if output is not None:
        save(output, kernel.module)
    else:
        show(kernel.module if standalone else kernel.source)
    return 0


@command
def compare(
    what: What, wrt: Wrt = None, at: At = None, seed: Seed = 0,
    sizes: Annotated[list[str] | None, Flag("--sizes", metavar="N=5,H=3", show_default=False,
                                            help="Sizes of the random point.")] = None,
    entries: Annotated[int, Flag("--entries", min=1, help="Entries that the numeric methods look at.")] = 10_000,
    strict_kinks: Strict = False, check_assumptions: Check = False, as_json: Json = False,
) -> int:
    """Compare kernel, tape, complex step and central differences."""
    from symgrad.check.compare import compare as judge
    from symgrad.check.point import random_point

    if at and sizes:
        raise InputError("--sizes belongs to a random point; the arrays of --at bring their own")
    net = _network(what)
    point = _point(at) if at else random_point([net.output], sizes_of(sizes), seed, net.stated)
    with progress() as advance:
        found = judge(net, point, listed(wrt, "--wrt"), entries=entries, check_assumptions=check_assumptions,
                      progress=advance)
    if as_json:
        show_json({**json.loads(found.to_json()), "seed": None if at else seed})
    else:
        show(found)
        if not at:
            show(f"At a random point, seed {seed}; --at takes one of yours.")
    if not found.ok:
        return DISAGREE
    if strict_kinks and found.count("kink"):
        raise NotDifferentiable(f"{found.count('kink')} entries lie on a kink, where there is no derivative")
    return 0


@command
def trace(
    what: Annotated[str | None, typer.Argument(metavar="[TEXT]", show_default=False,
                                               help="A network, a file or -; a small example without it.")] = None,
    at: At = None, seed: Seed = 0, as_json: Json = False,
) -> int:
    """Print a network in numbers: values and derivatives of each name."""
    from symgrad.check.point import random_point
    from symgrad.check.trace import EXAMPLE, EXAMPLE_AT, trace_values
    from symgrad.language.text_io import parse

    net = parse(EXAMPLE) if what is None else _network(what)
    drawn = what is not None and not at
    point = _point(at) if at else random_point([net.output], {}, seed) if drawn else EXAMPLE_AT
    rows = trace_values(net, point)
    if as_json:
        show_json({**json.loads(rows.to_json()), "seed": seed if drawn else None})
        return 0
    show(f"{net}\n")
    show("")
    show(rows.table())
    if drawn:
        show(f"\nAt a random point, seed {seed}; --at takes one of yours.")
    return 0


@command
def train(
    task: Annotated[str, typer.Argument(metavar="xor|breast-cancer", help="What to learn.", show_default=False)],
    seed: Seed = 0,
    seeds: Annotated[int, Flag("--seeds", min=1, max=1000, help="How many seeds, from --seed on.")] = 1,
    as_json: Json = False,
) -> int:
    """Train a network written as text; the tape checks its gradients."""
    from symgrad.learn.examples import train_breast_cancer, train_xor

    tasks = {"xor": train_xor, "breast-cancer": train_breast_cancer}
    run = tasks[_one_of(task, tuple(tasks), "task")]
    if seeds == 1:
        reports = [run(seed=seed, progress=sys.stderr.isatty())]
    else:
        reports = []
        with progress() as advance:
            for k in range(seeds):
                reports.append(run(seed=seed + k))
                advance(task, k + 1, seeds)
                if reports[-1].trained.interrupted:
                    break
    ok = all(r.ok for r in reports)
    if as_json:
        show_json({"ok": ok, "task": task, "network": reports[0].network, "runs": [
            {"seed": seed + k, "accuracy": r.accuracy, "loss": r.trained.losses[-1] if r.trained.losses else None,
             "epochs": len(r.trained.losses), "seconds": r.trained.seconds, "kernel_and_tape_agree": r.ok}
            for k, r in enumerate(reports)
        ]})  # fmt: skip
    else:
        show(reports[0].network)
        show("")
        if seeds == 1:
            show(str(reports[0]))
        else:
            show(_summary(task, seed, reports))
    return INTERRUPTED if any(r.trained.interrupted for r in reports) else 0 if ok else DISAGREE


def _summary(task: str, seed: int, reports: Sequence[Any]) -> str:
    lines = [f"seed {seed + k:<3} accuracy {r.accuracy:7.2%}   kernel and tape {'agree' if r.ok else 'DISAGREE'}"
             for k, r in enumerate(reports)]
    mean = sum(r.accuracy for r in reports) / len(reports)
    full = sum(r.accuracy == 1 for r in reports)
    return "\n".join([*lines, f"{task}: mean accuracy {mean:.2%} on {reports[0].accuracy_of}; "
                              f"{full} of {len(reports)} seeds without an error"])


@command
def rules(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A function: its rule and the proof of it.",
                                               show_default=False)] = None,
    every: Annotated[bool, Flag("--all", help="Every rule, as without a name.")] = False,
    verify: Annotated[bool, Flag("--verify", help="Prove every rule; exit with 1 where one fails.")] = False,
    as_json: Json = False,
) -> int:
    """List the derivative rules, or print one with its proof."""
    from symgrad.engine.proof import prove
    from symgrad.rulebook import facts, find, line, page, proofs, table
    from symgrad.rules.elementwise import FUNCTIONS

    if name is not None and every:
        raise InputError("give a name or --all, not both")
    if name is not None:
        proof = prove(find(name).name)
        if as_json:
            show_json({"ok": proof.ok, **facts(proof.row), "axiom": proof.is_axiom, "how": proof.how})
        else:
            show(page(proof, columns()))
        return 0 if proof.ok else DISAGREE
    if not verify:
        if as_json:
            show_json({"ok": True, "rules": [facts(f) for f in FUNCTIONS]})
        else:
            show(table(columns()))
            show("\nsymgrad rules NAME prints a proof; symgrad rules --all --verify proves all.")
        return 0
    found = []
    for proof in proofs():
        found.append(proof)
        if not as_json:
            show(line(proof))
    held = sum(p.ok for p in found)
    if as_json:
        show_json({"ok": held == len(found), "rules": [
            {"rule": p.row.rule, "ok": p.ok, "axiom": p.is_axiom, "how": p.how} for p in found]})
    else:
        show(f"{held} of {len(found)} rules hold")
    return 0 if held == len(found) else DISAGREE


@command
def bench(
    seconds: Annotated[float, Flag("--seconds", min=0.01, max=60, help="Time for each row of the table.")] = 1.0,
    symbolic: Annotated[bool, Flag("--symbolic", help="Time to derive and to compile, by depth, instead.")] = False,
    as_json: Json = False,
) -> int:
    """Measure compiled kernels beside hand-written NumPy."""
    from dataclasses import asdict

    from symgrad.check.bench import CASES, run, symbolic_table, table
    from symgrad.check.bench import symbolic as by_depth

    if symbolic:
        measured = by_depth()
        if as_json:
            show_json({"ok": True, "rows": [asdict(r) for r in measured]})
        else:
            show(symbolic_table(measured))
        return 0

    rows: list[Row] = []
    with progress() as advance:

        def finished(row: Row) -> None:
            rows.append(row)
            advance("networks", len(rows), 2 * len(CASES))

        run(seconds=seconds, progress=finished)
    if as_json:
        show_json({"ok": True, "rows": [asdict(r) for r in rows]})
    else:
        show(table(rows))
    return 0
