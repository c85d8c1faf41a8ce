"""The log: a line a request with its id, in both forms, never two lines for one."""

import json
import logging
import sys
import time
from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from app.logs import REQUEST_ID, JsonFormatter, TextFormatter, configuration


def record(message: str, exc_info: Any = None) -> logging.LogRecord:
    return logging.LogRecord("app.x", logging.INFO, "x.py", 1, message, (), exc_info)


def test_every_answer_has_an_id_and_a_line(
    api: httpx.Client, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "convscope.access")
    answers = [api.get("/api/v1/models"), api.get("/nothing"), api.get("/healthz"), api.get("/v2")]
    ids = [answer.headers["request-id"] for answer in answers]
    assert len(set(ids)) == 4
    deadline = time.monotonic() + 10
    while len(caplog.records) < 4 and time.monotonic() < deadline:  # a line comes behind its answer
        time.sleep(0.01)
    lines = [one for one in caplog.records if one.name == "convscope.access"]
    fields = [one.__dict__["fields"] for one in lines]
    assert [one["path"] for one in fields] == ["/api/v1/models", "/nothing", "/healthz", "/v2"]
    assert [one["status"] for one in fields] == [200, 404, 200, 200]
    assert [one["bytes"] for one in fields] == [len(answer.content) for answer in answers]
    assert all(one["milliseconds"] > 0 for one in fields)
    assert [one.levelname for one in lines] == ["INFO", "INFO", "DEBUG", "INFO"]
    assert (
        api.get("/healthz", headers={"X-Request-Id": "from-the-proxy.7"}).headers["request-id"] == "from-the-proxy.7"
    )
    for strange in ("a b", "x" * 65, "<script>"):
        assert api.get("/healthz", headers={"X-Request-Id": strange}).headers["request-id"] != strange


def test_forms() -> None:
    token = REQUEST_ID.set("abc")
    try:
        text = TextFormatter().format(record("one\nline\r\x1b[31m"))
        assert "\n" not in text and "\x1b" not in text and "[abc] one\\nline" in text
        try:
            raise ValueError("broken")
        except ValueError:
            failed = record("failed", sys.exc_info())
        assert "ValueError: broken" in TextFormatter().format(failed)
        line = json.loads(JsonFormatter().format(failed))
        assert (line["message"], line["level"], line["request_id"]) == ("failed", "info", "abc")
        assert "ValueError: broken" in line["exception"]
    finally:
        REQUEST_ID.reset(token)
    assert "request_id" not in json.loads(JsonFormatter().format(record("x")))
    for form in ("text", "json"):
        assert configuration(form, "warning")["root"]["level"] == "WARNING"
