"""The files of deploy/: valid by their schemas, and about things that there are."""

import json
import re
import tomllib
from typing import Any

import compose_spec
import httpx
import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

from app.catalog import Catalog
from app.places import CHECKOUT
from app.settings import Settings
from app.version import VERSION
from tests.conftest import post_run

DEPLOY = CHECKOUT / "deploy"
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
SERVICE = next(one for one in DOCUMENTS if one["kind"] == "Deployment" and one["metadata"]["name"] == "convscope")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_kubernetes_manifests_keep_to_the_schema(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_broken_manifest_is_noticed() -> None:
    broken = json.loads(json.dumps(SERVICE))
    broken["spec"]["minReadySeconds"] = "two"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, kubernetes_validate.latest_version(), strict=True)


def test_what_the_manifests_name_is_there(api: httpx.Client) -> None:
    assert {one["kind"] for one in DOCUMENTS} >= {"Deployment", "Service", "HorizontalPodAutoscaler"}
    (container,) = SERVICE["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert api.get(container[probe]["httpGet"]["path"]).status_code == 200
    assert {one["name"] for one in container["env"]} <= settings_names()
    labels = SERVICE["spec"]["template"]["metadata"]["labels"].items()
    services = [one for one in DOCUMENTS if one["kind"] == "Service"]
    selected = [one["metadata"]["name"] for one in services if one["spec"]["selector"].items() <= labels]
    assert selected == ["convscope"]
    scaler = next(one for one in DOCUMENTS if one["kind"] == "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "convscope"
    hosts = {re.sub(r"redis://([\w-]+):.*", r"\1", one["value"]) for one in container["env"] if "redis" in str(one)}
    assert hosts <= {one["metadata"]["name"] for one in services}
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}


def test_replicas_are_of_one_version_and_as_many_as_the_scaler_says() -> None:
    (container,) = SERVICE["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"convscope:{VERSION}", "what make release builds"
    assert "replicas" not in SERVICE["spec"], "applied again it would undo the scaler's number"


def test_no_pod_is_told_of_the_services_by_variables_of_our_own_name() -> None:
    """Of a Service called convscope Kubernetes makes CONVSCOPE_PORT=tcp://..., which is the setting `port`."""
    pods = [one["spec"]["template"]["spec"] for one in DOCUMENTS if one["kind"] in ("Deployment", "StatefulSet")]
    assert len(pods) == 2
    assert all(pod["enableServiceLinks"] is False for pod in pods)


def test_only_the_service_reaches_redis() -> None:
    (policy,) = (one["spec"] for one in DOCUMENTS if one["kind"] == "NetworkPolicy")
    redis = next(one["spec"] for one in DOCUMENTS if one["metadata"]["name"] == "convscope-redis")
    (door,) = policy["ingress"]
    assert policy["podSelector"] == redis["selector"]
    assert door["from"] == [{"podSelector": SERVICE["spec"]["selector"]}]
    (container,) = redis["template"]["spec"]["containers"]
    assert {port["port"] for port in door["ports"]} == {port["name"] for port in container["ports"]}


def settings_names() -> set[str]:
    return {f"CONVSCOPE_{name.upper()}" for name in Settings.model_fields}


def test_the_compose_file_keeps_to_the_specification() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    compose_spec.PyCompose.from_yaml(text).validate()
    with pytest.raises(Exception, match="read_only"):
        compose_spec.PyCompose.from_yaml(text.replace("read_only: true", "read_only: [perhaps]", 1))
    compose = yaml.safe_load(text)
    assert set(compose["services"]) == {"convscope", "redis", "prometheus"}
    assert set(compose["services"]["convscope"]["environment"]) <= settings_names()
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).is_file(), volume
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())
    (target,) = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target.split(":")[0] in compose["services"]


LOCKED = re.compile(r"^([\w.-]+)==([\w.]+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "runtime"), [("requirements.txt", "onnxruntime"), ("requirements-gpu.txt", "onnxruntime-gpu")]
)
def test_the_image_installs_what_the_project_needs_by_digest(name: str, runtime: str) -> None:
    text = (DEPLOY / name).read_text()
    locked = {found[1]: found[2] for found in LOCKED.finditer(text)}
    rest = [line for line in LOCKED.sub("", text).splitlines() if line and not line.startswith("#")]
    assert rest == []  # nothing without a digest, no registry
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(one) for one in (*project["dependencies"], *extras["redis"], *extras["telemetry"])]
    for requirement in wanted:
        if not requirement.name.startswith("onnxruntime"):
            assert requirement.specifier.contains(locked[requirement.name]), requirement
    assert runtime in locked and "torch" not in locked
    assert len({"onnxruntime", "onnxruntime-gpu"} & set(locked)) == 1
    assert ("nvidia-cudnn-cu13" in locked and "nvidia-cublas" in locked) == name.endswith("-gpu.txt")


def test_the_image_is_built_from_the_locks_alone() -> None:
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    for line in dockerfile.replace("\\\n", " ").splitlines():
        if " install " in line and "pip" in line:
            for command in re.findall(r"pip install[^&]*", line):
                assert "--require-hashes" in command or "--no-index" in command, command
    for name in re.findall(r"deploy/(requirements[\w-]+\.txt)", dockerfile):
        assert (DEPLOY / name).is_file()


def test_the_dashboard_asks_for_metrics_that_there_are(api: httpx.Client, catalog: Catalog, photo: bytes) -> None:
    post_run(api, catalog.models[0].id, photo)
    text = api.get("/metrics").text
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8
    for panel in panels:
        for target in panel["targets"]:
            names = re.findall(r"convscope_\w+", target["expr"])
            assert names, target
            for name in names:
                assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), name
    model = catalog.models[0].id
    assert f'convscope_queue{{model="{model}"}} 0.0' in text
    assert re.search(rf'convscope_request_seconds_count{{method="POST",model="{model}",route="[^"]*runs"}}', text)
    assert re.search(r'^convscope_batch_size_bucket{le="1.0"} [1-9]', text, re.MULTILINE)
    api.get("/api/v1/models/made-up-by-a-client")
    assert "made-up-by-a-client" not in api.get("/metrics").text
