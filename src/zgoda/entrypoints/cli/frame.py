"""What every command shares: the project folder, `--json`, and errors told once, in words."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import click
import msgspec
import psycopg

from zgoda.db.binaries import EmbeddedError
from zgoda.db.migrate import TooNew
from zgoda.entrypoints.cli.speak import Voice
from zgoda.kit.errors import ConnectorError, NeedsAttention

P = ParamSpec("P")
R = TypeVar("R")


class Frame(msgspec.Struct, frozen=True):
    """The options before the command's own."""

    folder: Path
    voice: Voice


def command(function: Callable[Concatenate[Frame, P], Awaitable[int | None]]) -> Callable[P, None]:
    """Turn `async def f(frame, …) -> exit code` into a click callback with `--json` and `--project`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
    @click.option(
        "--project",
        "-C",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        show_default="current folder",
        envvar="ZGODA_PROJECT",
        help="The project folder.",
    )
    @functools.wraps(function)
    def run(*args: Any, as_json: bool, folder: Path, **kwargs: Any) -> None:
        voice = Voice(json=as_json)
        try:
            code = asyncio.run(_run(function, Frame(folder.resolve(), voice), *args, **kwargs))
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        raise SystemExit(code or 0)

    return run  # pyright: ignore[reportReturnType]


async def _run(function: Callable[..., Awaitable[int | None]], frame: Frame, *args: Any, **kwargs: Any) -> int | None:
    from zgoda.settings.faults import ProjectError
    from zgoda.settings.opening import Unresolved

    try:
        return await function(frame, *args, **kwargs)
    except ProjectError as error:
        frame.voice.fail(f"the project in {frame.folder} has faults\n{error}", "mend them, then `zgoda validate`")
    except (Unresolved, EmbeddedError, TooNew) as error:
        frame.voice.fail(str(error))
    except NeedsAttention as error:
        frame.voice.fail(str(error), error.do)
    except ConnectorError as error:
        frame.voice.fail(str(error), "try again; `zgoda status` looks closer")
    except psycopg.OperationalError as error:
        frame.voice.fail(f"the store does not answer ({type(error).__name__})", "is PostgreSQL running?")
    except ExceptionGroup as group:
        first = _first(group)
        if isinstance(first, ConnectorError | psycopg.OperationalError):
            frame.voice.fail(str(first), "`zgoda status` looks closer")
        raise


def _first(group: BaseException) -> BaseException:
    """The innermost first error of nested groups."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", inner).exceptions[0]
    return inner


@asynccontextmanager
async def store_of(frame: Frame) -> AsyncGenerator[Any]:
    """The project's open store."""
    from zgoda.app import open_store, read_project

    async with open_store(read_project(frame.folder)) as store:
        yield store
