"""Calls of functions: inputs wait for containers, outputs for callers, failures are retried."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal._serialization import deserialize_data_format, serialize
from modal_proto import api_pb2 as pb

from tests.doubles.modal.apps import Apps, Function
from tests.doubles.modal.containers import TICK, Container, Disturbance, Ended
from tests.doubles.modal.objects import Objects

AT_ONCE = 4  # containers; further inputs wait
PREEMPTED = "PREEMPTED"
LONGEST_POLL = 55.0  # seconds that a client waits in one request
Status = pb.GenericResult.GenericStatus
SUCCESS, FAILURE = Status.GENERIC_STATUS_SUCCESS, Status.GENERIC_STATUS_FAILURE
TIMEOUT, TERMINATED = Status.GENERIC_STATUS_TIMEOUT, Status.GENERIC_STATUS_TERMINATED


@dataclass
class Call:
    """One call, or one map, of a function."""

    function: Function
    ready: list[pb.FunctionGetOutputsItem] = field(default_factory=list)
    unfinished: int = 0
    work: list[asyncio.Task] = field(default_factory=list)  # one for each input


@dataclass
class Input:
    """The arguments of one run of a function, and how often it was tried in vain."""

    id: str
    call: Call
    item: pb.FunctionPutInputsItem
    retries: int = 0
    answer: tuple[pb.GenericResult, int] | None = None  # of the container that has it


@dataclass
class Attempt:
    """One container that took an input: how it ended, what it wrote, how long it was put off."""

    app_id: str
    function: str
    retries: int
    waited: float = 0.0  # seconds that Modal would have waited before it
    status: str = ""
    output: str = ""


@dataclass(frozen=True)
class Result:
    """What a call ended in: its value, or what its exception said."""

    status: str
    value: Any = None
    exception: str = ""


class Calls:
    """Answers for calls and containers; each method is named after its request."""

    def __init__(self, apps: Apps, objects: Objects, echo: bool):
        self.apps, self.objects, self.echo = apps, objects, echo
        self.url = ""
        self.calls: dict[str, Call] = {}
        self.inputs: dict[str, Input] = {}
        self.waiting: dict[str, list[Input]] = {}  # by the alias of the container that will ask
        self.attempts: list[Attempt] = []
        self.disturbances: dict[str, Disturbance] = {}  # by function
        self.places = asyncio.Semaphore(AT_ONCE)

    # The caller's side

    def FunctionMap(self, request: pb.FunctionMapRequest):
        call_id = self.start(self.apps.functions[request.function_id])
        return pb.FunctionMapResponse(
            function_call_id=call_id,
            function_call_jwt="dummy",
            max_inputs_outstanding=1000,
            pipelined_inputs=self.put(call_id, request.pipelined_inputs),
        )

    def FunctionPutInputs(self, request: pb.FunctionPutInputsRequest):
        return pb.FunctionPutInputsResponse(
            inputs=self.put(request.function_call_id, request.inputs)
        )

    async def FunctionGetOutputs(self, request: pb.FunctionGetOutputsRequest):
        call = self.calls[request.function_call_id]
        limit = time.monotonic() + min(request.timeout, LONGEST_POLL)
        while not call.ready and time.monotonic() < limit:
            await asyncio.sleep(TICK)
        outputs, call.ready = call.ready, []
        return pb.FunctionGetOutputsResponse(
            outputs=outputs,
            idxs=[output.idx for output in outputs],
            last_entry_id=str(time.time()),
            num_unfinished_inputs=call.unfinished,
        )

    def AppFetchLogs(self, request: pb.AppFetchLogsRequest):
        """Give what the containers of an app wrote, one piece for each."""
        mine = [attempt for attempt in self.attempts if attempt.app_id == request.app_id]
        batches = [
            pb.TaskLogsBatch(
                items=[pb.TaskLogs(data=each.output, file_descriptor=pb.FILE_DESCRIPTOR_STDOUT)]
            )
            for each in mine
        ]
        return pb.AppFetchLogsResponse(batches=batches)

    def start(self, function: Function) -> str:
        """Begin a call without inputs; give its id."""
        call_id = self.objects.names.new("fc")
        self.calls[call_id] = Call(function)
        return call_id

    def put(self, call_id: str, items: Any) -> list[pb.FunctionPutInputsResponseItem]:
        """Start a container for each input; give what the client keeps of them."""
        given = []
        for item in items:
            this = Input(self.objects.names.new("in"), self.calls[call_id], item)
            self.inputs[this.id] = this
            this.call.unfinished += 1
            this.call.work.append(asyncio.ensure_future(self._serve(this)))
            given.append(
                pb.FunctionPutInputsResponseItem(idx=item.idx, input_id=this.id, input_jwt="dummy")
            )
        return given

    async def call(self, function: Function, **options: Any) -> Result:
        """Call a function as its schedule does, without options, or with some; wait for its end."""
        content = pb.FunctionInput(args=serialize(((), options)), data_format=pb.DATA_FORMAT_PICKLE)
        call_id = self.start(function)
        self.put(call_id, [pb.FunctionPutInputsItem(idx=0, input=content)])
        await asyncio.gather(*self.calls[call_id].work)
        return _result(self.calls[call_id].ready.pop())

    async def stop(self) -> None:
        """End all containers."""
        work = [task for call in self.calls.values() for task in call.work]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    # Between the two

    async def _serve(self, this: Input) -> None:
        """Give an input to one container after another until one answers or retries are used up."""
        retries = this.call.function.definition.retry_policy.retries
        status = await self._try(this)
        while status == PREEMPTED or (status != "SUCCESS" and this.retries < retries):
            this.retries += status != PREEMPTED
            status = await self._try(this)
        result, data_format = this.answer
        this.call.unfinished -= 1
        this.call.ready.append(
            pb.FunctionGetOutputsItem(
                result=result, idx=this.item.idx, input_id=this.id, data_format=data_format
            )
        )

    async def _try(self, this: Input) -> str:
        """Give an input to a new container; give how that ended."""
        function = this.call.function
        delay = _delay(function, this.retries)
        attempt = Attempt(function.app_id, function.name, this.retries, delay)
        self.attempts.append(attempt)
        this.answer = None
        async with self.places:
            container = Container(function, self.apps, self.objects, self.url)
            self.waiting[container.alias] = [this]
            ended = await container.run(self.disturbances.pop(function.name, None), self.echo)
        attempt.output = container.output.read_text(encoding="utf-8", errors="replace")
        if ended.preempted and not this.answer:
            attempt.status = PREEMPTED
        else:
            without = (_without_answer(ended, attempt.output), pb.DATA_FORMAT_PICKLE)
            this.answer = this.answer or without
            attempt.status = _word(this.answer[0].status)
        return attempt.status

    # The container's side

    def ContainerHello(self, request: Any):
        return Empty()

    def ContainerHeartbeat(self, request: Any):
        return pb.ContainerHeartbeatResponse()

    def FunctionGetInputs(self, request: pb.FunctionGetInputsRequest):
        """Give the container its input, and then the order to end."""
        waiting = self.waiting[request.function_id]
        if not waiting:
            end = pb.FunctionGetInputsItem(kill_switch=True)
            return pb.FunctionGetInputsResponse(inputs=[end])
        this = waiting.pop()
        call_id = next(known for known, call in self.calls.items() if call is this.call)
        item = pb.FunctionGetInputsItem(
            input_id=this.id,
            input=this.item.input,
            function_call_id=call_id,
            retry_count=this.retries,
        )
        return pb.FunctionGetInputsResponse(inputs=[item])

    def FunctionPutOutputs(self, request: pb.FunctionPutOutputsRequest):
        for output in request.outputs:
            if output.result.status != TERMINATED:  # an interrupted container has no answer
                self.inputs[output.input_id].answer = (output.result, output.data_format)
        return Empty()

    def TaskResult(self, request: pb.TaskResultRequest):
        """Hear that a container ends: its process shows that too, and which one it is."""
        return Empty()


def _delay(function: Function, retries: int) -> float:
    policy = function.definition.retry_policy
    if not retries:
        return 0.0
    delay = policy.initial_delay_ms * policy.backoff_coefficient ** (retries - 1)
    return min(delay, policy.max_delay_ms) / 1000


def _without_answer(ended: Ended, output: str) -> pb.GenericResult:
    last = output.strip().rpartition("\n")[2]
    return pb.GenericResult(
        status=TIMEOUT if ended.timed_out else FAILURE,
        exception=f"the container ended with {ended.code}: {last}",
    )


def _word(status: int) -> str:
    return Status.Name(status).removeprefix("GENERIC_STATUS_")


def _result(output: pb.FunctionGetOutputsItem) -> Result:
    result = output.result
    if result.status != SUCCESS:
        return Result(_word(result.status), exception=result.exception)
    value = deserialize_data_format(result.data, output.data_format, None)
    return Result(_word(result.status), value)
