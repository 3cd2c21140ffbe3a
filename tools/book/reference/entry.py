"""A reference entry: heading, declaration and comment."""

import re


def escaped(text):
    """Escapes a comment for Markdown, so HTML tags are shown."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if i % 2 else re.sub(r"<(?=[A-Za-z/])", "&lt;", part) for i, part in enumerate(parts))


def entry(level, name, language, declaration, comment):
    """Returns an entry; `declaration` is a program's code, `comment` the source's text."""
    body = f"{'#' * level} `{name}`\n\n"
    if declaration:
        body += f"```{language}\n{declaration.rstrip()}\n```\n\n"
    return body + (escaped(comment.strip()) + "\n\n" if comment.strip() else "")


def uncommented(line, mark):
    """Returns a comment line without its mark."""
    return re.sub(rf"^\s*{re.escape(mark)}+ ?", "", line)
