"""Log lines for people on standard error, for the verbs that aren't Flux's controllers."""

from __future__ import annotations

import sys

import structlog


def configure_console_log() -> None:
    """From now on. Tracebacks come without local variables: those hold tokens and Secrets."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
