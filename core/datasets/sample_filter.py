"""Which samples are wanted: `iou > 0.98 and coverage < 0.6`, parsed, never executed.

A filter is made of comparisons of a column with a number or a text, joined by `and`, `or`, `not`
and parentheses. Python's own parser reads it; every node that is not one of these is refused.
"""

import ast
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.errors import InvalidQuery

MAX_LENGTH = 500
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
MIRRORED = {
    "less": "greater",
    "less_equal": "greater_equal",
    "greater": "less",
    "greater_equal": "less_equal",
}
EXAMPLE = "e.g. iou > 0.98 and coverage < 0.6, or hair == 'long'"


class SampleFilter:
    """A parsed filter: the columns that it looks at, and which rows of a table pass it."""

    def __init__(self, text: str, schema: pa.Schema) -> None:
        """Raises InvalidQuery that says what is wrong and which columns there are."""
        self._schema = schema
        self._tree = _parse(text)
        self.columns = sorted(
            {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        )
        for name in self.columns:
            check_column(name, schema)
        try:  # mistyped comparisons are found before any row is read
            self.mask(schema.empty_table())
        except (RecursionError, OverflowError, UnicodeError, pa.ArrowException):
            raise InvalidQuery(f"where can't be worked out; {EXAMPLE}") from None

    def mask(self, table: pa.Table) -> Any:
        """A boolean a row (an Arrow array); null where a column has no value."""
        return self._evaluate(self._tree, table)

    def _evaluate(self, node: ast.expr, table: pa.Table) -> Any:
        if isinstance(node, ast.BoolOp):
            join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
            masks = [self._evaluate(value, table) for value in node.values]
            joined = masks[0]
            for mask in masks[1:]:
                joined = join(joined, mask)
            return joined
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return pc.invert(self._evaluate(node.operand, table))
        if isinstance(node, ast.Compare):
            return self._compare(node, table)
        raise InvalidQuery(f"`{ast.unparse(node)}` is no comparison; {EXAMPLE}")

    def _compare(self, node: ast.Compare, table: pa.Table) -> Any:
        sides = [node.left, *node.comparators]
        found = None
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if type(operator) not in COMPARISONS:
                raise InvalidQuery(f"`{ast.unparse(node)}`: use <, <=, >, >=, == or !=")
            mask = self._one(COMPARISONS[type(operator)], left, right, table)
            found = mask if found is None else pc.and_kleene(found, mask)
        return found

    def _one(self, operation: str, left: ast.expr, right: ast.expr, table: pa.Table) -> Any:
        if not isinstance(left, ast.Name):
            left, right, operation = right, left, MIRRORED.get(operation, operation)
        if not isinstance(left, ast.Name) or isinstance(right, ast.Name):
            raise InvalidQuery(f"compare a column with a number or a text; {EXAMPLE}")
        value = _constant(right)
        kind = self._schema.field(left.id).type
        if isinstance(value, str) != pa.types.is_string(kind):
            wanted = "a text in quotes" if pa.types.is_string(kind) else "a number"
            raise InvalidQuery(f"{left.id} is compared with {wanted}, not {value!r:.50}")
        compare: Callable[[Any, Any], Any] = getattr(pc, operation)
        column = table[left.id]
        if isinstance(value, float) and pa.types.is_integer(kind):
            column = column.cast(pa.float64(), safe=False)  # seeds have no exact float
        return compare(column, _scalar(value, kind))


def check_column(name: str, schema: pa.Schema) -> None:
    """Raises InvalidQuery that names the columns there are."""
    if name not in schema.names:
        raise InvalidQuery(
            f"there is no column {name!r:.50}; there are {', '.join(queryable(schema))}"
        )


def queryable(schema: pa.Schema) -> list[str]:
    """Columns that people ask for; the places of members can be asked for as well."""
    return [
        name for name in schema.names if not name.endswith(("_file", "_offset", "_sha256", "_size"))
    ]


def _scalar(value: float | int | str, kind: pa.DataType) -> pa.Scalar:
    """Whole numbers stay exact: a 63-bit seed would not survive as a float."""
    if isinstance(value, str):
        return pa.scalar(value, pa.string())
    if isinstance(value, int) and pa.types.is_integer(kind):
        return pa.scalar(value, pa.int64())
    return pa.scalar(float(value), pa.float64())


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise InvalidQuery(f"where has {len(text)} characters; at most {MAX_LENGTH}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InvalidQuery(f"where can't be read; {EXAMPLE}") from None


def _constant(node: ast.expr) -> float | int | str:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    value = inner.value if isinstance(inner, ast.Constant) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidQuery(f"`{ast.unparse(node)}` is no number and no text; {EXAMPLE}")
    if isinstance(value, str):
        if negative:
            raise InvalidQuery(f"`{ast.unparse(node)}` is no number; {EXAMPLE}")
        return value
    return -value if negative else value
