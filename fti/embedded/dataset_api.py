"""The files of an embedded project: folders such as `Resources`, below the project's own folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fti.embedded.exceptions import DatasetException, RestAPIError
from fti.embedded.files import LOCK, TEMPORARY, copy_whole, remove
from fti.embedded.unsupported import Unsupported

if TYPE_CHECKING:
    from fti.embedded.project import Project

NOT_FOUND = 110011
DATASETS = ("Resources", "Models", "Jupyter", "Logs")


class DatasetApi(Unsupported):
    """Upload, download and list files; paths are like `Resources/titanic/report.html`."""

    def __init__(self, project: Project):
        self._project = project

    def upload(
        self,
        local_path: str,
        upload_path: str,
        overwrite: bool = False,
        chunk_size: int = 10485760,
        simultaneous_uploads: int = 3,
        simultaneous_chunks: int = 3,
        max_chunk_retries: int = 1,
        chunk_retry_interval: int = 1,
    ) -> str:
        """Copy a file or folder into the folder `upload_path`; give its path in the project."""
        source = Path(local_path)
        if not source.exists():
            raise FileNotFoundError(f"{local_path} does not exist, so it cannot be uploaded")
        target = self._local(f"{upload_path}/{source.name}")
        if target.exists() and not overwrite:
            raise DatasetException(
                f"{upload_path}/{source.name} already exists, set overwrite=True to overwrite it"
            )
        copy_whole(source, target)
        return f"{upload_path}/{source.name}"

    def download(
        self,
        path: str,
        local_path: str | None = None,
        overwrite: bool | None = False,
        chunk_size: int = 1048576,
    ) -> str:
        """Copy a file of the project to a folder or file name; give where it is."""
        source = self._existing(path)
        target = Path(local_path) if local_path else Path.cwd()
        if target.is_dir():
            target = target / source.name
        if target.exists() and not overwrite:
            raise OSError(f"{target} already exists, set overwrite=True to overwrite it")
        copy_whole(source, target.absolute())
        return str(target.absolute())

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or folder of this path."""
        return self._local(path).exists()

    def path_exists(self, remote_path: str) -> bool:
        """Tell whether there is a file or folder (Hopsworks' older name for `exists`)."""
        return self.exists(remote_path)

    def mkdir(self, path: str) -> str:
        """Make a folder, with those above it; give its path."""
        self._local(path).mkdir(parents=True, exist_ok=True)
        return f"/Projects/{self._project.name}/{self._relative(path)}"

    def remove(self, path: str) -> None:
        """Remove a file or folder."""
        remove(self._existing(path))

    def rm(self, remote_path: str) -> None:
        """Remove a file or folder (Hopsworks' older name for `remove`)."""
        self.remove(remote_path)

    def copy(self, source_path: str, destination_path: str, overwrite: bool = False) -> None:
        """Copy a file or folder within the project."""
        copy_whole(self._existing(source_path), self._free(destination_path, overwrite))

    def move(self, source_path: str, destination_path: str, overwrite: bool = False) -> None:
        """Move a file or folder within the project."""
        source, target = self._existing(source_path), self._free(destination_path, overwrite)
        if source.is_relative_to(target) or target.is_relative_to(source):
            raise DatasetException(f"{source_path} cannot be moved to {destination_path}")
        remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    def list(self, path: str, offset: int = 0, limit: int = 1000) -> list[str]:
        """Give the paths of what is in a folder, by name: below the project, as Hopsworks does."""
        root = self._project.home
        folder = self._existing(path) if self._relative(path).parts else root
        inside = sorted(p for p in folder.iterdir() if not p.name.startswith((TEMPORARY, LOCK)))
        if folder == root:
            inside = [p for p in inside if p.name in DATASETS]
        page = inside[offset : offset + limit]
        return [f"/{path.relative_to(root).as_posix()}" for path in page]

    def read_content(self, path: str, dataset_type: str = "DATASET") -> Any:
        """Give an object whose `content` is the bytes of a file, or None if there is none."""
        local = self._local(path)
        return Content(local.read_bytes()) if local.is_file() else None

    def _free(self, path: str, overwrite: bool) -> Path:
        target = self._local(path)
        if target == self._project.home or (target.exists() and not overwrite):
            raise DatasetException(f"{path} already exists, set overwrite=True to overwrite it")
        return target

    def _existing(self, path: str) -> Path:
        local = self._local(path)
        if not local.exists() or local == self._project.home:
            raise RestAPIError(f"Path not found: {path}", NOT_FOUND, 404)
        return local

    def _relative(self, path: str) -> PurePosixPath:
        """Give a path below the project folder; RestAPIError when it would leave it."""
        parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".")]
        if parts[:1] == ["Projects"]:
            if parts[1:2] != [self._project.name]:
                raise RestAPIError(f"{path} is not in project {self._project.name}", NOT_FOUND, 404)
            parts = parts[2:]
        if ".." in parts or any("\\" in part or "\0" in part for part in parts):
            raise RestAPIError(f"The path {path!r} is not allowed", NOT_FOUND)
        return PurePosixPath(*parts)

    def _local(self, path: str) -> Path:
        relative = self._relative(path)
        if relative.parts and relative.parts[0] not in DATASETS:
            raise RestAPIError(
                f"{path}: a project has the datasets {', '.join(DATASETS)}", NOT_FOUND, 404
            )
        return self._project.home.joinpath(*relative.parts)


class Content:
    """The content of a file, as an HTTP response would give it."""

    def __init__(self, content: bytes):
        self.content = content
