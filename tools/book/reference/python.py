"""The Python reference from the installed module: stub signatures and `help` texts."""

import ast
import inspect
import re
from pathlib import Path

from .entry import entry

FOLDER = Path(__file__).resolve().parents[3] / "python/linkspan"
MODULES = ["linkspan", "linkspan.aio", "linkspan.packed", "linkspan.generated"]


def signatures():
    """Returns declarations in sources and stub by file, class and name."""
    found = {}
    for path in [*sorted(FOLDER.glob("*.py")), *FOLDER.glob("*.pyi")]:
        for node in ast.parse(path.read_text()).body:
            inside = node.body if isinstance(node, ast.ClassDef) else [node]
            for one in inside:
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                    owner = node.name if isinstance(node, ast.ClassDef) else ""
                    word = "async def" if isinstance(one, ast.AsyncFunctionDef) else "def"
                    gives = f" -> {ast.unparse(one.returns)}" if one.returns else ""
                    found.setdefault((path.stem, owner, one.name), f"{word} {one.name}({ast.unparse(one.args)}){gives}")
    return found


def declared(known, thing, owner, name):
    """Returns a declaration from the Python sources, or from the native module's stub."""
    stem = getattr(thing, "__module__", "").rpartition(".")[2]
    return known.get((stem, owner, name)) or known.get(("_native", owner, name), "")


def documentation(thing):
    """Returns the `help` text without indentation; `object`'s inherited text is dropped."""
    text = inspect.getdoc(thing) or ""
    return "" if text == inspect.getdoc(getattr(object, getattr(thing, "__name__", ""), object)) else text


def members(cls, public, known):
    """Returns public methods and properties of a class and its bases without entries, in order."""
    text, seen = "", set()
    for base in cls.__mro__:
        if base is not cls and (base in public or not base.__module__.startswith("linkspan")):
            break
        for name, member in vars(base).items():
            code = declared(known, base, base.__name__, name)
            if name.startswith("_") or name in seen or not (callable(getattr(cls, name)) or code):
                continue
            seen.add(name)
            text += entry(4, f"{cls.__name__}.{name}", "python", code, plain(documentation(member)))
    return text


def of_module(name, known):
    """Returns a module's text and each public name."""
    module = __import__(name, fromlist=["_"])
    names = getattr(module, "__all__", None) or [n for n, v in vars(module).items() if not n.startswith("_") and getattr(v, "__module__", "") == name]
    text = f"## `{name}`\n\n{plain(module.__doc__ or '')}\n\n"
    for one in sorted(names, key=lambda n: (inspect.isclass(getattr(module, n)), n.lower())):
        thing = getattr(module, one)
        if inspect.isclass(thing):
            text += entry(3, one, "python", "", plain(documentation(thing))) + members(thing, [getattr(module, n) for n in names], known)
        elif callable(thing):
            text += entry(3, one, "python", declared(known, thing, "", one), plain(documentation(thing)))
    return text


def plain(text):
    """Converts `::` blocks of docstrings to indented Markdown."""
    return re.sub(r"::$", ":", inspect.cleandoc(text), flags=re.M)


def page():
    known = signatures()
    return "# Python: the module\n\nMade from the module itself; what `help` says is the same.\n\n" + "".join(of_module(name, known) for name in MODULES)
