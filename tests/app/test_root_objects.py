"""The objects that `up` makes."""

from afflux.app.remote_source import split_credentials
from afflux.app.root_objects import Root, root_objects, stand_in


def test_the_root_follows_a_repository_with_its_credentials_in_a_secret() -> None:
    secret, source, kustomization = root_objects(Root("http://h/r.git", "main", "./clusters/a", "git", "t0ken"))
    assert secret["stringData"] == {"username": "git", "password": "t0ken"}
    assert source["spec"]["secretRef"] == {"name": "flux-system"}
    assert (source["spec"]["url"], source["spec"]["ref"]) == ("http://h/r.git", {"branch": "main"})
    assert kustomization["spec"]["path"] == "./clusters/a"
    assert kustomization["spec"]["sourceRef"] == {"kind": "GitRepository", "name": "flux-system"}


def test_a_public_repository_has_no_secret() -> None:
    kinds = [manifest["kind"] for manifest in root_objects(Root("https://h/r", "main", "./"))]
    assert kinds == ["GitRepository", "Kustomization"]


def test_the_root_is_not_redirected_by_what_it_applies() -> None:
    for manifest in root_objects(Root("http://h/r.git", "main", "./", "git", "t0ken")):
        assert manifest["metadata"]["annotations"] == {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}


def test_credentials_in_a_url_go_into_the_secret_only() -> None:
    remote = split_credentials("https://me:p%40ss@git.example.com:8443/org/repo")
    assert remote.url == "https://git.example.com:8443/org/repo"
    assert (remote.username, remote.password) == ("me", "p@ss")
    assert "p@ss" not in repr(remote)


def test_a_stand_in_is_what_flux_tools_look_for() -> None:
    deployment = stand_in("source-controller")
    assert deployment["metadata"]["labels"]["app.kubernetes.io/part-of"] == "flux"
    assert deployment["spec"]["template"]["spec"]["containers"][0]["name"] == "manager"
