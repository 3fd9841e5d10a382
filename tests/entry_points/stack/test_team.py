"""Three people and the server of the model work on one `mlflow server`, each with own rights."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from entry_points.comparing.history import History, InForce
from tests.entry_points.conftest import Done
from tests.entry_points.servers import log_of, served
from tests.entry_points.stack.conftest import (
    DRAFTS,
    EVERYBODY,
    FORMS,
    LEAD,
    MODEL,
    PROMPT,
    S3_KEY,
    Team,
    password,
)
from tests.llm_servers.prompted import RULES
from tests.postgres import PASSWORD
from tests.waiting import wait_for

CARELESS = "Return the form's questions and answers."
CHAMPION = f"models:/{MODEL}@champion"
DOCUMENTS = 40
FOLLOWS = {"follow_alias": True, "prompt_refresh_s": 0.0}


@dataclass(frozen=True)
class Work:
    """What each step printed, and what was in force after it: model and prompt version."""

    team: Team
    done: dict[str, Done] = field(default_factory=dict)
    in_force: dict[str, tuple[str, str]] = field(default_factory=dict)

    def take(self, step: str, who: str, entry_point: str, **parameters: object) -> Done:
        return self._note(step, self.team.person(who).command(entry_point, **parameters))

    def mlflow_run(self, step: str, who: str, entry_point: str, **parameters: object) -> Done:
        return self._note(step, self.team.person(who).mlflow_run(entry_point, **parameters))

    def at_once(self, step: str, *commands: tuple[str, str, dict[str, object]]) -> None:
        """Let people run commands at the same time; a step's name ends with who ran it."""
        with ThreadPoolExecutor(len(commands)) as pool:
            running = {
                who: pool.submit(self.team.person(who).command, entry_point, **parameters)
                for who, entry_point, parameters in commands
            }
        self.done.update({f"{step}, {who}": done.result() for who, done in running.items()})
        self._look(step)

    def _note(self, step: str, done: Done) -> Done:
        self.done[step] = done
        self._look(step)
        return done

    def _look(self, step: str) -> None:
        with self.team.as_admin() as client:
            champion = client.get_registered_model(MODEL).aliases.get("champion", "")
            prompt = client.get_prompt_version_by_alias(PROMPT, "production")
        self.in_force[step] = (str(champion), str(prompt.version))


@pytest.fixture(scope="module")
def work(team: Team) -> Work:
    work = Work(team)
    dataset = team.project.dataset
    template = team.project.folder / "careful.md"
    template.write_text("\n".join([CARELESS, *RULES]))
    careful = f"prompts:/{PROMPT}/2"
    logged: dict[str, object] = {"engine": "openai", "llm": "loopback"}
    work.mlflow_run("main", "ml-engineer", "main", dataset=dataset, limit="all", **logged)
    first: dict[str, object] = {"model_uri": f"models:/{MODEL}/1"}
    folder = team.project.folder
    read: dict[str, object] = {"input": dataset / "images", "output": folder / "first.jsonl"}
    work.mlflow_run("predict", "ml-engineer", "predict", **first, **read)
    work.mlflow_run("monitor", "ml-engineer", "monitor", **first, output=folder / "needs")
    work.take("register", "prompt-engineer", "register_prompt", template=template)
    both: dict[str, object] = {"candidates": f"{CHAMPION},{careful}", "dataset": dataset}
    work.take("compare", "prompt-engineer", "compare", **both, **logged, model_name=DRAFTS)
    work.take("improve", "ml-engineer", "improve", template=template, dataset=dataset, split="all")
    second, third = ({"model_uri": f"models:/{MODEL}/{version}"} for version in (2, 3))
    work.take("promote", "prompt-engineer", "promote", **second)
    follows = json.dumps(FOLLOWS)
    work.take("log", "ml-engineer", "log", **logged, prompt=careful, settings=follows)
    work.at_once(
        "two promote",
        ("ml-engineer", "promote", {**second}),
        (LEAD, "promote", {**third, "force": "true"}),
    )
    other = third if work.in_force["two promote"][0] == "2" else second
    work.at_once(
        "rollback and promote",
        ("ml-engineer", "rollback", {}),
        (LEAD, "promote", {**other, "force": "true"}),
    )
    return work


def test_the_loop_works_for_those_who_may(work: Work) -> None:
    for step in ("main", "predict", "monitor", "register", "compare", "improve", "log"):
        assert work.done[step].returncode == 0, work.done[step].stdout
    assert work.in_force["main"] == ("1", "1")
    assert f"{CHAMPION.partition('@')[0]}/1: {FORMS} forms, 0 failed" in work.done["main"].stdout
    assert f"{FORMS} of {FORMS} documents read." in work.done["predict"].stdout
    assert "Verdict: ok." in work.done["monitor"].stdout
    for step in ("compare", "improve"):
        assert "The gate would let it through." in work.done[step].stdout
        assert work.in_force[step] == ("1", "1")


def test_who_may_not_promote_is_told_which_right_is_missing(work: Work) -> None:
    refused = work.done["promote"]
    assert (refused.returncode, work.in_force["promote"]) == (2, ("1", "1"))
    [line] = refused.stdout.splitlines()
    assert line == (
        "error: the user prompt-engineer lacks the right EDIT on the registered model or prompt: "
        "the tracking server refused registered-models/set-tag; ask the administrator of "
        f"{work.team.server.uri} for that right."
    )


@pytest.mark.parametrize("step", ["two promote", "rollback and promote"])
def test_of_two_people_at_once_no_one_forks_the_history(work: Work, step: str) -> None:
    pair = [done for name, done in work.done.items() if name.startswith(f"{step}, ")]
    won = [done for done in pair if done.returncode == 0]
    assert won, [done.stdout for done in pair]
    assert not any("Traceback" in done.stdout for done in pair)
    with work.team.as_admin() as client:
        moves = History(client, MODEL).moves
    assert all(later.before == earlier.after for earlier, later in pairwise(moves))
    promoted = [done for name, done in work.done.items() if name == "main" or ", " in name]
    assert len(moves) == sum(done.returncode == 0 for done in promoted)
    assert {each.user for each in moves} <= {"ml-engineer", LEAD}
    champion, prompt = work.in_force["rollback and promote"]
    assert moves[-1].after == InForce(champion, f"prompts:/{PROMPT}/{prompt}")


SECRETS = {PASSWORD, S3_KEY["AWS_SECRET_ACCESS_KEY"], *map(password, EVERYBODY)}


def test_commands_print_web_addresses_and_no_password(work: Work) -> None:
    for step, done in work.done.items():
        assert "mlflow ui" not in done.stdout
        assert not any(secret in done.stdout for secret in SECRETS), step
    page = re.compile(rf"^  {work.team.server.uri}/#/experiments/\d+/runs/\w{{32}}$", re.MULTILINE)
    for step in ("main", "compare", "improve"):
        assert page.search(work.done[step].stdout), work.done[step].stdout
    assert "s3cret" not in work.team.server.log.read_text()


def test_no_password_is_in_a_run_or_a_trace(work: Work) -> None:
    with work.team.as_admin() as client:
        experiments = [each.experiment_id for each in client.search_experiments()]
        runs = client.search_runs(experiments, max_results=1000)
        traces = client.search_traces(experiments, max_results=500)
    started = {run.data.tags.get("mlflow.project.entryPoint") for run in runs}
    assert {"main", "predict", "monitor"} <= started
    assert len(traces) > FORMS
    for stored in [*(run.to_dictionary() for run in runs), *(trace.to_json() for trace in traces)]:
        assert not any(secret in str(stored) for secret in SECRETS)


def test_artifacts_are_in_the_bucket_and_a_report_is_read_back(work: Work) -> None:
    [run_id] = re.findall(r"^Run (\w{32}) ", work.done["main"].stdout, re.MULTILINE)
    listed = requests.get(work.team.bucket, params={"prefix": "1/"}, timeout=60).text
    assert f"{run_id}/artifacts/report.html" in listed
    with work.team.as_admin() as client:
        path = Path(client.download_artifacts(run_id, "report.html", str(work.team.project.folder)))
    assert f"{work.team.server.uri}/#/experiments/" in path.read_text()


@pytest.fixture(scope="module")
def address(work: Work) -> Iterator[str]:
    """The served extractor that follows the alias `production`."""
    person = work.team.person("extractor")
    with served(person, f"--model-uri=models:/{MODEL}/3") as (address, _):
        yield address
    assert password("extractor") not in log_of(person, address)


def ask(work: Work, address: str) -> str:
    """Let a form be read; return the prompt version that read it."""
    page = next((work.team.project.dataset / "images").iterdir()).read_bytes()
    body = {"dataframe_records": [{"image": base64.b64encode(page).decode()}]}
    answer = requests.post(f"{address}/invocations", json=body, timeout=300)
    assert answer.status_code == 200, answer.text
    [row] = answer.json()["predictions"]
    assert row["error_code"] is None
    return str(row["prompt_uri"])


def test_the_server_follows_the_alias_and_writes_traces_in_its_experiment(
    work: Work, address: str
) -> None:
    with work.team.as_admin() as client:
        version = client.get_prompt_version_by_alias(PROMPT, "production").version
    assert ask(work, address) == f"prompts:/{PROMPT}/{version}"
    new = "\n".join([CARELESS, *RULES, "Return them in reading order."])
    (work.team.project.folder / "new.md").write_text(new)
    work.take(
        "alias",
        "ml-engineer",
        "register_prompt",
        template=work.team.project.folder / "new.md",
        alias="production",
    )
    wait_for(lambda: ask(work, address) == f"prompts:/{PROMPT}/3")

    wait_for(lambda: count_traces(work.team) >= 2)


def count_traces(team: Team) -> int:
    """Return how many finished traces the experiment of the extractor's server has."""
    with team.as_admin() as client:
        experiment = client.get_experiment_by_name("ocr-production")
        assert experiment is not None
        # A trace's head is written before its spans.
        found = client.search_traces(
            locations=[experiment.experiment_id], max_results=500, include_spans=False
        )
    return sum(trace.info.state == "OK" for trace in found)


def test_the_server_s_user_reads_documents_and_may_do_nothing_else(work: Work) -> None:
    output = work.team.project.folder / "read.jsonl"
    images = work.team.project.dataset / "images"
    read = work.take(
        "predict", "extractor", "predict", input=images, output=output, model_uri=CHAMPION
    )
    assert read.returncode == 0, read.stdout
    assert "were not written" not in read.stdout
    assert len(output.read_text().splitlines()) == FORMS
    before = work.in_force["predict"]
    template = work.team.project.folder / "careful.md"
    refused = {
        "EDIT on the experiment": work.take(
            "promote as the server", "extractor", "promote", model_uri=f"models:/{MODEL}/1"
        ),
        "READ (to follow an alias) or EDIT (to move it) on the model or prompt": work.take(
            "move as the server",
            "extractor",
            "register_prompt",
            template=template,
            alias="production",
        ),
    }
    for right, done in refused.items():
        assert done.returncode == 2
        [line] = [each for each in done.stdout.splitlines() if each.startswith("error: ")]
        assert line.startswith(f"error: the user extractor lacks the right {right}: ")
    assert work.in_force["move as the server"] == before


def test_an_outage_of_the_server_delays_no_page_and_loses_no_trace(
    work: Work, tmp_path: Path
) -> None:
    team, documents, output = work.team, tmp_path / "documents", tmp_path / "read.jsonl"
    page = next((team.project.dataset / "images").iterdir())
    documents.mkdir()
    for number in range(DOCUMENTS):
        shutil.copy(page, documents / f"{number:03}.png")
    before = count_traces(team)
    person = team.person("extractor")
    flags = [f"--model-uri={CHAMPION}", f"--input={documents}", f"--output={output}"]
    words = ["-m", "entry_points.predict", *flags, "--cache=none", "--max-concurrency=2"]

    def has_lines(count: int) -> bool:
        assert process.poll() is None
        return output.exists() and len(output.read_text().splitlines()) >= count

    with subprocess.Popen(
        [sys.executable, *words],
        cwd=person.folder,
        env=person.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        wait_for(partial(has_lines, 5))
        with team.server.stopped():
            wait_for(partial(has_lines, DOCUMENTS))
        printed, _ = process.communicate(timeout=person.timeout_s)
    assert process.returncode == 0, printed
    assert f"{DOCUMENTS} of {DOCUMENTS} documents read." in printed
    assert "were not written" not in printed
    assert count_traces(team) == before + DOCUMENTS
