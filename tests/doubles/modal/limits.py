"""What Modal refuses although its client lets it through: a model of the service's documents."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from grpclib.const import Status
from modal_proto import api_pb2 as pb

from tests.doubles.modal.messages import refuse

MOST_CRONS = 5  # deployed crons of a workspace on the free plan
MOST_RETRIES = 10
LONGEST = 24 * 3600  # seconds
GPUS = {
    "T4", "L4", "A10", "A10G", "L40S", "A100", "A100-40GB", "A100-80GB", "RTX-PRO-6000",
    "H100", "H200", "B200", "ANY",
}  # fmt: skip
FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "weekday": (0, 7),
}
WORDS = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")


def check(data: pb.FunctionData) -> None:
    """Refuse a function with an unknown GPU, clock or zone, or one beyond a limit."""
    for ranked in data.ranked_functions:
        function = ranked.function
        gpu = function.resources.gpu_config
        if gpu.count and gpu.gpu_type.upper().removesuffix("!") not in GPUS:
            refuse(f"Unknown GPU type {gpu.gpu_type!r}")
        if not 1 <= function.timeout_secs <= LONGEST:
            refuse(f"The timeout is 1 second to 24 hours, not {function.timeout_secs} seconds")
        if function.retry_policy.retries > MOST_RETRIES:
            refuse(f"At most {MOST_RETRIES} retries, not {function.retry_policy.retries}")
    if data.schedule.WhichOneof("schedule_oneof") == "cron":
        check_cron(data.schedule.cron.cron_string)
        check_zone(data.schedule.cron.timezone or "UTC")


def check_cron(text: str) -> None:
    """Refuse what is not five fields of numbers, names, ranges, steps and lists."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        refuse(f"Invalid cron string {text!r}: {len(FIELDS)} fields are needed")
    for part, field in zip(parts, FIELDS, strict=True):
        for piece in part.lower().split(","):
            if not _fits(piece, field):
                refuse(f"Invalid cron string {text!r}: {piece!r} is no {field}")


def check_zone(name: str) -> None:
    """Refuse a zone that is in no list."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        refuse(f"Unknown timezone {name!r}")


def check_crons(count: int) -> None:
    """Refuse one more scheduled function than the plan has."""
    if count > MOST_CRONS:
        reason = f"{count} scheduled functions, but the plan has {MOST_CRONS} crons"
        refuse(reason, Status.RESOURCE_EXHAUSTED)


def _fits(piece: str, field: str) -> bool:
    found = PART.fullmatch(piece)
    if not found or found["step"] == "0":
        return False
    lowest, highest = FIELDS[field]
    ends = [_number(found[name], field) for name in ("first", "last") if found[name]]
    return ends == sorted(ends) and all(lowest <= end <= highest for end in ends)


def _number(word: str, field: str) -> int:
    words = WORDS.get(field, [])
    if word in words:
        return words.index(word) + FIELDS[field][0]
    return int(word) if word.isdigit() else -1
