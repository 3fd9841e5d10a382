"""The files of deploy/ agree with the code, with each other, and with the tools that read them."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import mlflow.environment_variables
import pytest
import yaml
from mlflow.cli import cli as mlflow_cli

from entry_points import ROOT
from entry_points.command_line import cli
from entry_points.serve import build_parser
from entry_points.serving import webhooks
from ocr_extractor.config import ExtractorConfig
from tests.documentation import section

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
MANIFEST = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
NGINX = (DEPLOY / "nginx.conf").read_text("utf-8")
[POD] = [each["spec"]["template"]["spec"] for each in MANIFEST if each["kind"] == "Deployment"]
[CONTAINER] = POD["containers"]
# The flags of both servers, and what surrounds them.
SERVERS = {"compose": SERVICES["extractor"]["command"], "kubernetes": CONTAINER["args"]}
ENVIRONMENTS = {
    "compose": SERVICES["extractor"]["environment"],
    "kubernetes": {each["name"]: each["value"] for each in CONTAINER["env"]},
    "mlflow": SERVICES["mlflow"]["environment"],
}
every_server = pytest.mark.parametrize("where", SERVERS)


def tool(name: str) -> str:
    """Return a tool's path; skip where it is not installed."""
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def routes() -> set[str]:
    """Return the paths that the server answers."""
    source = (ROOT / "entry_points" / "serving" / "app.py").read_text("utf-8")
    return set(re.findall(r'@app\.(?:get|post)\("([^"]+)"', source))


def nginx_value(directive: str) -> str:
    """Return a directive's value in the extractor's part of nginx.conf."""
    [part] = [part for part in NGINX.split("  server {") if "forms.example.com" in part]
    [value] = re.findall(rf"^ {{4}}{directive} (.+);$", part, re.MULTILINE)
    return str(value)


@every_server
def test_the_server_takes_its_flags(where: str) -> None:
    parsed = build_parser().parse_args(SERVERS[where])
    assert (parsed.host, parsed.port) == ("0.0.0.0", 5001)


@every_server
def test_a_stop_is_waited_for(where: str) -> None:
    shutdown_s = build_parser().parse_args(SERVERS[where]).shutdown_s + 2
    grace = {
        "compose": int(SERVICES["extractor"]["stop_grace_period"].removesuffix("s")),
        "kubernetes": POD["terminationGracePeriodSeconds"]
        - CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"],
    }
    assert grace[where] > shutdown_s


@every_server
def test_the_memory_holds_what_the_limits_allow(where: str) -> None:
    bodies = build_parser().parse_args(SERVERS[where]).max_held_bytes
    pages = json.loads(ENVIRONMENTS[where]["SERVING_MODEL_CONFIG"])["max_decoded_bytes"]
    limit = {
        "compose": SERVICES["extractor"]["mem_limit"].replace("g", "Gi"),
        "kubernetes": CONTAINER["resources"]["limits"]["memory"],
    }
    parent, worker = 350_000_000, 820_000_000  # docs/serving.md, engine local
    # While the version is switched, there are two workers.
    assert parent + 2 * (worker + bodies + pages) <= int(limit[where].removesuffix("Gi")) << 30


@every_server
def test_the_settings_are_the_extractors(where: str) -> None:
    settings = json.loads(ENVIRONMENTS[where]["SERVING_MODEL_CONFIG"])
    required = {"engine": "openai", "prompt_uri": "prompts:/p/1"}
    ExtractorConfig.from_model_config(required | settings)


@pytest.mark.parametrize("where", ENVIRONMENTS)
def test_every_variable_is_one_that_somebody_reads(where: str) -> None:
    sources = [*(ROOT / "model").rglob("*.py"), *(ROOT / "entry_points").rglob("*.py")]
    read = "".join(path.read_text("utf-8") for path in [*sources, *DEPLOY.glob("*.sh")])
    mlflows = {
        variable.name
        for variable in vars(mlflow.environment_variables).values()
        if hasattr(variable, "name")
    }
    unread = {
        name
        for name in ENVIRONMENTS[where]
        if name not in mlflows
        and not re.search(rf"\b{name}\b", read)
        and not name.startswith("AWS_")
    }
    assert unread == set()


def test_health_checks_ask_routes_that_exist() -> None:
    probes = {name: CONTAINER[name]["httpGet"] for name in CONTAINER if name.endswith("Probe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/ping",
        "livenessProbe": "/ping",
        "readinessProbe": "/ready",
    }
    assert {"/ping", "/ready", "/metrics", "/invocations"} <= routes()
    assert SERVICES["extractor"]["healthcheck"]["test"][-1] == "http://127.0.0.1:5001/ready"
    locations = set(re.findall(r"location = (\S+)", NGINX))
    assert locations == {"/ping", "/ready", "/metrics", webhooks.ROUTE}


def test_everybody_finds_the_port() -> None:
    port = str(build_parser().parse_args(SERVERS["compose"]).port)
    assert nginx_value(r"set \$extractor") == f"http://extractor:{port}"
    [job] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"extractor:{port}"]}]
    [opened] = CONTAINER["ports"]
    assert opened == {"name": "http", "containerPort": int(port)}
    [service] = [each["spec"] for each in MANIFEST if each["kind"] == "Service"]
    assert [each["targetPort"] for each in service["ports"]] == ["http"]


def test_nginx_lets_through_what_the_server_takes() -> None:
    parsed = build_parser().parse_args(SERVERS["compose"])
    size = int(nginx_value("client_max_body_size").removesuffix("m")) << 20
    assert size >= parsed.max_request_bytes
    assert int(nginx_value("proxy_read_timeout").removesuffix("s")) > parsed.timeout


def test_alerts_are_about_metrics_that_exist() -> None:
    documented = set(re.findall(r"`(ocr_extractor_\w+)`", section("serving.md", "## Metrics")))
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))
    expressions = " ".join(rule["expr"] for group in alerts["groups"] for rule in group["rules"])
    named = {name.removesuffix("_bucket") for name in re.findall(r"ocr_extractor_\w+", expressions)}
    assert len(named) == 5
    assert named - documented == set()


def test_mlflows_server_takes_its_flags() -> None:
    words = ["--app-name", "basic-auth", *SERVICES["mlflow"]["command"]]
    params = mlflow_cli.commands["server"].make_context("server", list(words)).params
    assert f"exec mlflow server {words[0]} {words[1]}" in (DEPLOY / "mlflow-server.sh").read_text()
    assert re.findall(r"set \$mlflow (\S+);", NGINX) == [f"http://mlflow:{params['port']}"]
    names = re.findall(r"server_name (\S+);", NGINX)
    assert set(params["allowed_hosts"].split(",")) & set(names) == {"mlflow.example.com"}


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_reads_only_secrets_that_its_service_has(script: Path) -> None:
    run("sh", "-n", script)
    text = script.read_text("utf-8")
    read = set(re.findall(r"(?:\(secret |pass_on \w+ |/run/secrets/)(\w+)", text))
    service = {"mlflow-server.sh": "mlflow", "extractor.sh": "extractor"}[script.name]
    assert read <= set(SERVICES[service]["secrets"])


def test_no_file_holds_a_secret() -> None:
    declared = COMPOSE["secrets"]
    used = set(chain.from_iterable(each.get("secrets", ()) for each in SERVICES.values()))
    assert used == set(declared)
    assert declared == {name: {"file": f"secrets/{name}"} for name in declared}
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert all(each["kind"] != "Secret" for each in MANIFEST)
    for variables in (each.get("environment", {}) for each in SERVICES.values()):
        for name, value in variables.items():
            if re.search("PASSWORD|SECRET|TOKEN|API_KEY", name):
                assert value.startswith("/run/secrets/"), name


def test_only_the_ml_engineer_may_change_what_is_served() -> None:
    users = runpy.run_path(str(DEPLOY / "create_users.py"))
    assert (users["MODEL"], users["PROMPT"]) == (cli.MODEL_NAME, cli.PROMPT_NAME)
    may_edit = {
        user: {(kind, name) for kind, name, right in grants if right == "EDIT"}
        for user, grants in users["ROLES"].items()
    }
    assert [
        user for user in may_edit if ("registered_model", users["MODEL"]) in may_edit[user]
    ] == ["ml-engineer"]
    assert may_edit["extractor"] == {("experiment", users["PRODUCTION"])}
    for environment in (ENVIRONMENTS["compose"], ENVIRONMENTS["kubernetes"]):
        assert environment["MLFLOW_TRACKING_USERNAME"] == "extractor"
        assert environment["MLFLOW_EXPERIMENT_NAME"] == users["PRODUCTION"]


def networks(service: str) -> set[str]:
    return set(SERVICES[service]["networks"])


def test_only_mlflows_server_reaches_the_stores() -> None:
    for store in ("postgres", "s3"):
        others = {name for name in SERVICES if name != store and networks(name) & networks(store)}
        assert others - {"postgres", "s3"} == {"mlflow"}


def test_only_nginx_and_prometheus_are_published_and_only_llms_are_asked() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert set(published) == {"nginx", "prometheus"}
    assert [port.startswith("127.0.0.1:") for port in published["prometheus"]] == [True]
    outside = {name for name, each in COMPOSE["networks"].items() if not each.get("internal")}
    assert {name: networks(name) & outside for name in SERVICES if networks(name) & outside} == {
        "nginx": {"edge"},
        "prometheus": {"admin"},
        "extractor": {"llm"},
    }


def test_images_are_built_of_files_that_exist() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    copied = [
        source
        for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    kept = re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8"), re.M)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    allowed = {path for pattern in kept for path in ROOT.glob(pattern)}
    assert [source for source in copied if ROOT / source not in allowed] == []
    targets = set(re.findall(r"AS (\w+)", dockerfile))
    built = [each["build"] for each in SERVICES.values() if "build" in each]
    assert {each["target"] for each in built} <= targets
    assert {DEPLOY / each["context"] / each["dockerfile"] for each in built} == {
        DEPLOY / ".." / "deploy" / "Dockerfile"
    }


def test_the_image_has_the_packages_of_the_project() -> None:
    [expression] = re.findall(
        r"sed -n '(.+)' python_env", (DEPLOY / "Dockerfile").read_text("utf-8")
    )
    found = run("sed", "-n", expression, ROOT / "python_env.yaml").split()
    assert found == yaml.safe_load((ROOT / "python_env.yaml").read_text("utf-8"))["dependencies"]


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    nginx = tool("nginx")
    run(
        *f"{tool('openssl')} req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=forms".split(),
        *("-keyout", tmp_path / "tls_key", "-out", tmp_path / "tls_certificate"),
    )
    (tmp_path / "nginx.conf").write_text(
        NGINX.replace("/run/secrets", str(tmp_path))
        .replace("pid /tmp", f"pid {tmp_path}")
        .replace("_temp_path /tmp", f"_temp_path {tmp_path}")
    )
    run(nginx, "-t", "-p", tmp_path, "-e", "stderr", "-c", tmp_path / "nginx.conf")


def test_compose_takes_its_file() -> None:
    docker = tool("docker")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose")
    run(docker, "compose", "-f", DEPLOY / "compose.yaml", "config", "--quiet")


def test_compose_follows_its_schema() -> None:
    check = tool("check-jsonschema")
    run(check, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_prometheus_takes_its_configuration() -> None:
    run(tool("promtool"), "check", "config", DEPLOY / "prometheus.yml")


@pytest.mark.parametrize("resource", MANIFEST, ids=lambda each: each["kind"])
def test_kubernetes_knows_every_field(resource: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    validate.validate(resource, validate.latest_version(), strict=True)
