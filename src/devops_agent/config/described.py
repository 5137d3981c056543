"""What the structs say about themselves: the docstring of each, and the one below each field."""

import ast
import inspect
from functools import cache
from itertools import pairwise

import msgspec


@cache
def field_docs(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return field → the docstring below it, on one line; fields without one are left out."""
    tree = ast.parse(inspect.getsource(kind))
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    docs: dict[str, str] = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    docs[field.target.id] = " ".join(text.split())
    return docs


def struct_doc(kind: type[msgspec.Struct]) -> str:
    """Return a struct's docstring on one line."""
    return " ".join((inspect.getdoc(kind) or "").split())
