"""What a project holds, as `python -m fti status` shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fti import models, published, runs


def of(project: Any, newest: int = 10) -> dict[str, Any]:
    """Give feature groups, models, published files and the newest runs of a project."""
    return {
        "project": project.name,
        "backend": runs.backend_of(project),
        "address": project.get_url(),
        "feature_groups": _feature_groups(project),
        "models": _models(project),
        "published": published.published_files(project),
        "runs": runs.recent(project, newest).to_dict("records"),
    }


def use_cases(root: Path | None = None) -> list[str]:
    """Give the folders here that hold the pipelines of a use case."""
    root = root or Path.cwd()
    return sorted(path.parent.name for path in root.glob("*/feature_pipeline.py"))


def commands(root: Path | None = None) -> list[str]:
    """Give the commands that fill a project."""
    return [f"`python -m {name}`" for name in use_cases(root)] or ["`python -m <use case>`"]


def _feature_groups(project: Any) -> list[dict[str, Any]]:
    groups = project.get_feature_store().get_feature_groups()
    embedded = runs.backend_of(project) == "embedded"
    found = [_stored(group) if embedded else _committed(group) for group in groups]
    return sorted(found, key=lambda group: (group["name"], group["version"]))


def _stored(group: Any) -> dict[str, Any]:
    table = group._table  # the embedded group's own: what Hopsworks' API has is slower and less
    commits = table.commits(1)
    files, size = table.size()
    return {
        "name": group.name,
        "version": group.version,
        "rows": table.count(),
        "last_commit": models.moment(commits[0].committed_at) if commits else None,
        "files": files,
        "bytes": size,
    }


def _committed(group: Any) -> dict[str, Any]:
    """Describe a group of Hopsworks by its commits: it counts no rows and shows no files."""
    timed = (getattr(group, "time_travel_format", None) or "NONE").upper() != "NONE"
    commits = group.commit_details() if timed else {}
    changes = [commit["rowsInserted"] - commit["rowsDeleted"] for commit in commits.values()]
    return {
        "name": group.name,
        "version": group.version,
        "rows": sum(changes) if timed else None,
        "last_commit": models.moment(max(commits)) if commits else None,
        "files": None,
        "bytes": None,
    }


def _models(project: Any) -> list[dict[str, Any]]:
    """Describe the newest version of each model."""
    paths = project.get_dataset_api().list("Models")
    names = sorted({path.rstrip("/").rpartition("/")[2] for path in paths})
    newest = [(name, models.latest_model(project, name)) for name in names]
    return [
        {
            "name": name,
            "version": int(model.version),
            "created": models.moment(model.created),
            "metrics": dict(model.training_metrics or {}),
        }
        for name, model in newest
        if model is not None
    ]
