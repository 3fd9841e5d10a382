"""Creates the experiments, users and roles of a team on MLflow's server; its administrator runs it.

`MLFLOW_TRACKING_URI`, `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` say where and as
whom. The password of each user is read from `<folder>/<user>_password`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

# MLflow asks for one right, EDIT, both to register a version and to move an alias. So candidates
# of people who may not promote have a model of their own.
MODEL, DRAFTS, PROMPT = "ocr-extractor", "ocr-extractor-drafts", "ocr-question-answer"
# Writing a trace needs EDIT on its experiment: production has its own.
EXPERIMENT, PRODUCTION = "ocr", "ocr-production"

Grant = tuple[str, str, str]
ROLES: dict[str, list[Grant]] = {
    "ml-engineer": [
        ("experiment", EXPERIMENT, "EDIT"),
        ("experiment", PRODUCTION, "READ"),
        ("registered_model", MODEL, "EDIT"),
        ("registered_model", DRAFTS, "READ"),
        ("prompt", PROMPT, "EDIT"),
    ],
    "prompt-engineer": [
        ("experiment", EXPERIMENT, "EDIT"),
        ("experiment", PRODUCTION, "READ"),
        ("registered_model", MODEL, "READ"),
        ("registered_model", DRAFTS, "EDIT"),
        ("prompt", PROMPT, "EDIT"),
    ],
    "extractor": [
        ("experiment", EXPERIMENT, "READ"),
        ("experiment", PRODUCTION, "EDIT"),
        ("run", "*", "DENY"),
        ("logged_model", "*", "READ"),
        ("registered_model", MODEL, "READ"),
        ("prompt", PROMPT, "READ"),
    ],
}


@contextmanager
def _unless_there() -> Iterator[None]:
    """Pass over what a start before has created."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def main(folder: Path) -> None:
    """Create what does not exist yet; models and prompts may come later.

    A start that was stopped between its steps is completed by the next one.
    """
    from mlflow.server.auth.client import AuthServiceClient  # imports MLflow's whole server

    admin = AuthServiceClient(mlflow.get_tracking_uri())
    client = mlflow.MlflowClient()
    ids = {}
    for name in (EXPERIMENT, PRODUCTION):
        found = client.get_experiment_by_name(name)
        ids[name] = found.experiment_id if found else client.create_experiment(name)
    roles = {role.name: role for role in admin.list_all_roles()}
    for user, grants in ROLES.items():
        role = roles.get(user)
        if role and admin.list_role_users(role.id):  # that was the last step
            print(f"{user}: exists")
            continue
        password = (folder / f"{user}_password").read_text("utf-8").strip()
        with _unless_there():
            admin.create_user(user, password)
        role = role or admin.create_role("default", user)
        for kind, name, permission in grants:
            with _unless_there():
                admin.add_role_permission(role.id, kind, ids.get(name, name), permission)
        admin.assign_role(user, role.id)
        print(f"{user}: {', '.join(' '.join(grant) for grant in grants)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "deploy/secrets"))
