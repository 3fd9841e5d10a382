"""Users whose creation was stopped are completed by the next start; others stay as they are."""

from __future__ import annotations

from entry_points import ROOT
from tests.entry_points.stack.conftest import ADMIN, Team

# Leaves a user as a start does that is stopped before its last right.
STOPPED = """
import mlflow
from mlflow.server.auth.client import AuthServiceClient
admin = AuthServiceClient(mlflow.get_tracking_uri())
[role] = [each for each in admin.list_all_roles() if each.name == "prompt-engineer"]
admin.unassign_role("prompt-engineer", role.id)
admin.remove_role_permission(admin.list_role_permissions(role.id)[-1].id)
"""


def test_a_start_completes_what_another_has_begun(team: Team) -> None:
    admin = team.person(ADMIN)
    done = admin.run("-c", STOPPED)
    assert done.returncode == 0, done.stdout

    def create() -> list[str]:
        passwords = team.project.folder / "passwords"
        done = admin.run(str(ROOT / "deploy" / "create_users.py"), str(passwords))
        assert done.returncode == 0, done.stdout
        return [line for line in done.stdout.splitlines() if line.startswith("prompt-engineer")]

    [line] = create()
    assert line.startswith("prompt-engineer: experiment ocr EDIT, ")
    assert create() == ["prompt-engineer: exists"]
