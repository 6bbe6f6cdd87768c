import aiohttp
import pytest

from afflux.runtime.endpoints import serve_health, serve_metrics
from afflux.runtime.metrics import RECONCILE_BUCKETS, Metrics


async def get(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_readiness_names_what_is_waited_for() -> None:
    missing = ["GitRepository", "Kustomization"]
    async with serve_health("127.0.0.1:0", lambda: missing) as bound:
        assert await get(f"http://{bound}/readyz") == (503, "waiting for: GitRepository, Kustomization\n")
        assert await get(f"http://{bound}/healthz") == (200, "ok")
        missing.clear()
        assert await get(f"http://{bound}/readyz") == (200, "ok")


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("127.0.0.1", 200), ("evil.example", 403), ("[::1", 403), ("a:b:c", 403)],
)
async def test_a_local_listener_answers_to_its_own_names_only(host: str, status: int) -> None:
    async with serve_metrics("127.0.0.1:0", Metrics.create()) as bound:
        assert (await get(f"http://{bound}/metrics", Host=host))[0] == status


def test_durations_are_counted_in_ten_buckets_from_ten_milliseconds_to_half_an_hour() -> None:
    assert len(RECONCILE_BUCKETS) == 10
    assert (RECONCILE_BUCKETS[0], round(RECONCILE_BUCKETS[-1])) == (0.01, 1800)
