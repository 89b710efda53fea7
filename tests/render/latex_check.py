"""A structural judge of LaTeX: what pdflatex would refuse, or what a name should never be able to do."""

import re

COMMANDS = set(re.findall(r"\w+", """
    documentclass usepackage setlength parindent allowdisplaybreaks begin end medskip noindent textbf notag parbox
    raggedright small frac sqrt sum partial mathbf mathrm mathit boldsymbol operatorname text odot cdot times top log
    exp max min sin cos tan sinh cosh tanh arctan arcsin arccos sigma pi infty left right bigl bigr Bigl Bigr biggl
    biggr qquad quad hat bar tilde dot star prime backslash wedge sim grave ge le ne in delta
    det langle rangle par vspace pagebreak baselineskip
    lfloor rfloor lceil rceil bmod
    alpha beta gamma epsilon zeta eta theta lambda mu nu xi rho tau phi chi psi omega Sigma Delta Gamma
"""))
SYMBOLS = set(",;!:_&%#${} \\")
_COMMAND = re.compile(r"\\([A-Za-z]+|.|\n)", re.DOTALL)


def faults(tex: str) -> list[str]:
    """Return what is wrong with a piece of LaTeX; an empty list means nothing was found."""
    out = []
    if not tex.isascii():
        out.append("a character outside ASCII")
    body = "\n".join(line for line in tex.split("\n") if not line.startswith("%"))
    if re.search(r"[^\n\x20-\x7e]", body):
        out.append("a control character")
    if re.search(r"(?<!\\)[%#]", body):
        out.append("a bare % or #")
    if "^^" in body:
        out.append("a coded character ^^")
    for found in _COMMAND.finditer(body):
        name = found[1]
        if name[0].isalpha() and name not in COMMANDS:
            out.append(f"the command \\{name}")
        elif not name[0].isalpha() and name not in SYMBOLS:
            out.append(f"the command \\{name!r}")
    plain = _COMMAND.sub(lambda m: "" if m[1] in "{}" else m[0], body)
    depth = 0
    for c in plain:
        depth += (c == "{") - (c == "}")
        if depth < 0:
            out.append("a brace closed too much")
            break
    if depth > 0:
        out.append("a brace left open")
    stack = []
    for found in re.finditer(r"\\(begin|end)\{(\w+\*?)\}", body):
        if found[1] == "begin":
            stack.append(found[2])
        elif not stack or stack.pop() != found[2]:
            out.append(f"\\end{{{found[2]}}} without its beginning")
    out += [f"the environment {e} left open" for e in stack]
    for row in re.split(r"\\\\(?:\[[^\]]*\])?\n|\n", body):
        for left, right in (("left", "right"), ("bigl", "bigr"), ("Bigl", "Bigr"), ("biggl", "biggr")):
            pair = [len(re.findall(rf"\\{w}(?![A-Za-z])", row)) for w in (left, right)]
            if left == "left" and pair[0] != pair[1]:
                out.append(f"\\{left} and \\{right} do not pair in {row[:60]!r}")
    if re.search(r"\^\{[^{}]*\}\s*\^|\^\\top\s*\^", plain):
        out.append("two superscripts in a row")
    return out
