"""What every command shares: the project folder, `--json`, and errors told once, in words, with what to do next.

Exit codes are the same everywhere: 0 done, 1 error, 2 differences (`plan`, `drift`), 3 something waits for a person or
is in trouble, 130 and 143 stopped by a signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar, cast

import click
import msgspec

from zgoda.entrypoints.cli.speak import Voice

if TYPE_CHECKING:
    from zgoda.app import Store

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])

FOLDER: Final = "zgoda.folder"
JSON: Final = "zgoda.json"
STORE_ANSWERS_S: Final = 5


class Frame(msgspec.Struct, frozen=True):
    """What was said before or after the command's name: the project folder and how to speak."""

    folder: Path
    voice: Voice


def _keep(key: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """An option that may stand at the group, at the subgroup or at the command: what is said last counts."""

    def keep(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            ctx.meta[key] = value

    return keep


def shared_options(function: F) -> F:
    """`-C`/`--project` and `--json`, wherever on the line they stand."""
    folder = click.option(
        "--project",
        "-C",
        type=click.Path(path_type=Path, file_okay=False),
        expose_value=False,
        callback=_keep(FOLDER),
        help="The project folder (default: $ZGODA_PROJECT, else the current folder).",
    )
    as_json = click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_keep(JSON),
        help="One JSON document on standard output; progress and logs on standard error.",
    )
    return as_json(folder(function))


def frame_of(ctx: click.Context) -> Frame:
    """The frame as the line so far describes it."""
    folder = ctx.meta.get(FOLDER) or os.environ.get("ZGODA_PROJECT") or "."
    return Frame(Path(folder).resolve(), Voice(json=bool(ctx.meta.get(JSON))))


def command(function: Callable[Concatenate[Frame, P], Awaitable[int | None]]) -> Callable[P, None]:
    """Turn `async def f(frame, …) -> exit code` into a click callback with `--json` and `--project`."""

    @shared_options
    @click.pass_context
    @functools.wraps(function)
    def run(ctx: click.Context, *args: Any, **kwargs: Any) -> None:
        frame = frame_of(ctx)
        try:
            code = run_loop(_interruptible(lambda: _run(function, frame, *args, **kwargs)))
        except _Interrupted as stop:
            if not frame.voice.json:
                click.echo("\nstopped; what was under way is looked up at the next start", err=True)
            sys.exit(128 + stop.signal)
        sys.exit(code or 0)

    run.__doc__ = _with_exit_codes(function.__doc__ or "")
    return run


def _with_exit_codes(doc: str) -> str:
    """Every help says what the exit code means."""
    return doc if "Exit code" in doc else f"{doc.rstrip()}\n\n    Exit code: 0 done, 1 error.\n    "


def run_loop(work: Coroutine[Any, Any, int | None]) -> int | None:
    """On uvloop where it is installed, else on the standard loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


class _Interrupted(Exception):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


async def _interruptible(begin: Callable[[], Awaitable[int | None]]) -> int | None:
    """SIGINT and SIGTERM cancel the command, so that it leaves the store in order; a second one ends it at once."""
    task = asyncio.ensure_future(begin())
    came: list[int] = []

    def stop(number: int) -> None:
        if came:
            die(number)
        came.append(number)
        task.cancel()

    on_stop_signals(stop)
    try:
        return await task
    except asyncio.CancelledError:
        if came:
            raise _Interrupted(came[0]) from None
        raise


def on_stop_signals(act: Callable[[int], None]) -> None:
    """Call `act` with the number of a signal that asks us to end, instead of what was called before."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, act, int(number))


def die(number: int) -> None:
    """End as if nobody had caught the signal. What is under way is recovered at the next start, as after a crash."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


async def _run(function: Callable[..., Awaitable[int | None]], frame: Frame, *args: Any, **kwargs: Any) -> int | None:
    try:
        return await _explained(function, frame, *args, **kwargs)
    except SystemExit as leave:  # in a task it would tear the loop down around everybody else
        return cast("int | None", leave.code)


async def _explained(
    function: Callable[..., Awaitable[int | None]], frame: Frame, *args: Any, **kwargs: Any
) -> int | None:
    try:
        return await function(frame, *args, **kwargs)
    except BrokenPipeError:  # `zgoda status | head`: click ends quietly
        raise
    except Exception as error:
        told = explain(first_error(error), frame.folder)
        if told is None:
            if os.environ.get("ZGODA_TRACEBACK"):
                raise
            told = _defect(first_error(error))
        message, do, details = told
        frame.voice.fail(message, do, **details)


def explain(error: BaseException, folder: Path) -> tuple[str, str, dict[str, Any]] | None:
    """What an error means and what to do about it, with details for programs; None if nobody expected it."""
    import psycopg
    import psycopg_pool

    from zgoda.db.binaries import EmbeddedError
    from zgoda.db.migrate import TooNew
    from zgoda.kit.errors import ConnectorError, Halted, NeedsAttention
    from zgoda.settings.faults import ProjectError
    from zgoda.settings.opening import Unresolved

    match error:
        case ProjectError():
            return _faulty_project(error, folder)
        case Unresolved():
            return str(error), "set the variable or write the file (`zgoda doctor` lists all of them)", {}
        case TooNew():
            return str(error), "install the newer version again; a store never goes back", {}
        case EmbeddedError():
            return str(error), "`zgoda doctor` looks closer", {}
        case NeedsAttention():
            return str(error), error.do or "mend it in the vendor's system, then `zgoda check`", {}
        case Halted():
            return str(error), "`zgoda status` shows the switches, `zgoda kill --off` lets go on", {}
        case ConnectorError():
            return str(error), "try again; `zgoda check` asks every system, `zgoda doctor` looks closer", {}
        case psycopg.OperationalError() | psycopg_pool.PoolTimeout():
            words = str(error).strip().partition("\n")[0] or type(error).__name__
            return f"the store does not answer: {words}", "is PostgreSQL running? see `zgoda doctor`", {}
        case PermissionError() | FileNotFoundError() | NotADirectoryError() | IsADirectoryError():
            return f"{error.filename}: {error.strerror}", "", {}
        case _:
            return None


def _faulty_project(error: Any, folder: Path) -> tuple[str, str, dict[str, Any]]:
    from zgoda.settings.root_file import ROOT_FILE

    details = {"faults": msgspec.to_builtins(error.faults)}
    if not (folder / ROOT_FILE).exists():
        do = "`zgoda init FOLDER` writes one; `-C FOLDER` or $ZGODA_PROJECT names one that exists"
        return f"there is no project in {folder} (no {ROOT_FILE})", do, details
    return f"the project in {folder} has faults\n{error}", "mend them, then `zgoda validate`", details


def _defect(error: BaseException) -> tuple[str, str, dict[str, Any]]:
    """Only where it happened: what an unexpected error says may hold personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    do = "set ZGODA_TRACEBACK=1 and run it again for the whole trace, then please report it"
    return f"a defect in zgoda: {type(error).__name__} at {place}", do, {}


def first_error(error: BaseException) -> BaseException:
    """The innermost first error of nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


@asynccontextmanager
async def store_of(frame: Frame) -> AsyncGenerator[Store]:
    """The project's open store."""
    from zgoda.app import open_store, read_project
    from zgoda.entrypoints.cli.logs import configure_logs
    from zgoda.settings.opening import read_secret_file, store_url

    configure_logs()
    project = read_project(frame.folder)
    if url := store_url(project, os.environ, read_secret_file):
        await greet(url)
    async with open_store(project) as store:
        yield store


async def greet(url: str) -> str:
    """Connect to a given PostgreSQL once, so that one that does not answer is told at once and in its own words.

    Returns its version. Raises `psycopg.OperationalError`.
    """
    import psycopg

    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=STORE_ANSWERS_S) as connection:
            return f"{connection.info.server_version // 10000}"
    except psycopg.ProgrammingError:
        # its message would repeat parts of the URL, and so perhaps the password
        raise psycopg.OperationalError("the store's URL is not one of PostgreSQL") from None


def known_word(voice: Voice, of: str, word: str, known: Iterable[str]) -> str:
    """The word, if it is a known one; else an error with the nearest right word."""
    from zgoda.settings.faults import nearest, shown

    words = tuple(known)
    if word not in words:
        voice.fail(f"there is no {of} {shown(word)!r}", nearest(word, words))
    return word
