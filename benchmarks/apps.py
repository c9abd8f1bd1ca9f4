"""What the web apps cost: start, predictions, memory, and many visitors at once.

    python benchmarks/apps.py [--source PATH|sample] [--calls 200] [--visitors 20] [--seconds 30]

A project is filled in a temporary folder, then the hub serves it: all pages in one process. The
peers are the smallest apps in the manner of student projects, for two of the use cases: they load
the registered model with scikit-learn at start and answer with its probability alone. All calls go
over HTTP through gradio's queue, as on a Space. Targets: 95 of 100 warm predictions within 100 ms,
300 MB, no failed call. Exits with 1 when one is missed.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from housing import sample

ROOT = Path(__file__).resolve().parents[1]
LATENCY_TARGET, MEMORY_TARGET = 0.1, 300.0  # seconds, MB
START, FIRST = "start to first page, s", "first prediction, s"
HALF, WORST = "warm prediction, half within, s", "warm prediction, 95 of 100 within, s"
MEMORY = "memory after visits, MB"
SETTINGS = {
    "FTI_BACKEND": "embedded",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SERVER_NAME": "127.0.0.1",
}
DAY = date(2026, 1, 1)
PAGES = (
    *("", "titanic", "titanic-monitor", "iris", "iris-monitor", "aurora", "housing"),
    *("whisper", "guess-the-transcription"),
)
LADY = ["female", 1, 38, 1, 0, 80, "C", True, "Mrs"]
SETOSA = [5.0, 3.4, 1.5, 0.2]
PLACE = [59.33, 18.05]
FLAT = ["", "", 55, 2, *[None] * 7, "ours", *PLACE]
EXAMPLES = {  # what is asked, by endpoint of the hub
    "titanic_predict": LADY,
    "iris_predict": SETOSA,
    "aurora_alert": [40, "kiruna"],
    "housing_value": FLAT,
}
PEERS = {
    "titanic": """
import gradio as gr
import fti
from titanic.features import build_features, person
from titanic.model import TRUSTED
model = fti.load_model(fti.login(), "titanic", trusted=TRUSTED).model
def predict(sex, pclass, *others):
    return float(model.predict_proba(build_features(person(pclass, sex, *others)))[0, 1])
text, number, box = gr.Textbox, gr.Number, gr.Checkbox
inputs = [text(), number(), number(), number(), number(), number(), text(), box(), text()]
gr.Interface(predict, inputs, gr.Number(), api_name="predict").launch()
""",
    "iris": """
import gradio as gr
import fti
from iris.features import flower
from iris.model import RECIPE
model = fti.load_model(fti.login(), "iris", trusted=RECIPE.trusted).model
def predict(*given):
    return dict(zip(model.classes_, model.predict_proba(flower(*given))[0].tolist()))
inputs = [gr.Number(), gr.Number(), gr.Number(), gr.Number()]
gr.Interface(predict, inputs, gr.Label(), api_name="predict").launch()
""",
}


def main(
    source: Annotated[str, typer.Option(help="Raw passengers: a CSV, or `sample`.")] = "sample",
    calls: Annotated[int, typer.Option(min=20, help="Warm predictions of each app.")] = 200,
    visitors: Annotated[int, typer.Option(min=1, help="Visitors at once.")] = 20,
    seconds: Annotated[float, typer.Option(min=1, help="How long they stay.")] = 30.0,
) -> None:
    """Measure the hub and its peers."""
    peers = {}
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, **SETTINGS, "FTI_HOME": home, "PYTHONPATH": str(ROOT)}
        fill(source, env)
        with App([str(ROOT / "spaces" / "hub" / "app.py")], env) as hub:
            ours = {name: hub.time_calls(name, given, calls) for name, given in EXAMPLES.items()}
            crowd = together(hub, visitors, seconds)
            ours["hub"] = {START: hub.start, MEMORY: hub.memory()}
        for name, code in PEERS.items():
            with App(["-c", code], env) as peer:
                peers[name] = peer.time_calls("predict", EXAMPLES[f"{name}_predict"], calls)
                peers[name] |= {START: peer.start, MEMORY: peer.memory()}
    show(ours, peers)
    errors = tell(crowd, visitors, seconds)
    slow = max(ours[name][WORST] for name in EXAMPLES) > LATENCY_TARGET
    if errors or slow or ours["hub"][MEMORY] > MEMORY_TARGET:
        raise typer.Exit(1)


def fill(source: str, env: dict[str, str]) -> None:
    """Run the day of all use cases; of flats two years with three sales a day."""
    source = source if source == "sample" else str(Path(source).resolve())
    flats = Path(env["FTI_HOME"], "flats.parquet")
    sample.sales(DAY - timedelta(days=730), DAY, per_day=3).to_parquet(flats)
    every = {"titanic": source, "iris": "sample", "aurora": "sample", "housing": str(flats)}
    for name, of in track(every.items(), "filling a project"):
        run = [sys.executable, "-m", name, "--source", of, "--date", DAY.isoformat()]
        subprocess.run(run, cwd=ROOT, env=env, check=True, capture_output=True)


class App:
    """A running app: its address, process, and the seconds from its start to its first page."""

    def __init__(self, command: list[str], env: dict[str, str]):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env={**env, "GRADIO_SERVER_PORT": str(port)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._first_page()
        except BaseException:
            self.__exit__()
            raise
        self.start = time.perf_counter() - began

    def __enter__(self) -> App:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()

    @retry(
        wait=wait_fixed(0.02),
        stop=stop_after_delay(120),
        retry=retry_if_exception_type(httpx.TransportError),
    )
    def _first_page(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError("the app has ended before its first page")
        self.http.get("/").raise_for_status()

    def memory(self) -> float:
        """Give the resident MB of the app."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def time_calls(self, endpoint: str, given: list[Any], calls: int) -> dict[str, float]:
        """Give seconds: of the first call of an endpoint, and of half and nearly all others."""
        first = seconds_of(lambda: call(self.http, endpoint, given))
        times = [
            seconds_of(lambda: call(self.http, endpoint, given))
            for _ in track(range(calls), endpoint)
        ]
        return {FIRST: first, HALF: statistics.median(times), WORST: nearly_all(times)}


def call(http: httpx.Client, endpoint: str, values: list[Any]) -> Any:
    """Ask an endpoint through the app's queue; give its answer or raise RuntimeError."""
    asked = http.post(f"/gradio_api/call/{endpoint}", json={"data": values}).raise_for_status()
    address = f"/gradio_api/call/{endpoint}/{asked.json()['event_id']}"
    lines = http.get(address).raise_for_status().text.splitlines()
    if "event: complete" not in lines:
        raise RuntimeError(f"{endpoint} answered {lines}")
    return json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))


def together(app: App, visitors: int, seconds: float) -> list[float | Exception]:
    """Let visitors look at pages and ask all models, without a pause; give seconds per call.

    What failed is in it as its error.
    """
    end = time.monotonic() + seconds

    def stay(visitor: int) -> list[float | Exception]:
        done: list[float | Exception] = []
        with httpx.Client(base_url=app.http.base_url, timeout=60) as http:
            while time.monotonic() < end:
                try:
                    http.get(f"/{PAGES[(visitor + len(done)) % len(PAGES)]}").raise_for_status()
                    for endpoint, values in EXAMPLES.items():
                        done.append(seconds_of(partial(call, http, endpoint, values)))
                except (httpx.HTTPError, RuntimeError) as error:
                    done.append(error)
        return done

    print(f"{visitors} visitors for {seconds:g} seconds ...")
    with ThreadPoolExecutor(visitors) as pool:
        return [one for calls in pool.map(stay, range(visitors)) for one in calls]


def seconds_of(action: Callable[[], Any]) -> float:
    """Do something and give how long it took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def nearly_all(times: list[float]) -> float:
    """Give the time within which 95 of 100 stay."""
    return statistics.quantiles(times, n=20)[-1]


def show(ours: dict[str, dict[str, float]], peers: dict[str, dict[str, float]]) -> None:
    """Print what was measured of both, and the ratio; the hub stands beside both its peers."""
    table = Table(title="the hub, and an app of one model in the manner of student projects")
    for name in ("", "ours", "peer", "ours / peer", "target"):
        table.add_column(name, justify="right" if name else "left")
    limits = {WORST: f"<= {LATENCY_TARGET:g}", MEMORY: f"<= {MEMORY_TARGET:g}"}
    for endpoint in EXAMPLES:
        name = endpoint.partition("_")[0]
        theirs = peers.get(name, {})
        mine = ours[endpoint] | (ours["hub"] if theirs else {})
        for what in (each for each in (START, FIRST, HALF, WORST, MEMORY) if each in mine):
            values = (mine[what], theirs[what], mine[what] / theirs[what]) if theirs else ()
            row = [f"{value:.3g}" for value in values or (mine[what],)]
            table.add_row(f"{name}: {what}", *row, *[""] * (3 - len(row)), limits.get(what, ""))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def tell(crowd: list[float | Exception], visitors: int, seconds: float) -> int:
    """Print how the visitors fared; give how many of their calls failed."""
    times = [one for one in crowd if isinstance(one, float)]
    errors = [one for one in crowd if not isinstance(one, float)]
    print(
        f"{visitors} visitors: {len(times) / seconds:.0f} predictions a second, half within "
        f"{statistics.median(times):.3f} s, 95 of 100 within {nearly_all(times):.3f} s, "
        f"{len(errors)} failed (target: 0) {errors[:1] or ''}"
    )
    return len(errors)


if __name__ == "__main__":
    typer.run(main)
