"""What the control plane's process writes when something inside it goes wrong."""

import pytest
import structlog

from afflux.cli.console_log import configure_console_log


def test_a_traceback_in_the_log_holds_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        configure_console_log()
        _fail("the-token-of-the-admin")
    finally:
        structlog.reset_defaults()
    written = capsys.readouterr().err
    assert "ZeroDivisionError" in written
    assert "the-token-of-the-admin" not in written


def _fail(token: str) -> None:
    local = [token]
    try:
        assert local
        _ = 1 // 0
    except ZeroDivisionError:
        structlog.get_logger().exception("request failed", path="/api")
