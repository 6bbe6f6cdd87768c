"""How long does a build take, beside ``kubectl kustomize``, and does its cost grow linearly?

    python bench/kustomize.py [--sizes 400,1000,2000,4000] [--shapes plain,...] [--repeats 5] [--kubectl-up-to 4000]
                              [--stop-at 15]

Every shape is built in a process of its own by both programs; times are medians of wall-clock seconds of the whole
process, ``in process`` is the build alone, memory is the process's peak. Nothing else should run meanwhile. With
``--stop-at`` kubectl is ended when it has taken so many times our median: its time is then a lower bound (``>``).
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
KUBECTL = REPOSITORY / ".venv" / "bin" / "kubectl"

Tree = dict[str, str]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{i}
  labels:
    app: app-{i}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: app-{i}
  template:
    metadata:
      labels:
        app: app-{i}
    spec:
      serviceAccountName: app-{i}
      containers:
      - name: main
        image: registry.example.com/team/app-{i}:1.0.{i}
        args: ["--port=8080", "--name=app-{i}"]
        env:
        - name: CONFIG
          valueFrom:
            configMapKeyRef:
              name: config-{i}
              key: value
        ports:
        - containerPort: 8080
        resources:
          limits: {{cpu: "1", memory: 256Mi}}
      volumes:
      - name: config
        configMap:
          name: config-{i}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: app-{i}
spec:
  selector:
    app: app-{i}
  ports:
  - port: 80
    targetPort: 8080
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-{i}
data:
  value: "{i}"
  file.conf: |
    key = value
    other = {i}
"""
ACCOUNT = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app-{i}
"""
KINDS = (DEPLOYMENT, SERVICE, CONFIG, ACCOUNT)


def documents(count: int) -> str:
    """``count`` resources of four kinds that refer to each other."""
    return "---\n".join(KINDS[i % 4].format(i=i // 4) for i in range(count))


def plain(count: int) -> Tree:
    return {"kustomization.yaml": json.dumps({"resources": ["all.yaml"]}), "all.yaml": documents(count)}


def prefix(count: int) -> Tree:
    overlay = {
        "resources": ["base"],
        "namePrefix": "pre-",
        "commonLabels": {"team": "a"},
        "images": [{"name": "registry.example.com/team/app-1", "newTag": "2"}],
    }
    return {"kustomization.yaml": json.dumps(overlay), **under("base", plain(count))}


def patch_each(count: int) -> Tree:
    patches = [{"patch": json.dumps(service_patch(f"app-{i}"))} for i in range(count)]
    services = "---\n".join(SERVICE.format(i=i) for i in range(count))
    return {"kustomization.yaml": json.dumps({"resources": ["all.yaml"], "patches": patches}), "all.yaml": services}


def service_patch(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"type": "LoadBalancer"}}


def replacement_each(count: int) -> Tree:
    replacements = [
        {
            "source": {"kind": "ConfigMap", "name": f"config-{i}", "fieldPath": "data.value"},
            "targets": [{"select": {"kind": "Deployment", "name": f"app-{i}"}, "fieldPaths": ["metadata.labels.app"]}],
        }
        for i in range(count // 4)
    ]
    tree = plain(count)
    return {**tree, "kustomization.yaml": json.dumps({"resources": ["all.yaml"], "replacements": replacements})}


def components(count: int) -> Tree:
    tree = under("base", plain(count))
    names = [f"component-{i}" for i in range(20)]
    for i, name in enumerate(names):
        component = {
            "apiVersion": "kustomize.config.k8s.io/v1alpha1",
            "kind": "Component",
            "patches": [{"target": {"kind": "Service"}, "patch": json.dumps(annotated(f"c{i}"))}],
        }
        tree[f"{name}/kustomization.yaml"] = json.dumps(component)
    return {**tree, "kustomization.yaml": json.dumps({"resources": ["base"], "components": names})}


def annotated(value: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "any", "annotations": {value: value}}}


def layers(count: int) -> Tree:
    tree = under("layer-0", plain(count))
    for i in range(1, 5):
        layer = {"resources": [f"../layer-{i - 1}"], "nameSuffix": f"-{i}", "commonAnnotations": {f"layer-{i}": "yes"}}
        tree[f"layer-{i}/kustomization.yaml"] = json.dumps(layer)
    return {**tree, "kustomization.yaml": json.dumps({"resources": ["layer-4"]})}


def generators(count: int) -> Tree:
    made = [{"name": f"config-{i}", "literals": [f"a={i}", "b=c"]} for i in range(count)]
    return {"kustomization.yaml": json.dumps({"configMapGenerator": made})}


def under(directory: str, tree: Tree) -> Tree:
    return {f"{directory}/{path}": text for path, text in tree.items()}


SHAPES: dict[str, Callable[[int], Tree]] = {
    "plain": plain,
    "prefix+labels+images": prefix,
    "patch each": patch_each,
    "replacement each": replacement_each,
    "20 components": components,
    "5 layers": layers,
    "generators": generators,
}

CHILD = """\
import resource, sys, time
from afflux.kustomize import DiskFileSystem, build
start = time.perf_counter()
text = build(DiskFileSystem("/"), sys.argv[1]).to_yaml()
seconds = time.perf_counter() - start
open(sys.argv[2], "w").write(text)
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure_afflux(root: Path, output: Path) -> tuple[float, float, float]:
    """Wall seconds of the process, seconds of the build, peak MB."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CHILD, root, output], capture_output=True, text=True, check=True)
    inside, peak = done.stdout.split()
    return time.perf_counter() - start, float(inside), int(peak) / 1024


def measure_kubectl(root: Path, output: Path, patience: float | None) -> tuple[float, float, bool]:
    """Wall seconds of the process, peak MB, and whether it came to an end."""
    start = time.perf_counter()
    with output.open("w") as into:
        process = subprocess.Popen([KUBECTL, "kustomize", root], stdout=into, stderr=subprocess.DEVNULL)
        try:
            ended = process.wait(patience) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            ended = False
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, ended


def compare(shape: str, size: int, repeats: int, with_kubectl: bool, stop_at: float | None) -> None:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()
        for path, text in SHAPES[shape](size).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        ours = [measure_afflux(root, root / "ours.txt") for _ in range(repeats)]
        wall, inside, peak = (statistics.median(column) for column in zip(*ours, strict=True))
        line = f"{shape:22} {size:6} {wall:8.2f} {inside:10.3f} {1e6 * inside / size:8.0f} {peak:7.0f}"
        if with_kubectl:
            patience = None if stop_at is None else stop_at * wall
            theirs = [measure_kubectl(root, root / "theirs.txt", patience) for _ in range(repeats)]
            their_wall, their_peak, _ = (statistics.median(column) for column in zip(*theirs, strict=True))
            whole = all(ended for *_, ended in theirs)
            same = "ended" if not whole else "same" if _equal(root) else "DIFFERENT"
            more = " " if whole else ">"
            line += f" {more}{their_wall:8.2f} {their_peak:7.0f} {more}{their_wall / wall:5.1f}x {same}"
        print(line, flush=True)


def _equal(root: Path) -> bool:
    return (root / "ours.txt").read_text() == (root / "theirs.txt").read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="400,1000,2000,4000")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kubectl-up-to", type=int, default=4000, metavar="SIZE")
    parser.add_argument("--stop-at", type=float, metavar="TIMES", help="end kubectl after so many times our median")
    arguments = parser.parse_args()
    print(
        f"{'shape':22} {'count':>6} {'wall s':>8} {'in process':>10} {'µs each':>8} {'MB':>7} {'kubectl':>9} {'MB':>7}"
    )
    for shape in arguments.shapes.split(","):
        for size in map(int, arguments.sizes.split(",")):
            compare(shape, size, arguments.repeats, size <= arguments.kubectl_up_to, arguments.stop_at)


if __name__ == "__main__":
    main()
