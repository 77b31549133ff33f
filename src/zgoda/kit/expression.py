"""Expressions users write (CEL), checked when saved and evaluated without side effects.

CEL (https://cel.dev) has no loops, no I/O and no clock of its own, so a mapping or a filter is a pure function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext.ext_strings import ExtStrings

from zgoda.kit.convert import Unconvertible

EXTENSIONS: Final = (ExtStrings(),)
"""`lowerAscii`, `replace`, `split`, `trim` … https://pkg.go.dev/github.com/google/cel-go/ext#Strings"""


class BadExpression(ValueError):
    """An expression that does not parse or whose types do not fit. `column` counts from 1."""

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


class Expression:
    """A compiled expression. `variables`: name -> CEL type (`string`, `int`, `bool`, `map`, `dyn`, …)."""

    def __init__(self, text: str, variables: Mapping[str, str], *, returns: str = "") -> None:
        self.text = text
        try:
            environment = cel.NewEnv(
                variables={name: _type(kind) for name, kind in variables.items()}, extensions=EXTENSIONS
            )
            self._compiled = environment.compile(text)
        except RuntimeError as error:
            raise _bad(str(error)) from None
        found = self._compiled.return_type().name()
        if returns and found not in (returns, "dyn"):
            raise BadExpression(f"gives {found}, but {returns} is wanted")

    def value(self, data: Mapping[str, Any]) -> Any:
        """The plain value. An error while evaluating (a missing key, a wrong type) is `Unconvertible`."""
        try:
            result = self._compiled.eval(data=dict(data))
        except (RuntimeError, TypeError, ValueError):
            raise Unconvertible("the expression cannot be evaluated for this record") from None
        if result.type() == cel.Type.ERROR:
            raise Unconvertible("the expression cannot be evaluated for this record")
        return result.plain_value()


def _type(kind: str) -> cel.Type:
    match kind:
        case "string":
            return cel.Type.STRING
        case "int":
            return cel.Type.INT
        case "bool":
            return cel.Type.BOOL
        case "double":
            return cel.Type.DOUBLE
        case "timestamp":
            return cel.Type.TIMESTAMP
        case "list":
            return cel.Type.List(cel.Type.STRING)
        case "map":
            return cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
        case _:
            return cel.Type.DYN


def _bad(message: str) -> BadExpression:
    found = re.search(r"<input>:\d+:(\d+): ([^\n]*)", message)
    if not found:
        return BadExpression(message.splitlines()[0])
    return BadExpression(found[2].removesuffix(" [INVALID_ARGUMENT]"), column=int(found[1]))
