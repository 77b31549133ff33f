"""Logs go to standard error, one JSON line an event, so that standard output stays the command's own."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs() -> None:
    """Names of loops and connections, never of people. What libraries say about lost database connections is left to
    the errors that follow from them."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
