"""Apps and their functions: what `modal deploy` and `modal run` make, and when it has a clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2 as pb

from tests.doubles.modal import limits
from tests.doubles.modal.messages import FORMATS, LARGEST, message
from tests.doubles.modal.objects import BUILDER, Objects

ADDRESS = "https://modal.invalid/"  # of web pages, which the double has not
ENVIRONMENT = "main"
LOG_PAUSE = 0.1  # seconds before a client that follows the logs hears that there are none


@dataclass
class Function:
    """A function as the client made it."""

    id: str
    app_id: str
    name: str
    kind: int
    definition: pb.Function | None = None
    gpus: list[str] = field(default_factory=list)
    schedule: pb.Schedule | None = None


@dataclass
class App:
    """An app; `name` is empty unless it is deployed."""

    id: str
    description: str
    name: str = ""
    state: int = pb.APP_STATE_INITIALIZING


@dataclass(frozen=True)
class Described:
    """A deployed function in words that tests can compare."""

    cron: str
    timezone: str
    timeout: int  # seconds
    retries: int
    first_delay: float  # seconds
    backoff: float
    cpu: float
    memory: int  # MiB
    gpu: list[str]  # in the order of preference; none for a function without
    startup_timeout: int  # seconds
    single_use: bool  # a container takes one input and ends
    containers: int  # at most; 0 when it is not said
    secrets: list[str]
    volumes: dict[str, str]  # name by mount path
    mounted: list[str]  # files below /root
    image: list[str]  # the commands that build it
    environment: dict[str, str]  # that the image sets


class Apps:
    """Answers for environments, apps and functions; each method is named after its request."""

    def __init__(self, objects: Objects):
        self.objects = objects
        self.names = objects.names
        self.apps: dict[str, App] = {}
        self.functions: dict[str, Function] = {}

    # The app

    def EnvironmentGetOrCreate(self, request: pb.EnvironmentGetOrCreateRequest):
        settings = pb.EnvironmentSettings(image_builder_version=BUILDER)
        metadata = pb.EnvironmentMetadata(name=ENVIRONMENT, settings=settings)
        return pb.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata)

    def AppGetByDeploymentName(self, request: pb.AppGetByDeploymentNameRequest):
        found = self.named(request.name)
        return message(
            pb.AppGetByDeploymentNameResponse,
            app_id=found.id if found else "",
            environment_name=ENVIRONMENT,
        )

    def AppGetLayout(self, request: pb.AppGetLayoutRequest):
        return pb.AppGetLayoutResponse(app_layout=self.layout(request.app_id))

    def AppCreate(self, request: pb.AppCreateRequest):
        app = App(self.names.new("ap"), request.description)
        self.apps[app.id] = app
        return pb.AppCreateResponse(app_id=app.id, app_page_url=ADDRESS, app_logs_url=ADDRESS)

    def AppPublish(self, request: pb.AppPublishRequest):
        app = self.apps[request.app_id]
        kept = set(request.function_ids.values())
        if request.app_state == pb.APP_STATE_DEPLOYED:
            others = [f for f in self.scheduled() if f.app_id != app.id]
            mine = [f for f in kept if self.functions[f].schedule]
            limits.check_crons(len(others) + len(mine))
            app.name = request.name
        app.state = request.app_state
        for function in self.of(app.id):
            if function.id not in kept:  # it was in the app that this one replaces
                del self.functions[function.id]
        return message(pb.AppPublishResponse, url=ADDRESS + request.name, deployed_at=time.time())

    def AppHeartbeat(self, request: pb.AppHeartbeatRequest):
        return Empty()

    def AppClientDisconnect(self, request: pb.AppClientDisconnectRequest):
        if self.apps[request.app_id].state != pb.APP_STATE_DEPLOYED:
            self.apps[request.app_id].state = pb.APP_STATE_STOPPED
        return Empty()

    def AppStop(self, request: pb.AppStopRequest):
        self.apps[request.app_id].state = pb.APP_STATE_STOPPED
        return Empty()

    def AppList(self, request: pb.AppListRequest):
        stats = pb.AppListResponse.AppListItem
        apps = [
            message(stats, app_id=app.id, description=app.name or app.description, state=app.state)
            for app in self.apps.values()
        ]
        return pb.AppListResponse(apps=apps)

    async def AppGetLogs(self, request: pb.AppGetLogsRequest):
        """Say that there are none to follow; `Calls.AppFetchLogs` has what containers wrote."""
        yield pb.TaskLogsBatch(app_done=True)

    # Its functions

    def FunctionPrecreate(self, request: pb.FunctionPrecreateRequest):
        identity = request.existing_function_id or self.names.new("fu")
        function = Function(identity, request.app_id, request.function_name, request.function_type)
        self.functions[identity] = function
        return pb.FunctionPrecreateResponse(
            function_id=identity, handle_metadata=self.handle(function)
        )

    def FunctionCreate(self, request: pb.FunctionCreateRequest):
        data = _data(request)
        limits.check(data)
        function = self.functions[request.existing_function_id]
        function.definition = data.ranked_functions[0].function
        ranked = [each.function.resources.gpu_config for each in data.ranked_functions]
        function.gpus = [gpu.gpu_type for gpu in ranked if gpu.count]
        function.schedule = data.schedule if data.HasField("schedule") else None
        return message(
            pb.FunctionCreateResponse,
            function_id=function.id,
            function=function.definition,
            function_data=data,  # the client reads it even for a plain function
            handle_metadata=self.handle(function),
        )

    def handle(self, function: Function) -> pb.FunctionHandleMetadata:
        """Give what the client keeps of a function."""
        return message(
            pb.FunctionHandleMetadata,
            function_name=function.name,
            function_type=function.kind,
            definition_id=f"de-{function.name}",
            app_id=function.app_id,
            max_object_size_bytes=LARGEST,
            supported_input_formats=FORMATS,
            supported_output_formats=FORMATS,
        )

    def layout(self, app_id: str) -> pb.AppLayout:
        """Give an app's functions and what they depend on, as its containers ask for them."""
        functions = self.of(app_id)
        layout = pb.AppLayout(function_ids={f.name: f.id for f in functions})
        for function in functions:
            metadata = self.handle(function)
            layout.objects.append(
                pb.Object(object_id=function.id, function_handle_metadata=metadata)
            )
        used = [f.definition.object_dependencies for f in functions if f.definition]
        for identity in sorted({need.object_id for needs in used for need in needs}):
            layout.objects.append(_dependency(identity))
        return layout

    # Looking at them

    def named(self, name: str) -> App | None:
        """Give the deployed app of a name."""
        deployed = [app for app in self.apps.values() if app.state == pb.APP_STATE_DEPLOYED]
        return next((app for app in deployed if app.name == name), None)

    def of(self, app_id: str) -> list[Function]:
        """Give the functions of an app."""
        return [f for f in self.functions.values() if f.app_id == app_id]

    def scheduled(self) -> list[Function]:
        """Give the functions of deployed apps that have a clock."""
        deployed = {a.id for a in self.apps.values() if a.state == pb.APP_STATE_DEPLOYED}
        return [f for f in self.functions.values() if f.schedule and f.app_id in deployed]

    def describe(self, function: Function) -> Described:
        """Give what a function was deployed with."""
        made, objects = function.definition, self.objects
        cron = function.schedule.cron if function.schedule else pb.Schedule.Cron()
        files = [file.filename for mount in made.mount_ids for file in objects.mounts[mount]]
        image = made.image_id
        return Described(
            cron=cron.cron_string,
            timezone=cron.timezone,
            timeout=made.timeout_secs,
            retries=made.retry_policy.retries,
            first_delay=made.retry_policy.initial_delay_ms / 1000,
            backoff=made.retry_policy.backoff_coefficient,
            cpu=made.resources.milli_cpu / 1000,
            memory=made.resources.memory_mb,
            gpu=function.gpus,
            startup_timeout=made.startup_timeout_secs,
            single_use=made.single_use_containers,
            containers=made.autoscaler_settings.max_containers,
            secrets=[objects.secret_names[identity] for identity in made.secret_ids],
            volumes={m.mount_path: objects.volume_name(m.volume_id) for m in made.volume_mounts},
            mounted=sorted({n.removeprefix("/root/") for n in files if n.startswith("/root/")}),
            image=objects.image_lines(image),
            environment=objects.image_environment(image),
        )


def _data(request: pb.FunctionCreateRequest) -> pb.FunctionData:
    """Give a function's data, which a plain function is sent without."""
    if request.function_data.ranked_functions:
        return request.function_data
    ranked = pb.FunctionData.RankedFunction(function=request.function)
    schedule = request.function.schedule if request.function.HasField("schedule") else None
    return pb.FunctionData(ranked_functions=[ranked], schedule=schedule)


def _dependency(identity: str) -> pb.Object:
    found = pb.Object(object_id=identity)
    kinds = {"vo": "volume_metadata", "mo": "mount_handle_metadata"}
    if identity[:2] in kinds:
        getattr(found, kinds[identity[:2]]).SetInParent()
    return found
