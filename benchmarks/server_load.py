"""The server under load, against its own predictor in one process, measured in the same run.

    python benchmarks/server_load.py MODEL [FOLDER] [--requests 2000] [--clients 1 8 64] [--endurance 10000]

The server runs as a process of its own and is asked over loopback, one film a request, by clients that send the next
one as soon as they have an answer. Every request is counted: answered, told to come back (503, then sent again after
the time that it names), or lost. Clients, server and predictor share the machine's cores; a client costs time too.
Without FOLDER synthetic radiographs of 512 pixels are sent.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

import cxrlens
from cxrlens.errors import CxrlensError
from cxrlens.serving.predictor import Predictor
from cxrlens.sources.phantom import make_phantom
from cxrlens.sources.phantom.encode import encode_png, to_samples
from cxrlens.sources.walk import find_images

CXRLENS = Path(sys.executable).with_name("cxrlens")


@dataclass
class Tally:
    """What became of the requests."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    lost: int = 0


def films(folder: Path | None, predictor: Predictor) -> list[bytes]:
    """Files that can be read, in memory."""
    if folder is None:
        labels = predictor.network.classes
        made = [make_phantom(labels[i % len(labels)], seed=i, size=512).pixels for i in range(24)]
        return [encode_png(to_samples(pixels, 8)) for pixels in made]
    found = []
    for path in find_images([folder])[0]:
        try:
            predictor(path.read_bytes())
        except CxrlensError:
            continue
        found.append(path.read_bytes())
        if len(found) == 200:
            break
    return found


def alone(predictor: Predictor, data: list[bytes], seconds: float) -> float:
    """Films a second of the predictor in this process, one after the other: decoded and judged, as the server does."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        predictor(data[count % len(data)])
        count += 1
    return count / (time.perf_counter() - start)


async def one_client(asking: httpx.AsyncClient, turns: asyncio.Queue[bytes], tally: Tally) -> None:
    """Sends until there is nothing left to send."""
    while not turns.empty():
        film = turns.get_nowait()
        start = time.perf_counter()
        while True:
            try:
                answer = await asking.post("/v1/predictions", content=film)
            except httpx.HTTPError:
                tally.lost += 1
                break
            tally.statuses[answer.status_code] += 1
            if answer.status_code == 503:
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            if answer.status_code == 200:
                tally.rows[answer.json()["predictions"][0]["status"]] += 1
                tally.seconds.append(time.perf_counter() - start)
            break


async def drive(address: str, data: list[bytes], requests: int, clients: int) -> tuple[Tally, float]:
    """So many requests by so many clients at one time; what became of them, and requests a second."""
    turns: asyncio.Queue[bytes] = asyncio.Queue()
    for number in range(requests):
        turns.put_nowait(data[number % len(data)])
    tally = Tally()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits, trust_env=False) as asking:
        start = time.perf_counter()
        await asyncio.gather(*(one_client(asking, turns, tally) for _ in range(clients)))
        return tally, len(tally.seconds) / (time.perf_counter() - start)


def resident(process: int) -> float:
    """MiB of memory that a process holds now."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def told(tally: Tally, requests: int) -> str:
    """Whether anything was lost, in words."""
    answered = tally.statuses[200]
    others = {status: n for status, n in tally.statuses.items() if status not in (200, 503)}
    missing = requests - answered - sum(others.values())
    words = f"{answered} of {requests} answered, {tally.statuses[503]} times told to come back, {missing} lost"
    return words + (f", others {others}" if others else "")


def main() -> int:
    """Print the figures; 1 where a request was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--requests", type=int, default=2000, help="for each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--endurance", type=int, default=10_000, help="requests over which memory is watched; 0: none")
    parser.add_argument("--options", default="", help="further words for 'cxrlens serve'")
    arguments = parser.parse_args()
    predictor = cxrlens.load(arguments.model)
    data = films(arguments.folder, predictor)
    sizes = [len(film) / 1024 for film in data]
    print(f"{len(data)} films, median {np.median(sizes):.0f} KiB; {len(os.sched_getaffinity(0))} cores")
    command = [str(CXRLENS), "serve", "--model", arguments.model, "--port", "0", *arguments.options.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            address = "http://" + server.stdout.readline().partition("http://")[2].split()[0]
            return measure(predictor, data, address, server.pid, arguments)
        finally:
            server.terminate()


def measure(predictor: Predictor, data: list[bytes], address: str, process: int, arguments: argparse.Namespace) -> int:
    """Each number of clients, next to the predictor alone; then memory."""
    lost = 0
    asyncio.run(drive(address, data, 50, 4))  # warm
    alone(predictor, data, 1.0)
    print(f"{'clients':>8}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'alone/s':>10}{'ratio':>7}")
    for clients in arguments.clients:
        before = alone(predictor, data, 4.0)
        tally, rate = asyncio.run(drive(address, data, arguments.requests, clients))
        reference = (before + alone(predictor, data, 4.0)) / 2
        middle, late = np.percentile(np.array(tally.seconds) * 1000, [50, 99])
        print(f"{clients:>8}{rate:>12.1f}{middle:>9.1f}{late:>9.1f}{reference:>10.1f}{rate / reference:>7.2f}"
              f"  {told(tally, arguments.requests)}")  # fmt: skip
        lost += arguments.requests - len(tally.seconds)
    if arguments.endurance:
        lost += endure(data, address, process, arguments.endurance)
    return 1 if lost else 0


def endure(data: list[bytes], address: str, process: int, requests: int) -> int:
    """Memory of the server after each tenth of many requests."""
    part, sizes, lost = requests // 10, [], 0
    for _tenth in range(10):
        tally, _rate = asyncio.run(drive(address, data, part, 16))
        lost += part - len(tally.seconds)
        sizes.append(resident(process))
    shown = " ".join(f"{size:.0f}" for size in sizes)
    print(f"memory after each {part} of {requests} requests, MiB: {shown}")
    print(f"last ÷ first: {sizes[-1] / sizes[0]:.3f}; {lost} lost")
    return lost


if __name__ == "__main__":
    sys.exit(main())
