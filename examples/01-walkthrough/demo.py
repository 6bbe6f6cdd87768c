"""`make demo`: the road of a commit, verified step by step. Ends with 0 only if every step was seen to hold.

`--cluster real` walks it on a real kube-apiserver (`make e2e-binaries` builds it), not on the embedded control plane.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from real_walkthrough import RealWalkthrough
from walkthrough import APP, Failed, Walkthrough, poll

PLAIN = not (sys.stdout.isatty() and "NO_COLOR" not in os.environ)
GREEN, RED, DIM, RESET = ("", "", "", "") if PLAIN else ("\033[32m", "\033[31m", "\033[2m", "\033[0m")


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Prints a step with its duration; yields a function that prints what was seen."""
    started = time.monotonic()
    seen: list[str] = []
    try:
        yield seen.append
    except BaseException:
        print(f"{RED}✗{RESET} {title} {DIM}({time.monotonic() - started:.1f} s){RESET}", flush=True)
        raise
    print(f"{GREEN}✔{RESET} {title} {DIM}({time.monotonic() - started:.1f} s){RESET}", flush=True)
    for line in seen:
        print(f"    {DIM}{line}{RESET}", flush=True)


def first_sync(walk: Walkthrough) -> None:
    with step(walk.title) as seen:
        walk.start()
        walk.clone_repository()
        seen(f"KUBECONFIG={walk.said['kubeconfig']}")
        seen(f"git clone {walk.said['cloneURL'].replace(walk.said['token'], '***')}")
    with step("the repository is synced: infrastructure first, then the sample app"):
        commit = walk.git("rev-parse", "HEAD")
        walk.applied(commit)
        walk.kubectl("wait", "deployment/nginx", "--for=condition=Available", "--timeout=30s")
        walk.kubectl("get", "namespace", "platform")


def refused_selector(walk: Walkthrough) -> None:
    def rename(text: str) -> str:
        head, selector, rest = text.partition("  selector:\n    matchLabels:\n      app: nginx\n")
        return head.replace("nginx", "nginx-new") + selector + rest.replace("app: nginx", "app: nginx-new")

    with step("(a) name and labels become nginx-new, the selector still says nginx: refused, nginx stays") as seen:
        walk.push("Rename the app, but not its selector", rename)
        seen(walk.refused("`selector` does not match template `labels`", APP, "document 1"))
        if walk.get("deployment", "nginx").get("status", {}).get("readyReplicas") != 2:
            raise Failed("the running Deployment did not stay")


def mended(walk: Walkthrough) -> None:
    def mend(text: str) -> str:
        return text.replace("app: nginx\n  template", "app: nginx-new\n  template").replace(
            "nginx:1.27.0", "nginx:1.27.1"
        )

    with step("(b) the selector is mended, the image set: the source's log shows the commit") as seen:
        with walk.following_logs("source-controller") as line_with:
            commit = walk.push("Mend the selector and update nginx", mend)
            seen(line_with("stored artifact for commit 'Mend the selector and update nginx'").strip()[:160])
            seen(line_with("Reconciliation finished in", commit).strip()[:160])
        walk.applied(commit)
    with step("    kubectl shows the new image, and the old Deployment is gone") as seen:
        path = "jsonpath={.spec.template.spec.containers[0].image}"
        image = walk.kubectl("get", "deployments", "nginx-new", "-o", path)
        if image != "nginx:1.27.1":
            raise Failed(f"the image is {image}")
        seen(image)
        poll(lambda: not walk.get("deployment", "nginx"), "Deployment nginx is pruned", 20)


def bad_input(walk: Walkthrough) -> None:
    good = (walk.clone / APP).read_text()
    with step("(c) invalid YAML: refused with file and line") as seen:
        walk.push("Break the YAML", lambda text: text.replace("spec:\n  replicas: 2", "spec:\n  replicas: [2"))
        seen(walk.refused(f"{APP}:10: "))
    with step("    an unknown field: refused with file, line and field") as seen:
        walk.push("Misspell a field", lambda _: good.replace("          ports:", "          portz:"))
        line = 1 + good[: good.index("          ports:")].count("\n")
        seen(walk.refused("spec.template.spec.containers[0].portz", APP, f"line {line}"))
    with step("    the good state again"):
        walk.applied(walk.push("Back to the good state", lambda _: good))


def drift(walk: Walkthrough) -> None:
    with step("(d) kubectl scale by hand is put back at the next interval (10 s)"):
        walk.kubectl("scale", "deployment", "nginx-new", "--replicas=5")
        poll(lambda: walk.get("deployment", "nginx-new")["spec"]["replicas"] == 2, "2 replicas again", 25)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cluster", choices=("embedded", "real"), default="embedded")
    kind = RealWalkthrough if parser.parse_args().cluster == "real" else Walkthrough
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="afflux-demo-") as folder:
        walk = kind(Path(folder))
        try:
            for part in (first_sync, refused_selector, mended, bad_input, drift):
                part(walk)
            with step("Ctrl-C stops everything; nothing is left running"):
                if (code := walk.stop()) != 0:
                    raise Failed(f"a process ended with {code}")
        except Failed as failure:
            print(f"{RED}{failure}{RESET}\n--- said last:\n{walk.tail()}", file=sys.stderr)
            return 1
        finally:
            if walk.processes():
                walk.kill()
    print(f"{GREEN}every step was verified{RESET} {DIM}({time.monotonic() - started:.1f} s in all){RESET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
