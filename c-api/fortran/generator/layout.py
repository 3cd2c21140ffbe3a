"""Long lines, and a limit of gfortran 12."""

import re


def split_long(line: str, width: int = 118) -> list[str]:
    """Breaks a code line at commas, a comment at blanks."""
    indent = len(line) - len(line.lstrip())
    comment = line.lstrip().startswith("!")
    out = []
    while len(line) > width:
        at = line.rfind(" ", 0, width) if comment else line.rfind(", ", 0, width - 2) + 1
        assert at > indent, line
        out.append(line[:at] + ("" if comment else " &"))
        line = " " * indent + ("! " if comment else "   ") + line[at:].lstrip()
    return out + [line]


def tell_errmsg(text: str) -> str:
    """Turns `finish(status, stat, errmsg)` into two calls.

    gfortran 12 passes an optional deferred-length argument to another optional argument with a copy of its length, and
    loses the new length. To a required argument it passes the length itself.
    """
    ending = re.compile(r'^( +)call finish\(((?:[^&\n]|&\n)*?),(?: &\n)? +stat, errmsg\)\n', flags=re.M)
    text, count = ending.subn(
        lambda m: f"{m[1]}call finish({m[2]}, stat)\n{m[1]}if (present(errmsg)) call explain(errmsg, stat)\n",
        text,
    )
    assert count > 200 and "stat, errmsg" not in "".join(re.findall(r"call finish\([^\n]*", text)), count
    return text
