"""Posts alerts from a process of its own, at a steady rate or as fast as answers come; prints what it saw as JSON.

`python -m benchmarks.client PORT TOKEN --requests N --size N --kinds N [--rate PER_SECOND]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from datetime import UTC, datetime

_CONNECTIONS = 16


def body(number: int, *, size: int, kinds: int, start: str) -> bytes:
    """Return a webhook with `size` alerts, ten of each kind, that no other number has."""
    alerts = []
    for each in range(number * size, (number + 1) * size):
        kind = each // 10 % kinds
        labels = {"alertname": f"Kind{kind}", "service": f"stranger-{kind}", "instance": f"host-{each}:9100"}
        alerts.append(
            {
                "status": "firing",
                "labels": {**labels, "severity": "info"},
                "annotations": {"summary": "measured, not meant"},
                "startsAt": start,
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus/graph",
                "fingerprint": f"{kind:06x}{each:010x}",
            }
        )
    return json.dumps({"version": "4", "groupKey": "{}", "truncatedAlerts": 0, "alerts": alerts}).encode()


async def _post(port: int, token: str, due: asyncio.Queue[tuple[float, bytes]]) -> list[tuple[float, int]]:
    """Send what is in the queue, each at its time; return seconds from that time to the answer, and its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seen: list[tuple[float, int]] = []
    while not due.empty():
        moment, sent = due.get_nowait()
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        began = moment or time.monotonic()
        head = f"POST /webhook/alerts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n".encode() + sent)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        seen.append((time.monotonic() - began, int(answer.split(b" ", 2)[1])))
    writer.close()
    return seen


async def _run(given: argparse.Namespace) -> dict[str, object]:
    start = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    bodies = [body(number, size=given.size, kinds=given.kinds, start=start) for number in range(given.requests)]
    due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    began = time.monotonic() + (0.2 if given.rate else 0.0)
    for number, one in enumerate(bodies):
        due.put_nowait((began + number / given.rate if given.rate else 0.0, one))
    seen = await asyncio.gather(*(_post(given.port, given.token, due) for _ in range(_CONNECTIONS)))
    answers = [one for each in seen for one in each]
    return {
        "seconds": time.monotonic() - began,
        "failed": sum(1 for _, status in answers if status >= 300),
        "latencies": [round(latency, 5) for latency, _ in answers],
    }


def main() -> None:
    """Send and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("token")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--kinds", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0)
    print(json.dumps(asyncio.run(_run(parser.parse_args()))))


if __name__ == "__main__":
    main()
