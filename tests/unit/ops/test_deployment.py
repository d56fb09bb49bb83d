"""Units and image say what they must: every role is confined, what they start exists, and nothing comes from afar.

systemd itself is asked where it is installed (`ops/dev/tools`); what matters most is also read from the files, which
needs nobody.
"""

import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from gateway.cli import exits, main
from gateway.config import load

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "ops" / "systemd"
IMAGE = ROOT / "ops" / "container" / "Containerfile"
ROLES = ("front", "relay", "integrator", "dispatcher", "releaser", "gallring", "auditor", "transparency")
PROGRAM = "/opt/gateway/bin/gateway"
CONFINED = {
    "NoNewPrivileges": ["yes"],
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"],
    "PrivateDevices": ["yes"],
    "ProtectProc": ["invisible"],
    "ProtectKernelTunables": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectControlGroups": ["yes"],
    "MemoryDenyWriteExecute": ["yes"],
    "RestrictNamespaces": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "LockPersonality": ["yes"],
    "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "UMask": ["0077"],
    "KillMode": ["mixed"],
}
EXPOSURE = 12
"""Tenths, of systemd's ten: what is left is the network, and the host's file system, which is read-only."""


def settings(path):
    """Read a unit: section -> key -> values in order."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def service(role):
    """Return what holds for a role's service: its own settings and those for all."""
    own = settings(UNITS / f"gateway-{role}.service")["Service"]
    every = settings(UNITS / "gateway-.service.d" / "hardening.conf")["Service"]
    return {key: every.get(key, []) + own.get(key, []) for key in every | own}


def systemd(*arguments):
    """Run systemd-analyze. A missing one fails in CI, and elsewhere is said aloud."""
    program = shutil.which("systemd-analyze")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("systemd-analyze is not installed (Debian package systemd)")
        pytest.skip("NOT RUN: systemd-analyze is not installed (Debian package systemd)")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=UNITS)


@pytest.mark.parametrize("role", ROLES)
class TestEveryRole:
    def test_is_confined(self, role):
        said = service(role)
        assert {key: said.get(key) for key in CONFINED} == CONFINED

    def test_is_another_account_than_the_others_and_never_root(self, role):
        assert service(role)["User"] == [f"gateway-{role}"]
        assert f"u gateway-{role} " in (UNITS / "gateway.sysusers").read_text()

    def test_may_write_to_nothing_but_its_own_state_folder(self, role):
        said = service(role)
        assert "ReadWritePaths" not in said
        assert said.get("StateDirectory", []) == ([f"gateway-{role}"] if role in {"front", "integrator"} else [])

    def test_is_not_restarted_where_a_person_must_look(self, role):
        said = service(role)
        assert said["Restart"] == ["on-failure"]
        (codes,) = said["RestartPreventExitStatus"]
        assert {int(code) for code in codes.split()} == {exits.Exit.CONFIGURATION, exits.Exit.INTEGRITY}

    def test_has_longer_to_stop_than_its_drain_takes(self, role):
        drain = load(ROOT / "config" / "gateway.toml").gateway.listen.drain_timeout.total_seconds()
        (stop,) = service(role)["TimeoutStopSec"]
        assert int(stop) >= drain + 20

    def test_starts_a_command_that_there_is(self, role):
        (command,) = service(role)["ExecStart"]
        program, name, *arguments = command.split()
        assert program == PROGRAM
        assert name in main.list_commands(None)
        found = main.get_command(None, name)
        context = found.make_context(name, arguments)
        assert context.params["names"] == (role,)

    def test_environment_has_only_names_that_the_program_reads(self, role):
        given = {word.partition("=")[0] for line in service(role)["Environment"] for word in line.split()}
        known = {parameter.envvar for parameter in main.get_command(None, "serve").params if parameter.envvar}
        assert {name for name in given if name.startswith("GATEWAY_")} == known

    def test_reads_credentials_that_its_data_folder_leads_to(self, role):
        names = [line.partition(":")[0] for line in service(role).get("LoadCredential", [])]
        keys = tomllib.loads((ROOT / "config" / "gateway.toml").read_text())["keys"].values()
        assert {f"keys/{name}" for name in names} <= set(keys)
        link = re.search(
            rf"^L\+ /etc/gateway/{role}/keys .* (\S+)$", (UNITS / "gateway.tmpfiles").read_text(), re.MULTILINE
        )
        assert (link is not None) == bool(names)
        assert link is None or link[1] == f"/run/credentials/gateway-{role}.service"

    def test_is_little_exposed_says_systemd(self, role):
        said = systemd(
            "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", f"./gateway-{role}.service"
        )
        assert said.returncode == 0, said.stdout + said.stderr


class TestTheWitness:
    """Confined as every role is, and no part of the gateway: it stands on somebody else's machine."""

    def test_is_confined_and_little_exposed(self):
        said = service("witness")
        assert {key: said.get(key) for key in CONFINED} == CONFINED
        done = systemd(
            "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", "./gateway-witness.service"
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_is_an_account_of_its_own_that_writes_its_own_folder_alone(self):
        said = service("witness")
        assert said["User"] == ["gateway-witness"]
        assert "u gateway-witness " in (UNITS / "gateway.sysusers").read_text()
        assert said["StateDirectory"] == ["gateway-witness"]
        assert "ReadWritePaths" not in said
        assert "LoadCredential" not in said

    def test_starts_a_command_that_there_is_with_the_folder_that_it_may_write(self):
        said = service("witness")
        program, name, command, *arguments = said["ExecStart"][0].split()
        assert (program, name) == (PROGRAM, "witness")
        found = main.get_command(None, name).get_command(None, command)
        (folder,) = [word.partition("=")[2] for word in said["Environment"] if word.startswith("GATEWAY_WITNESS=")]
        context = found.make_context(command, ["--folder", folder, *arguments])
        assert str(context.params["folder"]) == f"/var/lib/{said['StateDirectory'][0]}"
        assert said["SocketBindAllow"] == [f"tcp:{context.params['listen'].rpartition(':')[2]}"]

    def test_calls_nobody_and_belongs_to_no_gateway(self):
        unit = settings(UNITS / "gateway-witness.service")
        assert (unit["Service"]["IPAddressDeny"], unit["Service"]["SocketBindDeny"]) == (["any"], ["any"])
        assert "gateway.target" not in str(unit)

    def test_is_not_restarted_where_a_person_must_look(self):
        said = service("witness")
        assert said["Restart"] == ["on-failure"]
        assert {int(code) for code in said["RestartPreventExitStatus"][0].split()} == {
            exits.Exit.CONFIGURATION, exits.Exit.INTEGRITY,
        }  # fmt: skip


def test_the_checkpoint_key_is_the_integrators_alone():
    having = [
        role for role in ROLES if any("checkpoint.key" in line for line in service(role).get("LoadCredential", []))
    ]
    assert having == ["integrator"]


def test_only_who_is_asked_may_listen_and_only_on_the_configured_port():
    assert {role: service(role)["SocketBindDeny"] for role in ROLES} == {role: ["any"] for role in ROLES}
    text = (ROOT / "config" / "gateway.toml").read_text()
    settings = tomllib.loads(re.sub(r"(?m)^# (?=\[auditors\]|port = 8444$)", "", text))
    tables = {"front": "listen", "auditor": "auditors", "transparency": "transparency"}
    assert {role: service(role).get("SocketBindAllow") for role in ROLES} == {
        role: [f"tcp:{settings[tables[role]]['port']}"] if role in tables else None for role in ROLES
    }


def test_only_the_front_reaches_beyond_what_an_operator_names():
    assert {role: service(role).get("IPAddressDeny") for role in ROLES} == {
        role: None if role == "front" else ["any"] for role in ROLES
    }


def test_units_are_right_says_systemd():
    units = sorted(f"./{path.name}" for path in UNITS.iterdir() if path.suffix in {".service", ".target", ".slice"})
    said = systemd("verify", "--man=no", *units)
    lines = [line for line in said.stderr.splitlines() if line and f"Command {PROGRAM} is not executable" not in line]
    assert lines == []
    assert len(units) == 11


def test_accounts_and_folders_can_be_made(tmp_path):
    if shutil.which("systemd-sysusers") is None or os.getuid() != 0:
        systemd("--version")  # says aloud what is missing
        pytest.skip("NOT RUN: only root can make folders that belong to others")
    for name in ("etc", "run"):
        (tmp_path / name).mkdir()
    for program, file in (("systemd-sysusers", "gateway.sysusers"), ("systemd-tmpfiles", "gateway.tmpfiles")):
        create = ["--create"] if program == "systemd-tmpfiles" else []
        done = subprocess.run(
            [program, f"--root={tmp_path}", *create, UNITS / file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    accounts = {
        line.split(":")[0]: int(line.split(":")[2]) for line in (tmp_path / "etc/passwd").read_text().splitlines()
    }
    for role in ROLES:
        folder = (tmp_path / "etc" / "gateway" / role).stat()
        assert (folder.st_uid, folder.st_mode & 0o777) == (accounts[f"gateway-{role}"], 0o700)
    assert (tmp_path / "etc/gateway/secrets").stat().st_mode & 0o777 == 0o700


# --- the image --------------------------------------------------------------------------------------------------------


def instructions():
    """Read the Containerfile: (instruction, rest), lines joined, comments gone."""
    text = re.sub(r"^#.*\n", "", IMAGE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def test_the_base_is_debian_12_by_name_and_exact_tag_and_no_registry():
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 2
    assert all(re.fullmatch(r"debian:12\.\d+-slim", base) for base in bases)
    assert len(set(bases)) == 1


def test_nothing_is_fetched_but_packages():
    words = dict.fromkeys(word for word, _ in instructions())
    assert "ADD" not in words
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")
    assert not re.search(r"://|curl|wget|git clone|--index-url|--extra-index|--trusted-host|--find-links", runs)


def test_libraries_are_installed_as_ops_dev_venv_does_it():
    def pip(text):
        return [
            {word for word in found.split() if word not in {"--quiet", "--disable-pip-version-check"}}
            for found in re.findall(r"pip install ([^&\n]+)", text)
        ]

    ours, venv = pip("\n".join(rest for _, rest in instructions())), pip((ROOT / "ops" / "dev" / "venv").read_text())
    assert ours[0] == {"--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock"}
    assert ours[0] - {"requirements.lock"} == venv[0] - {'"$lock"'}
    assert ours[1] - {"--no-index"} == venv[1] - {"--editable"}
    assert len(ours) == 2


def test_what_is_copied_is_there_and_no_key_or_store_can_be():
    copied = [rest.split() for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    names = {name for words in copied for name in words[:-1]}
    assert all((ROOT / name).exists() for name in names)
    ignored = (IMAGE.parent / "Containerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == names


def test_it_ends_as_nobody_with_one_entry_and_a_health_check():
    listed = instructions()
    last = dict(listed[max(at for at, (word, _) in enumerate(listed) if word == "FROM") :])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert last["ENTRYPOINT"] == f'["{PROGRAM}"]'
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert '"/opt/gateway/bin/healthcheck"' in last["HEALTHCHECK"]
    words = [word for word, _ in listed]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word in {"RUN", "COPY"})


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The program as the image has it: built from what is copied, without any index, into a folder of its own."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("gateway", "config", "schemas"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--no-index", "--target", folder / "installed", "."],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "installed"


def test_the_program_can_be_built_from_what_is_copied_and_finds_its_configuration(installed):
    here = f"import sys; sys.path.insert(0, {str(installed)!r}); import gateway; print(gateway.__file__)"
    said = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=True, cwd=installed)
    assert said.stdout.startswith(str(installed))
    assert (installed / "share" / "gateway" / "config" / "gateway.toml").is_file()
    assert (installed / "share" / "gateway" / "schemas").is_dir()
    migrations = installed / "gateway" / "store" / "migrations"
    assert sorted(path.name for path in migrations.rglob("m0*.py")) == sorted(
        path.name for path in (ROOT / "gateway" / "store" / "migrations").rglob("m0*.py")
    )


def test_the_lock_is_whole_nothing_else_is_needed():
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
         "--dry-run", "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.lock"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout


# --- its health check -------------------------------------------------------------------------------------------------


def healthcheck():
    loader = importlib.machinery.SourceFileLoader("healthcheck", str(IMAGE.parent / "healthcheck"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("healthcheck", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("gateway serve", True),
        ("gateway serve --role front", True),
        ("gateway serve --role=front --role relay", True),
        ("gateway serve --role relay", False),
        ("gateway serve --role relay --role=integrator", False),
        ("gateway audit verify", False),
    ],
)
def test_the_health_check_asks_only_where_there_is_a_front(command, answer):
    assert healthcheck().receives(["/opt/gateway/bin/python", *command.split(), ""]) is answer


def test_a_front_that_is_not_there_is_not_healthy(tmp_path):
    command = tmp_path / "cmdline"
    command.write_text("python\0gateway\0serve\0")
    done = subprocess.run(
        [sys.executable, IMAGE.parent / "healthcheck"],
        env={**os.environ, "GATEWAY_HEALTH_COMMAND": str(command), "GATEWAY_HEALTH_CERTIFICATE": str(tmp_path / "no")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Error" in done.stderr


def test_commands_of_the_guide_for_the_image_exist():
    text = IMAGE.read_text()
    (arguments,) = re.findall(r" gateway (serve --role \w+)$", text, re.MULTILINE)
    name, *rest = arguments.split()
    assert isinstance(main.get_command(None, name).make_context(name, rest), click.Context)
