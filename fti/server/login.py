"""What the client asks before anything else: versions, the project, its certificates and stores."""

from __future__ import annotations

import base64
from typing import Any

from fti.server.routes import (
    PROJECT,
    PROJECT_NOT_FOUND,
    USER,
    Context,
    Request,
    Routes,
    not_found,
)
from fti.server.tls import SERVICE_DOMAIN

BACKEND_VERSION = "5.2.0"  # major and minor must be the client's
VARIABLE_NOT_FOUND = 100048
NO_KEYSTORE = base64.b64encode(b"none").decode()  # Java key stores, which only HopsFS reads
CREATED = "2026-01-01T00:00:00.000Z"

routes = Routes()


@routes.add("GET", "/variables/versions")
def versions(context: Context, request: Request) -> list[dict[str, str]]:
    """Give the version of the server."""
    return [{"software": "hopsworks", "version": BACKEND_VERSION}]


@routes.add("GET", "/variables/([^/]+)")
def variable(context: Context, request: Request, name: str) -> dict[str, str]:
    """Give a setting of the cluster."""
    variables = {
        "enable_flyingduck": "true",
        "loadbalancer_external_domain": context.host,
        "loadbalancer_external_domain_feature_query": context.host,
        "service_discovery_domain": SERVICE_DOMAIN,
        "enable_data_science_profile": "false",
        "upload_policy": "everyone",
    }
    if name not in variables:
        raise not_found(f"Variable {name}", VARIABLE_NOT_FOUND)
    return {"successMessage": variables[name]}


@routes.add("GET", "/project/getProjectInfo/([^/]+)")
def project_by_name(context: Context, request: Request, name: str) -> dict[str, Any]:
    """Give the project of this name."""
    project = context.project
    if name != project.name:
        raise not_found(f"Project {name}", PROJECT_NOT_FOUND)
    return {
        "projectId": project.id,
        "projectName": project.name,
        "namespace": project.project_namespace,
        "description": project.description,
        "created": CREATED,
        "owner": USER["email"],
        "projectTeam": [],
        "services": [],
        "datasets": [],
    }


@routes.add("GET", "/project")
def projects(context: Context, request: Request) -> list[dict[str, Any]]:
    """Give the projects of the key's owner."""
    project = {"id": context.project.id, "name": context.project.name, "owner": USER}
    return [{"user": USER, "project": project}]


@routes.add("GET", PROJECT + "/credentials")
def credentials(context: Context, request: Request) -> dict[str, str]:
    """Give what a client needs to be let in by the query service."""
    return {
        "caChain": context.certificates.authority,
        "clientCert": context.certificates.client.certificate,
        "clientKey": context.certificates.client.key,
        "kStore": NO_KEYSTORE,
        "tStore": NO_KEYSTORE,
        "password": "none",
        "fileExtension": "jks",
    }


@routes.add("GET", PROJECT + "/featurestores")
def feature_stores(context: Context, request: Request) -> list[dict[str, Any]]:
    """Give the feature stores that the project can read: its own."""
    return [feature_store(context, request)]


@routes.add("GET", PROJECT + r"/featurestores/[A-Za-z_0-9]+")
def feature_store(context: Context, request: Request) -> dict[str, Any]:
    """Give the project's feature store."""
    store = context.store
    return {
        "featurestoreId": store.id,
        "featurestoreName": store.name,
        "offlineFeaturestoreName": store.name,
        "projectId": store.project_id,
        "projectName": store.project_name,
        "onlineEnabled": False,
        "created": CREATED,
    }
