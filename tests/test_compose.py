"""The compose file, the images and the deployments name only what exists: commands, settings, flows, targets."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from data.records.schedules import HOUSEKEEPING, OF_DATASETS
from data.settings import Settings

ONE_SHOT = {"migrate", "deploy"}  # they end, so others wait for them, and they have no health check
PASSWORDS = {"POSTGRES_PASSWORD": "first", "PREFECT_PASSWORD": "second"}


@pytest.fixture(scope="module")
def compose(root):
    return yaml.safe_load((root / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def services(compose):
    return compose["services"]


@pytest.fixture(scope="module")
def dockerfile(root):
    return (root / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def environment(services):
    """Every variable of every container, as (service, name, value)."""
    return [(name, key, value) for name, service in services.items() for key, value in service["environment"].items()]


def stages(dockerfile: str) -> dict[str, str]:
    """Each build stage's name and text."""
    found = re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", dockerfile, flags=re.MULTILINE | re.DOTALL)
    return dict(found)


def compose_config(program, root: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The result of `docker compose config`, which needs only the client."""
    plugin = (
        shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    )
    client = ["docker", "compose"] if plugin else [str(program("docker-compose", package="docker-compose"))]
    clean = {name: value for name, value in os.environ.items() if name not in PASSWORDS}
    return subprocess.run(
        [*client, "--file", root / "docker-compose.yml", "config"],
        cwd=root, env=clean | variables, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_compose_accepts_the_file_once_both_passwords_are_given(program, root):
    outcome = compose_config(program, root, PASSWORDS)
    assert outcome.returncode == 0, outcome.stderr
    resolved = yaml.safe_load(outcome.stdout)["services"]
    assert resolved["service"]["environment"]["ROLLCAST_DATABASE_URL"] == (
        "postgresql+psycopg://rollcast:first@postgres:5432/rollcast"
    )


def test_the_service_asks_for_keys_and_its_health_check_needs_none(services):
    from service.http.auth import PUBLIC

    assert services["service"]["environment"]["ROLLCAST_AUTH"] == "on"
    asked = re.search(r"http://127\.0\.0\.1:8000(/[\w/]+)", services["service"]["healthcheck"]["test"][-1])
    assert asked and asked[1] in PUBLIC


@pytest.mark.parametrize("missing", sorted(PASSWORDS))
def test_compose_refuses_to_start_without_a_password(program, root, missing):
    outcome = compose_config(program, root, {name: value for name, value in PASSWORDS.items() if name != missing})
    assert outcome.returncode != 0
    assert "head of docker-compose.yml" in outcome.stderr


def test_no_password_has_a_default(root):
    text = (root / "docker-compose.yml").read_text()
    secrets = re.findall(r"\$\{(\w+)(:?[?-]?)", text)
    assert {name for name, _ in secrets} == set(PASSWORDS)
    assert {operator for _, operator in secrets} == {":?"}


def test_every_setting_given_to_a_container_exists(environment):
    prefix = str(Settings.model_config["env_prefix"])
    ours = {key for _, key, _ in environment if key.startswith(prefix)}
    assert ours
    assert ours <= {f"{prefix}{name}".upper() for name in Settings.model_fields}


def test_every_prefect_setting_given_to_a_container_exists(environment, dockerfile):
    known = prefect_settings()
    given = {key for _, key, _ in environment if key.startswith("PREFECT_")}
    given |= set(re.findall(r"\b(PREFECT_\w+)=", dockerfile))
    assert "PREFECT_API_URL" in given
    assert given <= known


def prefect_settings() -> set[str]:
    from prefect.settings import Settings as PrefectSettings

    def names(model) -> set[str]:
        found = set()
        for name, field in model.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                found |= names(field.annotation)
            else:
                found |= {f"{model.model_config.get('env_prefix', '')}{name}".upper()}
                found |= {str(alias).upper() for alias in getattr(field.validation_alias, "choices", [])}
        return found

    return names(PrefectSettings)


def test_images_hold_byte_code_and_compiled_loops_and_their_processes_have_a_safe_path(dockerfile):
    found = stages(dockerfile)
    for name in ("service-build", "worker-build"):
        _, *after = re.findall(r"^RUN .*$", found[name], flags=re.MULTILINE)
        assert [command.rpartition(" -m ")[2] for command in after] == ["forecasting.precompile"]
        assert "PYTHONDONTWRITEBYTECODE" not in found[name]  # pip would write none either
    assert re.search(r"^RUN python -m compileall ", found["base"], flags=re.MULTILINE)
    assert re.search(r"^ENV .*PYTHONSAFEPATH=1", found["base"], flags=re.MULTILINE)


def test_telemetry_is_off(services, dockerfile):
    assert re.search(r"^ENV .*DO_NOT_TRACK=1", dockerfile, flags=re.MULTILINE)
    for name in ("prefect", "deploy", "worker"):
        assert services[name]["environment"]["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert "MLFLOW_DISABLE_TELEMETRY=true" in stages(dockerfile)["worker"]


def test_every_command_exists(services, dockerfile):
    bin_folder = Path(sys.executable).parent
    commands = [service["command"] for service in services.values() if "command" in service]
    commands += [yaml.safe_load(words) for words in re.findall(r"^CMD (\[.*\])$", dockerfile, flags=re.MULTILINE)]
    spoken = [
        single.split()
        for command in commands
        for single in (command[2].split("&&") if command[0] == "sh" else [" ".join(command)])
    ]
    assert len(spoken) >= 8
    for words in spoken:
        if words[0] == "rollcast":
            check_rollcast(bin_folder, words)
        elif words[0] == "python":
            importlib.import_module(words[2])
        else:
            assert words[0] == "prefect", words
            check_prefect(bin_folder, words)


def check_rollcast(bin_folder: Path, words: list[str]) -> None:
    shown = help_of(bin_folder / "rollcast", words[1])
    assert [option for option in words if option.startswith("--") and option not in shown] == [], words


def check_prefect(bin_folder: Path, words: list[str]) -> None:
    """Prefect's commands are one or two words; names of ours and options follow."""
    known = {"server", "worker", "work-pool", "start", "create", "deploy"}
    shown = help_of(bin_folder / "prefect", *(word for word in words[1:4] if word in known))
    assert [option for option in words if option.startswith("--") and option not in shown] == [], words


@cache
def help_of(*command: str | Path) -> str:
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=300)
    assert shown.returncode == 0, command
    return shown.stdout


def test_every_image_is_pinned(services, dockerfile):
    images = [service["image"] for service in services.values()]
    images += re.findall(r"^ARG PYTHON=(\S+)$", dockerfile, flags=re.MULTILINE)
    assert len(images) == len(services) + 1
    assert [image for image in images if not re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+)*$|@sha256:", image)] == []


def test_every_port_is_published_only_on_loopback(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:4200:4200", "127.0.0.1:8000:8000"]


def test_every_lasting_container_has_a_health_check_and_waits_for_what_it_needs(services):
    for name, service in services.items():
        assert ("healthcheck" in service) == (name not in ONE_SHOT), name
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how["condition"] == wanted, (name, needed)


def test_the_schema_is_migrated_before_other_containers_use_it(services):
    assert list(services["migrate"]["depends_on"]) == ["postgres"]
    users = {name for name, service in services.items() if "ROLLCAST_DATABASE_URL" in service["environment"]}
    assert {name for name, service in services.items() if "migrate" in service.get("depends_on", {})} == users - {
        "migrate"
    }


def test_every_own_container_is_built_unprivileged_and_read_only(services, dockerfile):
    targets = stages(dockerfile)
    for name, service in services.items():
        if "build" not in service:
            continue
        assert re.search(r"^USER rollcast$", targets[service["build"]["target"]], flags=re.MULTILINE)
        assert service["image"] == f"rollcast-{service['build']['target']}:{version()}"
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]


def version() -> str:
    from importlib.metadata import version

    return version("rollcast")


def test_the_serving_image_is_installed_without_the_training_extras(dockerfile):
    built = stages(dockerfile)
    assert "'.[postgres]'" in built["service-build"]
    assert "COPY --from=service-build" in built["service"]
    assert list(built)[-1] == "service"


def test_every_file_that_an_image_copies_or_a_container_mounts_exists(root, services, dockerfile):
    copied = [
        name
        for words in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, flags=re.MULTILINE)
        for name in words.split()[:-1]
    ]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    for name in [*copied, *(path for path in mounted if path.startswith("."))]:
        assert (root / name).exists(), name


def test_every_deployment_names_a_flow(root):
    from prefect import Flow

    from pipelines.flows.flows import FLOWS

    deployments = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    assert deployments
    for deployment in deployments:
        module, _, name = deployment["entrypoint"].partition(":")
        flow = getattr(importlib.import_module(module), name)
        assert isinstance(flow, Flow)
        assert flow.name == deployment["name"]
        assert deployment["work_pool"]["name"] == "rollcast"
        assert deployment["description"]
        assert deployment["tags"] == ["house-keeping" if flow.name in HOUSEKEEPING else "dataset"]
        assert "concurrency_limit" not in deployment  # a killed run would hold it, and its schedule would starve
    assert sorted(deployment["name"] for deployment in deployments) == sorted(FLOWS)


def test_every_alert_names_a_metric_and_flows_that_exist(root):
    groups = yaml.safe_load((root / "ops/prometheus/flows.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 4
    for rule in rules:
        (metric,) = re.findall(r"rollcast_\w+", rule["expr"])
        assert f'"{metric}"' in (root / "service/models/gauges.py").read_text()
        named = re.search(r'flow=~?"([^"]+)"', rule["expr"])
        assert named and set(named[1].split("|")) <= {*OF_DATASETS, *HOUSEKEEPING}
        assert rule["annotations"]["summary"]
