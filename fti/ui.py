"""What every web app of the project shares: its look, how it reads the project, how it starts.

An app is a function `build(project=None, *, api_prefix="") -> gr.Blocks` that reads nothing:

    def build(project=None, *, api_prefix=""):
        reader = ui.Reader(project)
        with ui.blocks("Titanic") as demo:
            ...
            ui.health(reader, "titanic", ["titanic"], api_prefix)
        return demo

    if __name__ == "__main__":
        ui.launch(build)

Pieces of HTML are strings of `fti.report`'s kind, escaped, and belong inside one `panel`.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr
import pyarrow as pa

from fti import console, models, projects, published, report, runs
from fti.errors import UserError
from fti.report import percent

log = logging.getLogger(__name__)

TTL = 30.0  # seconds for which all viewers share one read
RETRY = 5.0  # seconds before a read that failed is tried again
HOUR = 3600  # seconds
MAX_UPLOAD = "25mb"
CONCURRENT = 8  # answers of one kind at a time
SESSIONS = 50  # visitors remembered, at 175 KB each in the hub; gradio's default is 10,000
M_ARENA_MAX, ARENAS = -8, 2
PHONE = "40rem"


# Reading the project


class NotYet(UserError):
    """What was asked for is not there yet; the pipeline that makes it has not run."""


class OtherVersion(UserError):
    """What a project holds is not what this version of the code understands."""


class Unreachable(UserError):
    """The project did not answer, or what it holds cannot be read."""


@dataclass(frozen=True)
class Copy:
    """What was read and when (UTC); `problem` is why it is no newer, if the project fell silent."""

    content: Any
    read_at: datetime
    problem: Unreachable | None = None


@dataclass
class _Slot:
    """What is known of one thing to read: a copy, or why there is none; when to look again."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    found: Copy | UserError | None = None
    due: float = 0.0


class Reader:
    """Reads a project for all viewers of an app: each thing once per `ttl` seconds.

    `project` None is the one that `fti.login()` gives when something is first asked for. Every
    method raises NotYet or Unreachable, each with one sentence for the visitor; the log says more.
    """

    def __init__(self, project: Any = None, ttl: float = TTL):
        self._given = project
        self._ttl = ttl
        self._slots: dict[tuple[str, ...], _Slot] = {}
        self._lock = threading.Lock()

    def published(self, use_case: str, name: str) -> Any:
        """Give a published file as `fti.read_published` does."""
        return self._newest(self.copy(use_case, name))

    def copy(self, use_case: str, name: str) -> Copy:
        """Give a published file, an older copy of it while the project does not answer."""
        return self._copy(
            ("published", use_case, name), lambda project, _: _published(project, use_case, name)
        )

    def model(self, name: str) -> models.ModelFiles:
        """Give the files of the latest version of a model, downloaded once per version."""
        read = self._copy(("model", name), lambda project, old: _model(project, name, old))
        return self._newest(read)

    def version(self, name: str) -> int:
        """Give the number of the latest version of a model, without downloading it."""
        read = self._copy(("version", name), lambda project, _: int(_latest(project, name).version))
        return self._newest(read)

    def _newest(self, copy: Copy) -> Any:
        if copy.problem is not None:
            raise Unreachable(str(copy.problem))
        return copy.content

    def _copy(self, key: tuple[str, ...], read: Callable[[Any, Any], Any]) -> Copy:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
        # While one viewer reads, the others take the copy there is; the first ones wait for it.
        if slot.lock.acquire(blocking=not isinstance(slot.found, Copy)):
            try:
                if time.monotonic() >= slot.due:
                    slot.found = self._look(key, slot.found, read)
                    slot.due = time.monotonic() + self._wait(slot.found)
            finally:
                slot.lock.release()
        if isinstance(slot.found, Copy):
            return slot.found
        raise type(slot.found)(str(slot.found))  # a new one: each collects its own traceback

    def _look(
        self, key: tuple[str, ...], old: Copy | UserError | None, read: Callable[[Any, Any], Any]
    ) -> Copy | UserError:
        now = datetime.now(UTC)
        has_copy = isinstance(old, Copy)
        try:
            content = read(self._project(), old.content if has_copy else None)
        except NotYet as error:
            return error
        except Exception:  # whatever a client, a network or a disk comes up with
            log.warning("%s could not be read", " ".join(key[1:]), exc_info=True)
            problem = Unreachable(
                f"The project did not answer at {utc(now)}. This page asks again by itself."
            )
            return replace(old, problem=problem) if has_copy else problem
        return Copy(content, now)

    def _wait(self, found: Copy | UserError) -> float:
        failed = isinstance(found, Unreachable) or (
            isinstance(found, Copy) and found.problem is not None
        )
        return min(self._ttl, RETRY) if failed else self._ttl

    def _project(self) -> Any:
        return shared_project() if self._given is None else self._given


@contextmanager
def understood(use_case: str) -> Iterator[None]:
    """Raise OtherVersion for what comes of reading files of another shape than expected."""
    try:
        yield
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        log.warning("what %s has published cannot be understood", use_case, exc_info=True)
        raise OtherVersion(
            "The model or what it published was made by another version of the code than this "
            f"page: run `python -m {use_case}` again."
        ) from error


def answered(use_case: str, ask: Callable[[], dict]) -> dict:
    """Give what an endpoint answers, or raise gr.Error with the sentence that says why not."""
    try:
        with understood(use_case):
            return ask()
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error


_login = threading.Lock()


def shared_project() -> Any:
    """Give the project of this process, opened at the first call that succeeds."""
    with _login:
        return _opened(projects.backend(), str(projects.home()))


@lru_cache(maxsize=1)
def _opened(backend: str, home: str) -> Any:
    """Log in; the arguments only tell projects apart. An error is not kept."""
    return projects.login()


def _published(project: Any, use_case: str, name: str) -> Any:
    try:
        return published.read_published(project, use_case, name)
    except published.PublishedError as error:
        folder, api = published.FOLDER, project.get_dataset_api()
        if not api.exists(folder):
            raise Unreachable(f"The project has no folder {folder}.") from error
        if api.exists(f"{folder}/{use_case}/{name}"):  # it cannot be read
            raise
        raise NotYet(str(error)) from error


def _model(project: Any, name: str, old: models.ModelFiles | None) -> models.ModelFiles:
    version = int(_latest(project, name).version)
    if old is not None and old.version == version:
        return old
    return models.fetch_model(project, name, version)


def _latest(project: Any, name: str) -> Any:
    found = models.latest_model(project, name)
    if found is None:
        raise NotYet(f"No version of the model {name} is registered yet: run `python -m {name}`.")
    return found


# Look

CSS = f"""
:root {{ color-scheme: light; {report.PALETTE} }}
.dark {{ color-scheme: dark; }}
.fti {{
  font: 16px/1.5 system-ui, sans-serif; color: var(--ink); overflow-wrap: break-word;
  {report.PIECES}
  & > section:first-child > h2, & > h2:first-child {{ margin-top: .4rem; }}
  .notice {{ background: var(--card); border: 1px solid var(--line); border-left-width: .3rem;
    border-radius: .4rem; padding: .7rem 1rem; margin: .6rem 0; }}
  .notice.unreachable, .notice.stale {{ border-left-color: var(--warn); }}
  .notice.loading {{ border-left-color: var(--accent); }}
  .badge {{ display: inline-block; border: 1px solid currentColor; border-radius: 1rem;
    padding: 0 .7rem; font-weight: 600; }}
  .columns {{ display: grid; gap: .8rem 1.6rem; align-items: center;
    grid-template-columns: repeat(auto-fit, minmax(min(14rem, 100%), 1fr)); }}
  .picture svg {{ display: block; width: 100%; height: auto; max-width: 22rem; margin: 0 auto; }}
  .tall .scroll {{ max-height: 32rem; overflow-y: auto; }}
  .tall th {{ position: sticky; top: 0; background: var(--card); }}
  h1, h2, h3 {{ font-weight: 700; line-height: 1.3; }}
  h3 {{ margin: 1.6rem 0 .4rem; font-size: 1.02rem; }}
  .gauge {{ max-width: 17rem; margin: .4rem auto; text-align: center; }}
  .gauge > svg {{ border: 0; background: none; }} .gauge > figcaption {{ text-align: center; }}
  .gauge > svg text.share {{ fill: var(--ink); font-size: 34px; font-weight: 700; }}
  .bars {{ display: grid; grid-template-columns: fit-content(45%) 1fr auto; gap: .45rem .7rem;
    align-items: center; margin: .6rem 0; }}
  .bars .track {{ background: var(--line); border-radius: .3rem; height: .8rem; min-width: 3rem;
    position: relative; overflow: hidden; }}
  .bars .track i {{ position: absolute; top: 0; bottom: 0; background: var(--soft); }}
  .bars .chosen i, .bars .up i {{ background: var(--accent); }}
  .bars .down i {{ background: var(--warn); }}
  .bars .middle {{ position: absolute; left: 50%; top: 0; bottom: 0; width: 1px;
    background: var(--ink); }}
}}
footer {{ font-size: .85rem; }}
.gradio-container .main.fillable.app {{ @media (max-width: {PHONE}) {{ padding: .5rem .75rem; }} }}
.gradio-container .html-container:has(.fti) {{ padding: 0; }}
"""

# What gradio's own components take from the palette, light and dark alike.
SURFACES = {
    "body_background_fill": "--page",
    "body_text_color": "--ink",
    "body_text_color_subdued": "--soft",
    "background_fill_primary": "--card",
    "background_fill_secondary": "--page",
    "border_color_primary": "--line",
    "border_color_accent": "--accent",
    "block_background_fill": "--card",
    "block_border_color": "--line",
    "block_info_text_color": "--soft",
    "block_label_background_fill": "--card",
    "block_label_text_color": "--soft",
    "block_title_text_color": "--ink",
    "input_background_fill": "--page",
    "input_border_color": "--line",
    "input_border_color_focus": "--accent",
    "input_placeholder_color": "--soft",
    "link_text_color": "--accent",
    "link_text_color_hover": "--accent",
    "link_text_color_visited": "--accent",
    "button_primary_background_fill": "--accent",
    "button_primary_background_fill_hover": "--accent",
    "button_primary_border_color": "--accent",
    "button_primary_text_color": "--page",
    "button_secondary_background_fill": "--card",
    "button_secondary_background_fill_hover": "--page",
    "button_secondary_border_color": "--line",
    "button_secondary_text_color": "--ink",
    "checkbox_label_background_fill": "--card",
    "checkbox_label_background_fill_selected": "--card",
    "checkbox_label_border_color": "--line",
    "checkbox_label_border_color_selected": "--accent",
    "checkbox_label_text_color": "--ink",
    "checkbox_label_text_color_selected": "--ink",
    "table_border_color": "--line",
    "table_even_background_fill": "--card",
    "table_odd_background_fill": "--card",
    "table_text_color": "--ink",
}


def theme() -> gr.themes.Base:
    """Give the gradio theme: system fonts, fetched from nowhere, and the colours of reports."""
    both = {name: f"var({colour})" for name, colour in SURFACES.items()}
    dark = {f"{name}_dark": value for name, value in both.items()}
    base = gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return base.set(
        **both,
        **dark,
        block_label_shadow="none",
        button_border_width="1px",
        button_border_width_dark="1px",
        color_accent="var(--accent)",
        input_border_width="1px",
        input_border_width_dark="1px",
    )


def panel(*parts: str) -> str:
    """Give parts as one piece that the CSS knows: the value of a `gr.HTML`."""
    return f'<div class="fti">{"".join(parts)}</div>'


def html(value: str = "", **options: Any) -> gr.HTML:
    """Give a component that shows a panel, without gradio's own style of tables and headings."""
    return gr.HTML(value, apply_default_css=False, **options)


KINDS = {
    "loading": "Loading",
    "empty": "Nothing here yet",
    "unreachable": "Cannot be reached",
    "stale": "Out of date",
    "info": "Note",
}


def notice(message: UserError | str, kind: str | None = None) -> str:
    """Draw a state in words, by default the one that the error's type says; see KINDS."""
    if kind is None:
        said = {NotYet: "empty", Unreachable: "unreachable"}
        kind = said.get(type(message), "info")
    role = "alert" if kind == "unreachable" else "status"
    return (
        f'<div class="notice {kind}" role="{role}"><b>{KINDS[kind]}.</b> {escape(str(message))}'
        "</div>"
    )


def columns(*parts: str) -> str:
    """Give parts in columns of the same width, as many as there is room for."""
    return f'<div class="columns">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def badge(word: str, mark: str) -> str:
    """Draw a word as a badge, coloured as `good`, `warn`, `bad` or `soft`."""
    return f'<span class="badge {mark}">{escape(word)}</span>'


def gauge(probability: float, caption: str) -> str:
    """Draw a probability (0 to 1) as a half circle that fills from the left."""
    share = min(max(probability, 0.0), 1.0)
    arc = '<path d="M 15 100 A 85 85 0 0 1 185 100" fill="none" stroke-width="18" pathLength="100"'
    said = percent(share)
    return (
        f'<figure class="gauge" role="img" aria-label="{escape(caption)}: {escape(said)}">'
        f'<svg viewBox="0 0 200 118">{arc} stroke="var(--line)"/>'
        f'{arc} stroke="var(--accent)" stroke-dasharray="{100 * share:.1f} 200"/>'
        f'<text class="share" x="100" y="96" text-anchor="middle">{escape(said)}</text>'
        '<text x="15" y="115" text-anchor="middle">0%</text>'
        '<text x="185" y="115" text-anchor="middle">100%</text></svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def bars(shares: Mapping[str, float], chosen: str | None = None) -> str:
    """Draw shares (0 to 1) as bars, in the order given; `chosen` is the label to stress."""
    rows = [
        f"<span>{_stressed(label, label == chosen)}</span>"
        f'<span class="track{" chosen" if label == chosen else ""}">'
        f'<i style="left: 0; width: {100 * min(max(share, 0), 1):.1f}%"></i></span>'
        f'<span class="number">{_stressed(percent(share), label == chosen)}</span>'
        for label, share in shares.items()
    ]
    return f'<div class="bars">{"".join(rows)}</div>'


def changes(points: Mapping[str, float]) -> str:
    """Draw what raised and lowered a probability: bars to the right and left of a middle line.

    `points` maps labels to signed changes of the probability (0.1 is 10 percentage points).
    """
    most = max((abs(change) for change in points.values()), default=0) or 1
    rows = [
        f'<span>{escape(label)}</span><span class="track {"up" if change >= 0 else "down"}">'
        f'<i style="left: {50 + min(0, 50 * change / most):.1f}%; '
        f'width: {50 * abs(change) / most:.1f}%"></i><span class="middle"></span></span>'
        f'<span class="number">{_points(change)}</span>'
        for label, change in points.items()
    ]
    return f'<div class="bars">{"".join(rows)}</div>'


def utc(moment: datetime) -> str:
    """Give a moment as people read it, to the minute."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _stressed(text: str, stress: bool) -> str:
    return f"<b>{escape(text)}</b>" if stress else escape(text)


def _points(change: float) -> str:
    rounded = round(100 * change, 1) or 0.0
    sign = "\N{MINUS SIGN}" if rounded < 0 else "+"
    return f"{sign}{abs(rounded):.1f} points"


# Starting an app


def blocks(title: str) -> gr.Blocks:
    """Give the frame of an app: no telemetry, and made files are gone after an hour or two."""
    return gr.Blocks(title=title, analytics_enabled=False, delete_cache=(HOUR, HOUR))


def launch_kwargs(**more: Any) -> dict[str, Any]:
    """Give what every app is launched with; `more` adds to it or replaces."""
    return {
        "theme": theme(),
        "css": CSS,
        "footer_links": ["api"],
        "run_history": False,
        "ssr_mode": False,
        "show_error": True,
        "max_file_size": MAX_UPLOAD,
        "allowed_paths": [],
        "strict_cors": True,
        "enable_monitoring": False,
        "quiet": True,
        "state_session_capacity": SESSIONS,
        **more,
    }


def launch(build: Callable[[], gr.Blocks], **more: Any) -> None:
    """Build an app and serve it until it is stopped; `more` is for `launch_kwargs`.

    Host and port are GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, by default gradio's own.
    """
    stay_small()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in console.QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    demo = build()
    _, address, _ = demo.launch(**launch_kwargs(prevent_thread_lock=True, **more))
    log.info("%s: %s", demo.title, address)
    demo.block_thread()


def stay_small() -> None:
    """Let memory that was needed once go back: Arrow keeps it, and so does glibc for each thread.

    glibc's `mallopt` (malloc.h) bounds its arenas, of which there are up to 8 for each core.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, ARENAS)


def health(reader: Reader, app: str, use_cases: Sequence[str], api_prefix: str = "") -> None:
    """Register the public endpoint `health` of an app, inside its blocks.

    It gives `status`: "ok", "empty" (no model of the use cases is there yet) or "unreachable", the
    model versions by use case, and the version of the code.
    """

    def health() -> dict:
        """Tell whether the app reaches its project, and which model versions it serves."""
        return check(reader, app, use_cases)

    endpoint(health, "health", api_prefix)


def endpoint(function: Callable[..., dict], name: str, api_prefix: str = "") -> None:
    """Register a public endpoint, inside its blocks, and as a tool of that name for MCP clients.

    A page makes several calls at a time; what an endpoint answers is data, and a `gr.Error` says
    in one sentence what was wrong with what it was given.
    """
    function.__name__ = f"{api_prefix}{name}"
    gr.api(function, api_name=function.__name__, concurrency_limit=CONCURRENT)


def check(reader: Reader, app: str, use_cases: Sequence[str]) -> dict[str, Any]:
    """Give what the endpoint `health` says."""
    status, versions = "ok", dict.fromkeys(use_cases)
    for use_case in use_cases:
        try:
            versions[use_case] = reader.version(use_case)
        except NotYet:
            continue
        except Unreachable:
            status = "unreachable"
    if status == "ok" and not any(versions.values()):
        status = "empty"
    return {"app": app, "code": runs.code_version(), "status": status, "models": versions}
