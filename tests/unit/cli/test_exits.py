import pytest
from click.testing import CliRunner

from gateway import codes
from gateway.cli import exits, main
from gateway.errors import (
    ConfigError,
    ContractError,
    IntegrityError,
    RefusedError,
    UnavailableError,
    UncertainError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ContractError(codes.CONTRACT_SCHEMA), 1),
        (RefusedError(codes.INTERNAL), 1),
        (ConfigError("x"), 3),
        (UnavailableError(codes.OVERLOADED), 4),
        (UncertainError(codes.INTERNAL), 4),
        (IntegrityError("x"), 5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_exit_code_tells_who_must_act(error, code):
    assert exits.of(error) == code


def test_help_names_every_command_and_every_exit_code():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for command in ("init", "serve", "check", "queue", "audit", "config", "pki", "demo"):
        assert f"\n  {command} " in result.stdout
    for text in ("0 done", "1 refused", "2 wrong use", "3 wrong", "4 temporarily", "5 our own", "6 something"):
        assert text in " ".join(result.stdout.split())


def test_an_unknown_command_is_wrong_use():
    assert CliRunner().invoke(main, ["steal"]).exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        ["init"],
        ["serve"],
        ["check"],
        ["queue", "list"],
        ["queue", "peek"],
        ["queue", "take"],
        ["queue", "ack"],
        ["queue", "dead"],
        ["queue", "retry"],
        ["queue", "discard"],
        ["queue", "approve"],
        ["queue", "withdraw"],
        ["audit", "verify"],
        ["audit", "proof"],
        ["config", "check"],
        ["pki", "demo"],
        ["demo"],
    ],
    ids=" ".join,
)
def test_every_command_has_help(command):
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0, result.stderr
    assert "Usage:" in result.stdout


def test_a_broken_configuration_is_told_on_both_streams_and_exits_3(tmp_path):
    broken = tmp_path / "gateway.toml"
    broken.write_text("name = 1\nunheard_of = true\n", encoding="utf-8")
    for arguments in (["config", "check"], ["queue", "list"], ["audit", "verify"]):
        result = CliRunner().invoke(main, [*arguments, "--json", "--config", str(broken)])
        assert result.exit_code == 3
        assert "GW-CONFIG" in result.stderr
        assert str(broken) in result.stderr
        assert '"code": "GW-CONFIG"' in result.stdout
