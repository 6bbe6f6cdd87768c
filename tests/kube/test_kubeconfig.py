"""Where kubeconfigs are found, and several of them as one."""

from pathlib import Path

import pytest

from afflux.kube.config import load_config
from afflux.kube.errors import ConfigError
from afflux.lang.yaml import dump


def write(path: Path, name: str, server: str, current: str | None = None, **user: object) -> Path:
    """A kubeconfig with one cluster, user and context of that name."""
    document = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": user}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(document | ({"current-context": current} if current else {})))
    return path


def test_the_flag_goes_before_the_environment_and_the_environment_before_the_home(tmp_path: Path) -> None:
    flag = write(tmp_path / "flag", "a", "https://flag", "a")
    named = write(tmp_path / "named", "a", "https://named", "a")
    write(tmp_path / ".kube/config", "a", "https://home", "a")
    environment = {"HOME": str(tmp_path), "KUBECONFIG": str(named)}
    assert load_config(flag, None, environment).server == "https://flag"
    assert load_config(None, None, environment).server == "https://named"
    assert load_config(None, None, {"HOME": str(tmp_path)}).server == "https://home"


async def test_of_several_files_the_first_that_has_an_entry_counts_as_a_whole(tmp_path: Path) -> None:
    """The rule of kubectl's documentation: a value or an entry that is set once is never changed."""
    first = write(tmp_path / "1/config", "red", "https://red-1")
    second = write(tmp_path / "2/config", "red", "https://red-2", "blue", token="of-the-second")
    third = write(tmp_path / "3/config", "blue", "https://blue", "red", token="blue-token")
    environment = {"KUBECONFIG": f"{first}:{tmp_path / 'absent'}:{second}::{third}"}
    current = load_config(None, None, environment)
    assert current.server == "https://blue"
    assert (await current.credentials.current()).authorization == "Bearer blue-token"
    red = load_config(None, "red", environment)
    assert red.server == "https://red-1"
    assert (await red.credentials.current()).authorization is None


async def test_file_names_start_from_the_file_that_has_them(tmp_path: Path) -> None:
    first = write(tmp_path / "1/config", "red", "https://red", "red", tokenFile="token")
    second = write(tmp_path / "2/config", "blue", "https://blue", tokenFile="token")
    (tmp_path / "1/token").write_text("one")
    (tmp_path / "2/token").write_text("two")
    environment = {"KUBECONFIG": f"{first}:{second}"}
    for context, token in (("red", "one"), ("blue", "two")):
        credentials = load_config(None, context, environment).credentials
        assert (await credentials.current()).authorization == f"Bearer {token}"


def test_a_variable_that_names_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="KUBECONFIG: no such file: /nowhere/a, /nowhere/b"):
        load_config(None, None, {"KUBECONFIG": "/nowhere/a:/nowhere/b"})


def test_an_empty_file_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    other = write(tmp_path / "other", "a", "https://other", "a")
    assert load_config(None, None, {"KUBECONFIG": f"{tmp_path / 'empty'}:{other}"}).server == "https://other"


def test_without_any_the_ways_to_give_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--kubeconfig, KUBECONFIG or ~/.kube/config"):
        load_config(None, None, {"HOME": str(tmp_path)})
    broken = tmp_path / "broken"
    broken.write_text("a: [")
    with pytest.raises(ConfigError, match=f"kubeconfig {broken}: not valid YAML"):
        load_config(None, None, {"KUBECONFIG": str(broken)})


def test_the_environments_proxy_is_used_unless_the_kubeconfig_names_one(tmp_path: Path) -> None:
    path = write(tmp_path / "config", "a", "https://api.example.com:6443", "a")
    environment = {"HTTPS_PROXY": "http://proxy.example.com:3128"}
    assert load_config(path, None, environment).proxy_url == "http://proxy.example.com:3128"
    path.write_text(path.read_text().replace("server:", "proxy-url: http://other.example.com\n    server:"))
    assert load_config(path, None, environment).proxy_url == "http://other.example.com"
