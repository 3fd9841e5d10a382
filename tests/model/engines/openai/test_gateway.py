"""MLflow's own AI gateway in front of an LLM: a real `mlflow server` between engine and LLM."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow.entities import GatewayEndpointModelConfig, GatewayModelLinkageType
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds
from PIL import Image

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from tests.llm_servers.faulty import FaultyLlm
from tests.waiting import wait_for

ENDPOINT = "forms"
SWITCHES = {
    "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "only for this test",
}


@pytest.fixture(scope="module")
def llm() -> Iterator[FaultyLlm]:
    with FaultyLlm() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    llm: FaultyLlm, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Run the server with an endpoint that leads to the LLM; yield its base URL."""
    folder = tmp_path_factory.mktemp("gateway")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    shutil.copy(empty_store, folder)
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | SWITCHES,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:

        def answers() -> bool:
            assert server.poll() is None, (folder / "log").read_text()
            try:
                return requests.get(f"{address}/health", timeout=5).ok
            except (requests.ConnectionError, requests.Timeout):
                return False

        wait_for(answers)
        connect(address, llm)
        yield f"{address}/gateway/mlflow/v1"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def connect(address: str, llm: FaultyLlm) -> None:
    """Create the gateway's endpoint: a secret, a model definition, and their link."""
    store = RestStore(lambda: get_default_host_creds(address))
    secret = store.create_gateway_secret(
        "key", {"api_key": "sk-upstream"}, "openai", {"api_base": llm.base_url}
    )
    model = store.create_gateway_model_definition(
        "model", secret.secret_id, "openai", "loopback-vision"
    )
    link = GatewayEndpointModelConfig(model.model_definition_id, GatewayModelLinkageType.PRIMARY)
    store.create_gateway_endpoint(ENDPOINT, [link], usage_tracking=False)


def read(base_url: str, llm: str) -> PageReading:
    settings = {"engine": "openai", "prompt_uri": "prompts:/p/1", "trace_content": "metadata"}
    config = settings | {"base_url": base_url, "llm": llm, "max_retries": 0}
    engine = OpenAIChatEngine(ExtractorConfig.from_model_config(config))
    with mlflow.tracing.context(enabled=False):
        return engine.read(Page(1, Image.new("L", (64, 64), 255)), "Read the form.")


def test_a_page_goes_through_the_gateway(gateway: str, llm: FaultyLlm):
    reading = read(gateway, ENDPOINT)
    assert reading.failure is None
    assert [pair.question for pair in reading.pairs] == ["Date:", "Phone"]
    assert (reading.input_tokens, reading.output_tokens) == (1300, 42)
    [request] = llm.requests
    assert request["model"] == "loopback-vision"
    assert request["response_format"]["type"] == "json_schema"
    assert request["messages"][1]["content"][0]["type"] == "image_url"


def test_an_unknown_endpoint_is_named(gateway: str):
    failure = read(gateway, "no-such-endpoint").failure
    assert failure is not None
    assert failure.code == "not_found"
