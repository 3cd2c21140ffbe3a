"""An entry of a reference: a heading, how the thing is declared, and what its comment says."""

import re


def escaped(text):
    """A comment as Markdown: what HTML would take for a tag is shown as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if i % 2 else re.sub(r"<(?=[A-Za-z/])", "&lt;", part) for i, part in enumerate(parts))


def entry(level, name, language, declaration, comment):
    """`declaration` is what a program writes or includes, `comment` the text of its source."""
    body = f"{'#' * level} `{name}`\n\n"
    if declaration:
        body += f"```{language}\n{declaration.rstrip()}\n```\n\n"
    return body + (escaped(comment.strip()) + "\n\n" if comment.strip() else "")


def uncommented(line, mark):
    """The text of a comment's line behind its mark."""
    return re.sub(rf"^\s*{re.escape(mark)}+ ?", "", line)
