"""Telling what was found: lines for a terminal, JSON for programs, docs/benchmarks.md for readers."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
from tools.bench.outcome import Figure, Scale, Scenario

COLUMNS = ("id", "what", "goal", "floor", "ours", "value", "verdict", "rounds", "peers")

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; run it yourself, machines differ. Every goal is a ratio to a *floor* measured in the same run:
a hand-written program that does the same job with the same durability and nothing else (tools/bench/floors). Rounds of
both are interleaved, figures are medians. CPU is user and system time of the hub's process and of all PostgreSQL
processes. A run with wrong rows counts as failed, whatever its time. Peers' numbers were measured elsewhere, with
their own programs, and are for orientation only. A plus after the commit means files not committed yet.
"""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """When, of what and on what kind of machine. Names no host."""

    date: str
    commit: str
    machine: str
    load_before: float
    load_after: float


def machine() -> str:
    memory_gb = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return f"{cores} cores, {memory_gb:.0f} GB, {system}, Python {platform.python_version()}"


def note(load_before: float) -> Note:
    return Note(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=_commit(),
        machine=machine(),
        load_before=round(load_before, 1),
        load_after=round(psutil.getloadavg()[0], 1),
    )


def as_lines(figures: Sequence[Figure], scale: Scale) -> str:
    """A block a figure: they have too much to say for one line of a terminal."""
    lines: list[str] = []
    for figure in figures:
        told = row(figure, scale)
        lines.append(f"{told['id']}: {told['verdict']}    {told['what']}")
        keys = ("goal", "floor", "ours", "value", "rounds", "peers")
        lines.append("    " + "  |  ".join(f"{key} {told[key]}" for key in keys if told[key]))
    return "\n".join(lines)


def row(figure: Figure, scale: Scale) -> dict[str, str]:
    """A figure in words, by column. The times of a quick run are no verdict, only its rows are."""
    sign = "<=" if figure.sense == "at most" else ">="
    verdict = figure.verdict
    if scale is Scale.QUICK and not figure.wrong:
        verdict = "rows exact"
    return {
        "id": figure.id,
        "what": figure.what,
        "goal": f"{sign} {figure.goal:g}{_spaced(figure.value_unit)}" if figure.goal is not None else "",
        "floor": figure.floor,
        "ours": figure.ours,
        "value": f"{figure.value:.2f}{_spaced(figure.value_unit)}",
        "verdict": verdict,
        "rounds": str(figure.rounds),
        "peers": figure.peers,
    }


def write_section(path: Path, scenario: Scenario, figures: Sequence[Figure], taken: Note) -> None:
    """Put a scenario's section into the document in the place of its former one; the others stay as they are."""
    sections = _sections(path)
    sections[scenario.id] = _section(scenario, figures, taken)
    ordered = sorted(sections.items(), key=lambda item: int(item[0][1:]))
    path.write_text("\n".join([INTRODUCTION, *(text for _, text in ordered)]), encoding="utf-8")


def _sections(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    parts = re.split(r"^(?=## P)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {part[3:].split(":")[0]: part.rstrip("\n") + "\n" for part in parts}


def _section(scenario: Scenario, figures: Sequence[Figure], taken: Note) -> str:
    rows = [row(figure, Scale.USUAL) for figure in figures]
    cells = "\n".join("| " + " | ".join(told[name] for name in COLUMNS) + " |" for told in rows)
    return (
        f"## {scenario.id}: {scenario.title}\n\n{scenario.how}\n\n"
        f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n{cells}\n\n"
        f"{taken.date}, commit {taken.commit}; {taken.machine}; load average {taken.load_before} before and "
        f"{taken.load_after} after.\n"
    )


def _spaced(unit: str) -> str:
    return f" {unit.strip()}" if unit else ""


def _commit() -> str:
    """The commit, with a plus when files of the product differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()

    changed = "+" if git("status", "--porcelain", "--", "src", "tools") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed
