"""What functions are made of: secrets, volumes, mounted files, images."""

from __future__ import annotations

import shutil
from pathlib import Path

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from modal_proto import api_pb2 as pb

from tests.doubles.modal.messages import Names, refuse

BUILDER = "2025.06"  # version of the image builder that the environment asks for
FRESH = pb.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
OVERWRITTEN = pb.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS


class Objects:
    """Answers for secrets, volumes, mounts and images; each method is named after its request."""

    def __init__(self, root: Path, secrets: dict[str, dict[str, str]]):
        self.root = root
        self.names = Names()
        self.secrets = secrets  # by name, as `modal secret create` makes them
        self.environments: dict[str, dict[str, str]] = {}  # by id, what a container gets
        self.secret_names: dict[str, str] = {}
        self.volumes: dict[str, str] = {}  # id by name
        self.contents: dict[str, bytes] = {}  # of mounted files, by hash
        self.mounts: dict[str, list[pb.MountFile]] = {}
        self.images: dict[str, pb.Image] = {}

    def SecretGetOrCreate(self, request: pb.SecretGetOrCreateRequest):
        name, kind = request.deployment_name, request.object_creation_type
        if name and kind in (FRESH, OVERWRITTEN):
            self._create_secret(name, dict(request.env_dict), kind)
        values = self._known_secret(name, request.required_keys) if name else request.env_dict
        identity = self.names.new("st")
        self.environments[identity], self.secret_names[identity] = dict(values), name
        metadata = pb.SecretMetadata(name=name)
        return pb.SecretGetOrCreateResponse(secret_id=identity, metadata=metadata)

    def _create_secret(self, name, values, kind):
        if name in self.secrets and kind == FRESH:
            refuse(f"Secret '{name}' already exists", Status.ALREADY_EXISTS)
        self.secrets[name] = values

    def _known_secret(self, name, required):
        if name not in self.secrets:
            refuse(f"Secret '{name}' not found in environment 'main'", Status.NOT_FOUND)
        missing = sorted(set(required) - set(self.secrets[name]))
        if missing:
            reason = f"Secret '{name}' is missing key(s): {', '.join(missing)}"
            refuse(reason, Status.FAILED_PRECONDITION)
        return self.secrets[name]

    def VolumeGetOrCreate(self, request: pb.VolumeGetOrCreateRequest):
        name = request.deployment_name
        if name not in self.volumes:
            self.volumes[name] = self.names.new("vo")
            self.volume(name).mkdir(parents=True, exist_ok=True)
        return pb.VolumeGetOrCreateResponse(
            volume_id=self.volumes[name],
            version=request.version,
            metadata=pb.VolumeMetadata(name=name, version=request.version),
        )

    def VolumeReload(self, request: pb.VolumeReloadRequest):
        return Empty()

    def VolumeCommit(self, request: pb.VolumeCommitRequest):
        return pb.VolumeCommitResponse(skip_reload=True)

    def volume(self, name: str) -> Path:
        """Give the folder that holds a volume's files, committed or not."""
        return self.root / "volumes" / name

    def volume_name(self, identity: str) -> str:
        """Give the name of a volume."""
        return next(name for name, known in self.volumes.items() if known == identity)

    def MountBatchedCheckExistence(self, request: pb.MountBatchedCheckExistenceRequest):
        missing = [known for known in request.sha256_hex_hashes if known not in self.contents]
        return pb.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    def MountPutFile(self, request: pb.MountPutFileRequest):
        if request.WhichOneof("data_oneof") == "data":
            self.contents[request.sha256_hex] = request.data
        return pb.MountPutFileResponse(exists=request.sha256_hex in self.contents)

    def MountGetOrCreate(self, request: pb.MountGetOrCreateRequest):
        identity = self.names.new("mo")
        self.mounts[identity] = list(request.files)
        checksum = pb.MountHandleMetadata(content_checksum_sha256_hex="0" * 64)
        return pb.MountGetOrCreateResponse(mount_id=identity, handle_metadata=checksum)

    def unpack(self, mounts: list[str], folder: Path) -> None:
        """Write mounted files to where they are below a folder."""
        for file in (file for mount in mounts for file in self.mounts[mount]):
            path = folder / file.filename.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.contents[file.sha256_hex])

    def ImageGetOrCreate(self, request: pb.ImageGetOrCreateRequest):
        """Answer that the image is built: then the client does not wait for it."""
        identity = self.names.new("im")
        self.images[identity] = request.image
        return pb.ImageGetOrCreateResponse(
            image_id=identity,
            result=pb.GenericResult(status=pb.GenericResult.GENERIC_STATUS_SUCCESS),
            metadata=pb.ImageMetadata(image_builder_version=BUILDER),
        )

    def image_lines(self, identity: str) -> list[str]:
        """Give the commands that build an image, those of the images below it first."""
        image = self.images[identity]
        below = [line for base in image.base_images for line in self.image_lines(base.image_id)]
        return below + list(image.dockerfile_commands)

    def image_files(self, identity: str) -> dict[str, bytes]:
        """Give the files that are copied into an image while it is built."""
        image = self.images[identity]
        files = {file.filename: file.data for file in image.context_files}
        for base in image.base_images:
            files |= self.image_files(base.image_id)
        return files

    def image_environment(self, identity: str) -> dict[str, str]:
        """Give what `Image.env` set."""
        lines = [line[4:] for line in self.image_lines(identity) if line.startswith("ENV ")]
        pairs = (line.partition("=") for line in lines)
        return {name: value.strip("'\"") for name, _, value in pairs}

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self.root, ignore_errors=True)
