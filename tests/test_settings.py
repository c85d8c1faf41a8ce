"""Settings: flags over environment over defaults, and what is wrong is told by its name."""

from pathlib import Path

import pytest

from app.errors import InvalidValue
from app.settings import Settings, read_settings


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE_DIR", "ONNX", "SSL_CERTFILE", "THREADS", "PROVIDER"):
        monkeypatch.setenv(f"CONVSCOPE_{name}", "")
    settings = read_settings()
    assert (settings.onnx, settings.ssl_certfile, settings.threads, settings.provider) == (None, None, 0, "auto")
    assert settings.cache_dir == Settings.model_fields["cache_dir"].default
    monkeypatch.setenv("CONVSCOPE_PULL_URLS", "")
    assert read_settings().pull_urls == "", "a text may be empty: from nowhere"
    assert read_settings(onnx="", cache_bytes="").cache_bytes == Settings.model_fields["cache_bytes"].default


def test_the_home_folder_is_found_without_a_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONVSCOPE_CACHE_DIR", "~/cache")
    assert read_settings().cache_dir == tmp_path / "cache"
    assert read_settings(cache_dir="~/other").cache_dir == tmp_path / "other"
    assert read_settings(onnx="~nobody-of-that-name.onnx").onnx == Path("~nobody-of-that-name.onnx")


def test_words_may_have_capitals_and_a_prefix_any_number_of_slashes() -> None:
    settings = read_settings(log_level="DEBUG", provider="CPU", root_path="lab/")
    assert (settings.log_level, settings.provider, settings.root_path) == ("debug", "cpu", "/lab")
    assert read_settings(root_path="/").root_path == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("provider", "tpu", "--provider is 'tpu': Input should be 'auto', 'cpu', 'cuda' or 'tensorrt'."),
        ("manifest", "mine.json", "--manifest is 'mine.json': it tells of an ONNX file of your own"),
        ("cache_bytes", -1, "--cache-bytes is -1: Input should be greater than or equal to 0."),
    ],
)
def test_what_is_wrong_is_told_with_the_flag(name: str, value: object, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read_settings(**{name: value})
    assert caught.value.detail.startswith(message)


def test_what_is_wrong_in_the_environment_is_told_with_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_PORT", "http")
    with pytest.raises(InvalidValue, match="CONVSCOPE_PORT is 'http'"):
        read_settings()
