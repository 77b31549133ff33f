"""Starts Odoo 11 (written for Python 3.5) on Python 3.11.

Run inside Odoo's own virtual environment: `python odoo_shim.py -c odoo.conf -d NAME ...`; the arguments are Odoo's.
Nothing of Odoo is patched: only names that Python removed since 3.6 come back, and the byte code names that are new
since then are added to the lists of Odoo's expression check. That is enough for its calls, its mail and its tracking
links; its web pages are compiled in a way that fails on this Python. Loopback tests only: Odoo 11 gets no fixes.
"""

import base64
import collections
import collections.abc
import importlib
import inspect
import opcode
import sys
from typing import Any, NamedTuple

# Byte code of 3.11 by what an expression may do with it, in the order of Odoo's three lists: each contains the last.
CONST_OPCODES = ("CACHE", "RESUME", "NOP", "COPY", "SWAP", "LIST_EXTEND", "LIST_TO_TUPLE", "SET_UPDATE", "DICT_UPDATE")
EXPR_OPCODES = ("BINARY_OP", "IS_OP", "CONTAINS_OP", "DICT_MERGE", "EXTENDED_ARG")
SAFE_OPCODES = (
    *("PUSH_NULL", "PRECALL", "CALL", "KW_NAMES", "RETURN_GENERATOR", "SEND", "LOAD_FAST", "LOAD_ASSERTION_ERROR"),
    *("MAKE_CELL", "LOAD_CLOSURE", "LOAD_DEREF", "STORE_DEREF", "COPY_FREE_VARS", "LOAD_CLASSDEREF"),
    *("PUSH_EXC_INFO", "CHECK_EXC_MATCH", "RERAISE", "BEFORE_WITH", "WITH_EXCEPT_START", "GET_LEN"),
    *(name for name in opcode.opmap if "JUMP_" in name),
)


def main() -> None:
    """Restores what Odoo needs and hands over to its command line."""
    restore_names()
    allow_opcodes()
    importlib.import_module("odoo.cli").main()


def restore_names() -> None:
    """Puts back standard library names that Odoo 11 and its libraries of that time import."""
    for name in dir(collections.abc):
        put_back(collections, name, getattr(collections.abc, name))
    put_back(base64, "encodestring", base64.encodebytes)
    put_back(base64, "decodestring", base64.decodebytes)
    put_back(inspect, "getargspec", getargspec)
    put_back(inspect, "formatargspec", formatargspec)


def put_back(module: Any, name: str, value: object) -> None:
    if not hasattr(module, name):
        setattr(module, name, value)


class ArgSpec(NamedTuple):
    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[object, ...] | None


def getargspec(function: Any) -> ArgSpec:
    """inspect.getargspec as it was until Python 3.10."""
    spec = inspect.getfullargspec(function)
    return ArgSpec(spec.args, spec.varargs, spec.varkw, spec.defaults)


def formatargspec(*spec: Any) -> str:
    """inspect.formatargspec for functions without annotations, all that Odoo's cache decorator asks for."""
    args, varargs, keywords, defaults = ArgSpec(*spec)
    plain = len(args) - len(defaults or ())
    parts = args[:plain] + [f"{name}={value!r}" for name, value in zip(args[plain:], defaults or (), strict=True)]
    if varargs:
        parts.append("*" + varargs)
    if keywords:
        parts.append("**" + keywords)
    return "(" + ", ".join(parts) + ")"


def allow_opcodes() -> None:
    """Adds the byte code of this Python to Odoo's lists; importing, classes and attribute writes stay forbidden."""
    safe_eval = importlib.import_module("odoo.tools.safe_eval")
    names: tuple[str, ...] = ()
    for odoo_list, added in (
        ("_CONST_OPCODES", CONST_OPCODES),
        ("_EXPR_OPCODES", EXPR_OPCODES),
        ("_SAFE_OPCODES", SAFE_OPCODES),
    ):
        names += added
        getattr(safe_eval, odoo_list).update(opcode.opmap[name] for name in names if name in opcode.opmap)


if __name__ == "__main__":
    sys.exit(main())
