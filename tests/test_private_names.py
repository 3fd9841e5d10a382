"""What we use of other libraries without their promise: an upgrade that changes it fails here.

Each library's private names stand in one module, with the reason for each.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakSet

import httpcore2
import httpx2
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

ROOT = Path(__file__).parents[1]

# The module that uses a library's private names, and these names.
USES = {
    "model/ocr_extractor/runtime/mlflow_traces.py": {
        "_MLFLOW_TRACE_USER_DESTINATION",
        "_USER_TRACE_CONTEXT",
        "_active_experiment_id",
        "_attachments",
        "_batch_processor_registry",
        "_get_experiment_id",
        "_get_latest_active_run",
        "_set_last_active_trace_id",
        "_span",
        "_trace_manager",
        "_update_trace_info",
        "_upload_attachments",
    },
    "model/ocr_extractor/engines/openai/client.py": {"_azure_ad_token", "_make_status_error"},
    "model/ocr_extractor/engines/openai/transport.py": {
        "_mounts",
        "_network_backend",
        "_pool",
        "_transport",
    },
    "entry_points/spark/documents.py": {"_jsc", "_jvm"},
    "docs/make_reference.py": {"_actions"},
}


def private_names(tree: ast.Module) -> set[str]:
    """Return the private names that a module uses and does not define."""
    own, used = set[str](), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                own.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                own.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                own.add(name)
            case ast.Attribute(attr=name):
                used.add(name)
            case ast.Import(names=names):
                used |= {part for each in names for part in each.name.split(".")}
            case ast.ImportFrom(module=module, names=names):
                used |= {*(module or "").split("."), *(each.name for each in names)}
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr"),
                args=[_, ast.Constant(value=str(name)), *_],
            ):
                used.add(name)
    private = {name for name in used if name.startswith("_") and not name.startswith("__")}
    overridden = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and ast.unparse(node.func.value) == "super()"
        and node.func.attr in private
    }
    return private - own - {"_exit"} | overridden  # os._exit is public


def test_private_names_stand_in_one_module_a_library():
    files = [
        path
        for room in ("model", "entry_points", "data", "docs")
        for path in (ROOT / room).rglob("*.py")
    ]
    found = {
        path.relative_to(ROOT).as_posix(): private_names(ast.parse(path.read_text("utf-8")))
        for path in files
    }
    assert {path: names for path, names in found.items() if names} == USES


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def mlflow_module(name: str) -> ModuleType:
    return importlib.import_module(f"mlflow.{name}")


def test_mlflow_keeps_the_context_of_a_trace():
    context = mlflow_module("tracing.context")._USER_TRACE_CONTEXT
    assert isinstance(context, ContextVar)
    with importlib.import_module("mlflow").tracing.context(enabled=False):
        assert context.get().enabled is False
    assert context.get() is None


def test_mlflow_keeps_where_traces_go():
    assert mlflow_module("tracing.provider")._MLFLOW_TRACE_USER_DESTINATION.get() is None
    fluent = mlflow_module("tracking.fluent")
    assert fluent._get_latest_active_run() is None
    assert "_active_experiment_id" in vars(fluent)
    assert parameters(fluent._get_experiment_id) == []
    assert parameters(mlflow_module("tracing.fluent")._set_last_active_trace_id) == ["trace_id"]


def test_mlflow_flushes_the_processors_of_its_registry():
    registry = mlflow_module("tracing.processor.base_mlflow")._batch_processor_registry
    assert isinstance(registry, WeakSet)


def test_mlflow_makes_the_head_of_a_trace():
    processor = mlflow_module("tracing.processor.mlflow_v3").MlflowV3SpanProcessor
    assert parameters(processor._update_trace_info) == ["self", "trace", "root_span"]
    manager = processor(SpanExporter(), export_metrics=False)._trace_manager
    assert isinstance(manager, mlflow_module("tracing.trace_manager").InMemoryTraceManager)


def test_mlflow_keeps_the_span_and_its_attachments():
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("page")
    live = mlflow_module("entities").LiveSpan(span, "tr-1")
    assert live._span is span
    assert live._attachments == {}
    client = mlflow_module("tracing.client").TracingClient
    assert parameters(client._upload_attachments) == ["self", "trace_info", "attachments"]


def test_openai_makes_its_status_errors_in_one_method():
    make = openai.OpenAI._make_status_error
    assert parameters(make) == ["self", "err_msg", "body", "response"]
    refused = httpx2.Response(401, request=httpx2.Request("POST", "http://127.0.0.1/v1"))
    with openai.OpenAI(api_key="k") as client:
        error = client._make_status_error("Refused", body=None, response=refused)
    assert isinstance(error, openai.AuthenticationError)


def test_openai_keeps_the_token_of_azure():
    with openai.AzureOpenAI(
        azure_ad_token="t", azure_endpoint="http://127.0.0.1", api_version="1"
    ) as client:
        assert client._azure_ad_token == "t"


def test_httpx2_opens_connections_through_the_backend_of_a_pool():
    with httpx2.Client(proxy="http://127.0.0.1:9") as client:
        transports = [client._transport, *client._mounts.values()]
        assert len(transports) == 2
        for transport in transports:
            assert isinstance(transport, httpx2.HTTPTransport)
            assert isinstance(transport._pool._network_backend, httpcore2.NetworkBackend)


def test_pyspark_hands_out_its_java_objects():
    pyspark = pytest.importorskip("pyspark.sql")
    made = inspect.getsource(pyspark.SparkSession.__init__)
    assert "self._jvm = " in made
    assert "self._jsc = " in made


@pytest.mark.parametrize(
    "name",
    [
        # Raised by RapidOCR, which does not document them.
        "rapidocr.inference_engine.onnxruntime:ONNXRuntimeError",
        "rapidocr.utils.process_img:ResizeImgError",
        # GEPA's question to the LLM that writes the next prompt.
        "gepa.strategies.instruction_proposal:InstructionProposalSignature.run",
        # uvicorn's connection, which serving/app.py gives a time limit.
        "uvicorn.protocols.http.h11_impl:H11Protocol.connection_made",
        "uvicorn.protocols.http.h11_impl:H11Protocol.on_response_complete",
        "uvicorn.protocols.http.h11_impl:H11Protocol.timeout_keep_alive_handler",
        # Private by their place only.
        "mlflow.utils.logging_utils:suppress_logs_in_thread",
        "mlflow.utils.logging_utils:disable_logging",
        "mlflow.utils.logging_utils:enable_logging",
        "mlflow.tracing.utils:calculate_cost_by_model_and_token_usage",
        "mlflow.genai.evaluation.harness:tqdm",
        "mlflow.genai.datasets.evaluation_dataset:compute_records_sha256",
    ],
)
def test_undocumented_names_are_there(name: str):
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    assert callable(found)
