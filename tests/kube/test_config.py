import base64
import json
import sys
from pathlib import Path

import pytest

from afflux.kube.config import TENANT, Impersonation, in_cluster_config, load_config, parse_config
from afflux.kube.errors import ConfigError
from afflux.lang.yaml import dump


def kubeconfig(cluster: dict[str, object] | None = None, user: dict[str, object] | None = None) -> str:
    return dump(
        {
            "current-context": "here",
            "contexts": [
                {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "apps"}},
                {"name": "there", "context": {"cluster": "d", "user": "u"}},
            ],
            "clusters": [
                {"name": "c", "cluster": {"server": "https://one:6443/", **(cluster or {})}},
                {"name": "d", "cluster": {"server": "https://two"}},
            ],
            "users": [{"name": "u", "user": user or {}}],
        }
    )


def test_the_current_context_names_cluster_namespace_and_user() -> None:
    config = parse_config(kubeconfig(user={"as": "jane", "as-groups": ["dev"], "as-user-extra": {"scope": ["a", "b"]}}))
    assert (config.server, config.namespace) == ("https://one:6443", "apps")
    assert config.impersonation == Impersonation("jane", ("dev",), "", {"scope": ("a", "b")})


def test_another_context_can_be_asked_for() -> None:
    config = parse_config(kubeconfig(), "there")
    assert (config.server, config.namespace) == ("https://two", "default")


async def test_a_token_wins_over_a_password_and_shows_in_no_repr() -> None:
    config = parse_config(kubeconfig(user={"token": "s3cret", "username": "u", "password": "p4ss"}))
    assert (await config.credentials.current()).authorization == "Bearer s3cret"
    for shown in (repr(config), repr(config.credentials), repr(await config.credentials.current())):
        assert "s3cret" not in shown and "p4ss" not in shown


async def test_a_password_is_sent_as_basic_credentials() -> None:
    config = parse_config(kubeconfig(user={"username": "u", "password": "p"}))
    assert (await config.credentials.current()).authorization == "Basic " + base64.b64encode(b"u:p").decode()


async def test_a_token_file_is_read_again_after_the_server_refused_its_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "config").write_text(kubeconfig(user={"tokenFile": "token"}))
    credentials = load_config(tmp_path / "config").credentials
    assert (await credentials.current()).authorization == "Bearer one"
    (tmp_path / "token").write_text("two\n")
    assert (await credentials.current()).authorization == "Bearer one"
    credentials.refused(await credentials.current())
    assert (await credentials.current()).authorization == "Bearer two"


PLUGIN = """
import json, os, pathlib, sys
runs = pathlib.Path(sys.argv[1]); runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert info["spec"]["cluster"]["server"] == "https://one:6443", info
status = {"token": "t" + str(len(runs.read_text())), "expirationTimestamp": os.environ["EXPIRES"]}
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


@pytest.mark.parametrize(
    ("expires", "second"), [("2999-01-01T00:00:00Z", "Bearer t1"), ("2001-01-01T00:00:00Z", "Bearer t2")]
)
async def test_a_plugin_runs_again_only_when_its_credential_has_expired(
    tmp_path: Path, expires: str, second: str
) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", PLUGIN, str(tmp_path / "runs")],
        "env": [{"name": "EXPIRES", "value": expires}],
        "provideClusterInfo": True,
    }
    credentials = parse_config(kubeconfig(user={"exec": plugin})).credentials
    assert (await credentials.current()).authorization == "Bearer t1"
    assert (await credentials.current()).authorization == second


async def test_a_plugin_runs_again_once_for_all_whom_its_credential_was_refused_to(tmp_path: Path) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", PLUGIN, str(tmp_path / "runs")],
        "env": [{"name": "EXPIRES", "value": "2999-01-01T00:00:00Z"}],
        "provideClusterInfo": True,
    }
    credentials = parse_config(kubeconfig(user={"exec": plugin})).credentials
    first = await credentials.current()
    credentials.refused(first)
    second = await credentials.current()
    credentials.refused(first)
    assert (second.authorization, await credentials.current()) == ("Bearer t2", second)


async def test_a_plugin_is_told_what_the_kubeconfig_has_for_it(tmp_path: Path) -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "here"}}
    program = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['KUBERNETES_EXEC_INFO'])"
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", program, str(tmp_path / "told")],
        "provideClusterInfo": True,
    }
    credentials = parse_config(kubeconfig({"extensions": [extension]}, {"exec": plugin})).credentials
    with pytest.raises(ConfigError, match="didn't answer with an ExecCredential"):
        await credentials.current()
    assert json.loads((tmp_path / "told").read_text())["spec"]["cluster"]["config"] == {"audience": "here"}


async def test_a_token_file_goes_before_a_token_while_it_can_be_read(tmp_path: Path) -> None:
    text = kubeconfig(user={"token": "fallback", "tokenFile": str(tmp_path / "token")})
    assert (await parse_config(text).credentials.current()).authorization == "Bearer fallback"
    (tmp_path / "token").write_text("fresh")
    assert (await parse_config(text).credentials.current()).authorization == "Bearer fresh"


async def test_an_empty_token_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    credentials = parse_config(kubeconfig(user={"tokenFile": str(tmp_path / "token")})).credentials
    with pytest.raises(ConfigError, match="token is empty"):
        await credentials.current()


async def test_a_plugin_that_is_missing_says_how_to_get_it() -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "installHint": "ask Ann"}
    credentials = parse_config(kubeconfig(user={"exec": plugin})).credentials
    with pytest.raises(ConfigError, match=r"credential plugin 'no-such-plugin': No such file or directory; ask Ann"):
        await credentials.current()


REFUSED = [
    ({}, {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "x"}}, "user 'u': exec: .* aren't run"),
    ({}, {"tokenFile": "/etc/passwd"}, "user 'u': tokenFile: files aren't read"),
    ({"certificate-authority": "/etc/passwd"}, {}, "cluster 'c': certificate-authority: files aren't read"),
    ({"insecure-skip-tls-verify": True}, {}, "cluster 'c': insecure-skip-tls-verify isn't allowed"),
]


@pytest.mark.parametrize(("cluster", "user", "problem"), REFUSED)
def test_a_tenants_kubeconfig_may_not_reach_into_our_machine(
    cluster: dict[str, object], user: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_config(kubeconfig(cluster, user), trust=TENANT)


WRONG = [
    ("a: [", "not valid YAML"),
    ("[]", "not a mapping"),
    ("{}", "no current-context"),
    (kubeconfig().replace("current-context: here", "current-context: gone"), "contexts: no entry 'gone'"),
    (kubeconfig({"server": "ftp://x"}), "cluster 'c': server isn't an http or https URL"),
    (kubeconfig({"certificate-authority-data": "%"}), "certificate-authority-data isn't base64"),
    (kubeconfig({"proxy-url": "socks5://x"}), "proxy-url isn't"),
    (kubeconfig(user={"client-certificate-data": "YQ=="}), "go together"),
    (kubeconfig(user={"client-certificate": "/nowhere"}), "client-certificate /nowhere: No such file"),
    (kubeconfig(user={"as-groups": ["system:masters"]}), "as-groups, as-uid and as-user-extra need a user"),
    (kubeconfig(user={"auth-provider": {"name": "gcp"}}), "auth-provider was removed"),
    (kubeconfig(user={"exec": {"command": "x", "apiVersion": "v9"}}), "exec.apiVersion is 'v9'"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_what_is_wrong_is_named_with_its_file_and_entry(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"kubeconfig my.yaml: .*{problem}"):
        parse_config(text, source="my.yaml")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match="kubeconfig /nowhere/config: No such file"):
        load_config(Path("/nowhere/config"))


async def test_a_pod_finds_its_cluster_in_its_service_account(tmp_path: Path) -> None:
    for name, content in (("ca.crt", "PEM"), ("namespace", "flux-system"), ("token", "t")):
        (tmp_path / name).write_text(content)
    config = in_cluster_config(tmp_path)
    assert (config.namespace, config.ca) == ("flux-system", b"PEM")
    assert (await config.credentials.current()).authorization == "Bearer t"
    assert config.server == "https://kubernetes.default.svc"
    with pytest.raises(ConfigError, match="this isn't a Pod"):
        in_cluster_config(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443")]
)
def test_a_pod_is_told_where_its_api_server_is(tmp_path: Path, host: str, server: str) -> None:
    for name in ("ca.crt", "namespace", "token"):
        (tmp_path / name).write_text("x")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "6443"}
    assert in_cluster_config(tmp_path, environment).server == server
