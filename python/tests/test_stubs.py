"""The hand-written stubs name existing objects with their signatures."""

import ast
import inspect
import pathlib

import linkspan
from linkspan import _native

STUBS = ast.parse((pathlib.Path(linkspan.__file__).parent / "_native.pyi").read_text())

# The interpreter or pyo3 writes them for every class.
SLOTS = {
    "__buffer__", "__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__hash__", "__repr__", "__str__", "__doc__",
    "__module__", "__reduce__", "__new__", "__len__", "__add__", "__radd__", "__sub__", "__rsub__", "__iter__", "__next__",
    "__enter__", "__exit__", "__getitem__", "__contains__", "__bool__",
}


def parameters(function, drop_first):
    """Returns (name, kind, has a default) of a stub's parameters."""
    a = function.args
    listed = [(p.arg, "positional") for p in a.posonlyargs + a.args]
    defaults = len(listed) - len(a.defaults)
    out = [(n, k, i >= defaults) for i, (n, k) in enumerate(listed)]
    if a.vararg:
        out.append((a.vararg.arg, "var", False))
    out += [(p.arg, "keyword", d is not None) for p, d in zip(a.kwonlyargs, a.kw_defaults)]
    if a.kwarg:
        out.append((a.kwarg.arg, "varkw", False))
    return out[1:] if drop_first else out


def real_parameters(thing, drop_self):
    kinds = {
        inspect.Parameter.POSITIONAL_ONLY: "positional",
        inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
        inspect.Parameter.VAR_POSITIONAL: "var",
        inspect.Parameter.KEYWORD_ONLY: "keyword",
        inspect.Parameter.VAR_KEYWORD: "varkw",
    }
    found = inspect.signature(thing).parameters.values()
    out = [(p.name, kinds[p.kind], p.default is not inspect.Parameter.empty) for p in found]
    return out[1:] if drop_self else out


def decorators(node):
    return {d.id for d in node.decorator_list if isinstance(d, ast.Name)}


def test_functions_and_names():
    stubbed = {}
    for node in STUBS.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            stubbed[node.name] = node
        elif isinstance(node, ast.AnnAssign) and not (node.target.id[0] == "_" and node.target.id[1] != "_"):
            stubbed[node.target.id] = node
    real = {n for n in vars(_native) if not n.startswith("__") or n == "__version__"}
    assert set(stubbed) == real
    for name, node in stubbed.items():
        if isinstance(node, ast.FunctionDef):
            assert parameters(node, False) == real_parameters(getattr(_native, name), False), name


def test_classes():
    checked = 0
    for node in STUBS.body:
        if not isinstance(node, ast.ClassDef):
            continue
        kind = getattr(_native, node.name)
        stubbed = {}
        for member in node.body:
            if isinstance(member, ast.FunctionDef):
                stubbed[member.name] = member
        real = {n for n in vars(kind) if n not in SLOTS}
        assert set(stubbed) - SLOTS == real, node.name
        assert not [n for n in stubbed if n in SLOTS and n != "__buffer__" and not hasattr(kind, n)], node.name
        for name, member in stubbed.items():
            if name == "__new__":
                assert parameters(member, True) == real_parameters(kind, False), node.name
            elif name in SLOTS:
                continue
            elif "property" in decorators(member):
                assert inspect.isgetsetdescriptor(vars(kind)[name]), f"{node.name}.{name}"
            else:
                static = "staticmethod" in decorators(member)
                assert static == isinstance(vars(kind)[name], staticmethod), f"{node.name}.{name}"
                found = real_parameters(getattr(kind, name), not static)
                assert parameters(member, not static) == found, f"{node.name}.{name}"
            checked += 1
    assert checked >= 60
