"""Where our answers may differ from the recorded ones, and why. Everything else is a defect."""

from __future__ import annotations

import re
from dataclasses import dataclass

from replay_differences import Difference


@dataclass(frozen=True)
class Allowed:
    """Differences that are as they should be: in a recording, for which requests, at which places.

    ``requests`` and ``places`` are regular expressions that are searched for: in ``command | request`` (``title |
    request`` where a recording has titles), and in the place's path; after the path of a status or a content type comes
    what was recorded.
    """

    recording: str
    requests: str
    places: str
    reason: str
    sometimes: bool = False
    """Whether the difference may be missing: which of two controllers is faster isn't always the same."""

    def covers(self, recording: str, request: str, difference: Difference) -> bool:
        """Whether a difference is this one."""
        place = difference.path
        if place.startswith("("):
            place += f": {difference.recorded}"
        return (
            recording == self.recording
            and re.search(self.requests, request, re.DOTALL) is not None
            and re.search(self.places, place) is not None
        )


_WITH_PROTOBUF = ("real-1.33.json", "real2-1.33.json", "helm-real.json")
_BOTH = ("real-1.33.json", "real-1.27.json")


def _allowed(
    recordings: tuple[str, ...], requests: str, places: str, reason: str, *, sometimes: bool = False
) -> list[Allowed]:
    return [Allowed(recording, requests, places, reason, sometimes) for recording in recordings]


EXCEPTIONS: tuple[Allowed, ...] = (
    # Forms that are not served, and others that are served beyond what 1.36 does.
    *_allowed(
        _WITH_PROTOBUF,
        "",
        r"^\(content type\): application/vnd.kubernetes.protobuf$",
        "protobuf is read but not written; these clients accept JSON as well, and ask for it in the same header",
    ),
    *_allowed(
        ("real-1.27.json",),
        r"GET /apis?(\?timeout=32s)?$",
        "",
        "aggregated discovery is served as v2beta1, too, which 1.36 no longer does: it saves old clients 20 requests",
    ),
    *_allowed(
        (*_BOTH, "helm-real.json"),
        r"GET /openapi/v3\?timeout=32s$",
        "",
        "these clients sent If-Modified-Since, which was not recorded, and got 304 within the same second",
    ),
    # What the recorded server had beside an API server and a controller manager, or did not have.
    *_allowed(
        _BOTH,
        r"GET /api/v1/configmaps\?limit=500$",
        r"^rows$",
        "the recorded server keeps ConfigMaps of its own in kube-system",
    ),
    *_allowed(
        _BOTH,
        r"GET /api/v1/namespaces/demo/events\?limit=500$",
        r"^(rows|items)$",
        "simulated controllers write Events about what goes wrong, not about each Pod",
    ),
    *_allowed(
        ("real-1.27.json",),
        r"describe deploy web .*/events\?",
        r"^items$",
        "simulated controllers write Events about what goes wrong, not about each Pod",
    ),
    *_allowed(
        ("real-1.27.json",),
        r"auth can-i --list ",
        r"^status\.(resourceRules|nonResourceRules)$",
        "the roles that every user of the recorded server has (system:discovery and others) aren't made",
    ),
    # Controllers work at their own pace.
    *_allowed(
        _BOTH,
        r"K replace -f all.yaml \| (GET|PUT) .*/deployments/web",
        r"^status\.conditions\[1\]\.(reason|message)$",
        "the moment between making a ReplicaSet and looking at it was recorded",
        sometimes=True,
    ),
    *_allowed(
        ("real2-1.33.json",),
        r"rollout undo .*GET .*/deployments/d1$",
        r"^status\.conditions\[1\]\.(reason|message)$",
        "the moment between making a ReplicaSet and looking at it was recorded",
        sometimes=True,
    ),
    *_allowed(
        _BOTH,
        r"(delete deploy d1 .*--cascade=orphan|delete crd widgets.example.com) \| GET ",
        "",
        "the moment between a deletion's mark and its end was recorded, and is over sooner here",
        sometimes=True,
    ),
    *_allowed(
        ("helm-real.json",),
        r"GET /(apis/apps/v1/namespaces/hns/(replicasets|deployments)|api/v1/namespaces/hns/pods)\?",
        r"^(items|\(stream\))",
        "states in the middle of rollouts were recorded; here Pods are ready at once",
        sometimes=True,
    ),
    # What is simulated less exactly than a controller manager does it.
    *_allowed(
        ("real2-1.33.json",),
        r"/horizontalpodautoscalers",
        r"^(status|metadata.managedFields|rows\[0\]\.(cells\[5\]|object\.metadata\.managedFields))",
        "the simulated autoscaler finds its target as it should be; the real one had seen no metrics yet",
    ),
    *_allowed(
        ("real2-1.33.json",),
        r"/resourcequotas\?",
        r"^rows\[0\]\.(cells\[1\]|object\.metadata\.managedFields)",
        "quotas are stored, not counted",
    ),
    *_allowed(
        ("real2-1.33.json",),
        r"/namespaces/tmpns/pods\?",
        r"^rows\[2\]\.object\.metadata\.(finalizers|managedFields)",
        "Pods of simulated Jobs have no finalizer for job tracking: nothing counts them later",
    ),
    # Words of Go's parsers, and what only they find.
    Allowed("misc-real.txt", r"^bad json ", r"^message$", "how a parser words what is wrong with JSON is its own"),
    Allowed("misc-real.txt", r"^bad continue ", r"^message$", "how a parser words what is wrong is its own"),
    Allowed("misc-real.txt", r"^bad label selector ", r"^message$", "how a parser words what is wrong is its own"),
    Allowed(
        "misc-real.txt",
        r"PATCH .*/persistentvolumeclaims/p$",
        r"^message$",
        "the server adds a diff of its internal structures, which have fields that no API shows",
    ),
    Allowed(
        "misc-real.txt",
        r"^update deleted obj: add finalizer ",
        r"^details\.causes$",
        "the server names the same cause twice, the second time without its field",
    ),
    Allowed(
        "misc-real.txt",
        r"^unauth ",
        "",
        "requests without credentials are 401: there is no anonymous user, as with --anonymous-auth=false",
    ),
)
