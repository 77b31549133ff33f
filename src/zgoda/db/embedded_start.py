"""Making a cluster and starting its server: settings, version check, and why it did not work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from zgoda.db.binaries import Binaries, EmbeddedError, find_account, find_binaries, spawn
from zgoda.db.embedded_folder import (
    DataFolder,
    is_made,
    make_private,
    open_owned,
    path_for_server,
    remove_partial,
)
from zgoda.db.embedded_process import Lock, clear_leftovers, describe_server, server_tag

# How the supervisor itself reaches the server and finds its log; not open to the caller's settings.
FIXED_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": "../socket",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "logging_collector": "on",
    "log_directory": "../log",
    "log_filename": "postgresql-%a.log",
}
NOT_SETTABLE = frozenset(
    {*FIXED_SETTINGS, "cluster_name", "config_file", "data_directory", "external_pid_file", "hba_file", "ident_file"}
)
# A hub on a small machine. Rows are personal data, and PostgreSQL quotes them: statements in the log, values in its
# errors, keys in their details. Level "log" leaves errors to the client that caused them, "terse" leaves out details.
DEFAULT_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
INITDB_OPTIONS = (
    "--username=zgoda",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth-local=trust",
    "--auth-host=reject",
    "--no-instructions",
)


def settings_as_options(settings: Mapping[str, str]) -> list[str]:
    """`settings` over the defaults, as options for the postgres program. EmbeddedError for one that is not settable."""
    for name, value in settings.items():
        if name in NOT_SETTABLE or not re.fullmatch(r"[a-z_][a-z0-9_.]*", name) or "\0" in value:
            raise EmbeddedError(
                f"The setting {name!r} cannot be given to the embedded PostgreSQL. Leave it out, or give Zgoda the URL "
                "of a PostgreSQL server of your own."
            )
    merged = {**DEFAULT_SETTINGS, **settings, **FIXED_SETTINGS}
    return [option for name, value in merged.items() for option in ("-c", f"{name}={value}")]


def start_server(folder: DataFolder, lock: Lock, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the server of `folder`, after making its cluster if there is none. It is not ready yet.

    `lock` is the server lock, taken by the caller; the server inherits it and holds it until its last process ends.
    """
    binaries = find_binaries(folder.owner)
    if not is_made(folder):
        _make_cluster(folder, binaries, lock)
    _check_version(folder, binaries)
    clear_leftovers(folder)
    tag = server_tag(folder)
    describe_server(lock, binaries.version, tag)
    where = str(path_for_server(folder, folder.cluster))
    command = [binaries.program("postgres"), "-D", where, "-c", f"cluster_name={tag}", *options]
    return _spawn_logged(folder, folder.cluster, command, lock, detached=True)


def why_not(folder: DataFolder, what: str) -> str:
    """A sentence with the last complaint in the logs. A server complains to start.log until its own log runs."""
    daily = max(folder.log.glob("postgresql-*.log"), key=lambda log: log.stat().st_mtime, default=folder.log)
    for log in (folder.log / "start.log", daily):
        text = log.read_text(errors="replace") if log.is_file() else ""
        this_start = text.rpartition("LOG:  starting PostgreSQL")[2].splitlines()
        complaints = [line for line in this_start if re.search(r"\b(error|FATAL|PANIC|No space left)\b", line)]
        if complaints:
            full = any("No space left" in line for line in complaints)
            advice = "The disk is full: free some space there" if full else f"Look into {log}"
            return f"{what} in {folder.path}: {complaints[-1].strip()[-400:]}. {advice} and try again."
    return f"{what} in {folder.path}. Look into {folder.log} and try again."


def _make_cluster(folder: DataFolder, binaries: Binaries, lock: Lock) -> None:
    """Make the cluster under another name, and give it its own only when it is complete and on disk."""
    if find_account(folder.owner.uid) is None:
        raise EmbeddedError(
            f"The user id {folder.owner.uid} has no name on this system, and PostgreSQL's initdb needs one to make "
            f"{folder.cluster}. Add it to /etc/passwd, or give Zgoda the URL of a PostgreSQL server of your own."
        )
    remove_partial(folder)
    make_private(folder.partial, folder.owner)
    where = str(path_for_server(folder, folder.partial))
    command = [binaries.program("initdb"), "-D", where, *INITDB_OPTIONS]
    initdb = _spawn_logged(folder, folder.partial, command, lock, detached=False)
    try:
        code = initdb.wait()
    except BaseException:
        initdb.send_signal(signal.SIGINT)
        raise
    if code != 0:
        raise EmbeddedError(why_not(folder, "PostgreSQL could not make its files"))
    folder.partial.rename(folder.cluster)
    _sync(folder.path)


def _check_version(folder: DataFolder, binaries: Binaries) -> None:
    found = (folder.cluster / "PG_VERSION").read_text(errors="replace")[:20].strip()
    if found != binaries.major:
        raise EmbeddedError(
            f"{folder.cluster} was made by PostgreSQL {found}, and this Zgoda brings PostgreSQL {binaries.version}. "
            "Back it up with the Zgoda that made it and restore the backup into an empty folder."
        )


def _spawn_logged(
    folder: DataFolder, cwd: Path, command: Sequence[str], lock: Lock, *, detached: bool
) -> subprocess.Popen[bytes]:
    output = open_owned(folder.log / "start.log", folder.owner)
    try:
        os.ftruncate(output, 0)
        return spawn(folder.owner, command, cwd=cwd, output=output, keep_open=(lock.fd,), own_session=detached)
    finally:
        os.close(output)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
