"""`gateway broker check` finds whatever differs, says how to mend it, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.broker.rabbitmq import topology
from gateway.broker.rabbitmq.check import check
from gateway.broker.rabbitmq.depths import depths
from gateway.cli import main
from gateway.errors import ConfigError, UnavailableError
from gateway.services import Account
from tests.builders import FIRST, QUEUES, SECOND, event
from tests.integration.rabbit import SOON, consuming, eventually, publishing, taken

pytestmark = pytest.mark.services

PARTITION = topology.partitions(QUEUES[0])[0]
KEY = topology.routing_keys(QUEUES[0])[0]


@pytest.fixture
def settings(virtual_host):
    return virtual_host(QUEUES)


@pytest.fixture
def call(servers, settings):
    """Change the virtual host behind everybody's back."""

    def done(method: str, kind: str, *path: str, **body) -> None:
        servers.management.call(method, kind, settings.virtual_host, *path, body=body or None)

    return done


def found(settings) -> dict[str, str]:
    return {one.what: one.found for one in check(settings, QUEUES).differences}


def test_a_broker_made_from_the_definitions_has_no_difference_and_what_was_not_seen_is_named(settings):
    report = check(settings, QUEUES)
    assert report.differences == []
    (unseen,) = report.unseen
    assert unseen.startswith("permissions: the monitor is no administrator")


def test_without_a_management_interface_it_says_what_it_did_not_see(settings, call):
    call("DELETE", "queues", PARTITION)
    report = check(settings.model_copy(update={"management": None}), QUEUES)
    assert [(one.what, one.found) for one in report.differences] == [
        (f"queue {PARTITION}", "missing (ChannelClosedByBroker.404)")
    ]
    assert report.unseen == ["arguments, policies, bindings, permissions: rabbitmq.management is not configured"]


def test_a_missing_queue_is_found_and_its_binding(settings, call):
    call("DELETE", "queues", PARTITION)
    assert set(found(settings)) == {f"queue {PARTITION}", f"binding gw.in --{KEY}--> {PARTITION}"}


def test_a_missing_exchange_is_found(settings, call):
    call("DELETE", "exchanges", "gw.dlx")
    differences = found(settings)
    assert differences["exchange gw.dlx"] == "missing (ChannelClosedByBroker.404)"
    assert differences["binding gw.dlx --#--> gw.dlq"] == "missing"


def test_an_exchange_that_would_hide_unroutable_events_is_found(settings, call):
    call("DELETE", "exchanges", "gw.in")
    arguments = {"alternate-exchange": "amq.fanout"}
    call("PUT", "exchanges", "gw.in", type="direct", durable=True, arguments=arguments)
    assert "alternate-exchange" in found(settings)["exchange gw.in"]


def test_a_binding_too_many_is_found(settings, call):
    call("POST", "bindings", "e", "gw.in", "q", PARTITION, routing_key="elsewhere.00", arguments={"x": 1})
    assert found(settings) == {f"binding gw.in --elsewhere.00--> {PARTITION}": "not in the definitions"}


def test_a_copy_of_all_events_to_an_unknown_queue_is_found(settings, call):
    call("PUT", "queues", "spy", durable=True, auto_delete=False, arguments={})
    call("POST", "bindings", "e", "gw.in", "q", "spy", routing_key=KEY, arguments={"x": 1})
    assert found(settings) == {f"binding gw.in --{KEY}--> spy": "not in the definitions"}


def test_a_queue_with_other_arguments_is_found(settings, call):
    call("DELETE", "queues", PARTITION)
    arguments = {"x-queue-type": "quorum"}
    call("PUT", "queues", PARTITION, durable=True, auto_delete=False, arguments=arguments)
    call("POST", "bindings", "e", "gw.in", "q", PARTITION, routing_key=KEY)
    report = check(settings, QUEUES)
    (one,) = report.differences
    assert one.what == f"queue {PARTITION}"
    assert "x-single-active-consumer" in one.found
    assert "let it drain, delete it" in one.mend


def test_a_policy_that_wins_over_ours_is_found_on_every_queue_it_holds_for(settings, call):
    call("PUT", "policies", "other", pattern="^gw", priority=99, definition={"max-length": 1})
    differences = found(settings)
    assert len(differences) == sum(queue.partitions for queue in QUEUES) + 1
    assert [text for text in differences.values() if not text.startswith("other is in effect: ")] == []
    assert [text for text in differences.values() if "max-length is 1 and should not be set" not in text] == []


def test_an_operator_policy_is_found(settings, call):
    call(
        "PUT", "operator-policies", "cap", **{"pattern": "dlq$", "apply-to": "queues", "definition": {"max-length": 1}}
    )
    assert set(found(settings)) == {"operator policy of gw.dlq"}


def test_a_missing_policy_is_found(settings, call):
    call("DELETE", "policies", "gw-dead-letters")
    assert found(settings) == {
        "policy of gw.dlq": "none is in effect: delivery-limit is not set and should be 1000000000"
    }


def test_a_queue_that_is_no_longer_configured_is_found(settings, call):
    call("PUT", "queues", "gw.q.old.00", durable=True, auto_delete=False, arguments={})
    assert found(settings)["queue gw.q.old.00"] == "not in the configuration"


def test_an_account_that_may_not_enter_is_found(settings, call):
    call("DELETE", "permissions", "gw-collector")
    assert found(settings)["account collector"].startswith("no log-in at 127.0.0.1:")


def test_permissions_are_compared_where_the_account_may_see_them(servers, settings, call, tmp_path):
    path = tmp_path / "password"
    path.write_text(servers.password(servers.rabbitmq.admin))
    monitor = Account(user=servers.rabbitmq.admin, password_file=path)
    accounts = settings.accounts.model_copy(update={"monitor": monitor})
    seeing = settings.model_copy(update={"accounts": accounts})
    assert check(seeing, QUEUES).unseen == []
    assert found(seeing) == {}
    call("PUT", "permissions", "gw-publisher", configure=".*", write=".*", read=".*")
    (one,) = check(seeing, QUEUES).differences
    assert one.what == "permissions of gw-publisher"
    assert one.mend == (f"rabbitmqctl set_permissions -p {settings.virtual_host} gw-publisher '^$' '^gw\\.in$' '^$'")


def test_a_management_interface_that_does_not_answer_is_said_not_to_have_been_seen(settings):
    report = check(settings.model_copy(update={"management": "https://127.0.0.1:1"}), QUEUES)
    assert report.differences == []
    assert report.unseen == [
        "arguments, policies, bindings, permissions: https://127.0.0.1:1/api/exchanges: ConnectionError"
    ]


def test_a_broker_that_is_not_there_is_a_difference_for_each_account(settings):
    away = settings.model_copy(update={"hosts": ("127.0.0.1:1",), "management": None})
    assert set(found(away)) == {
        f"account {duty}" for duty in ("publisher", "consumer", "collector", "monitor", "asker")
    }


def test_a_management_address_needs_a_monitor_with_a_password(settings):
    accounts = settings.accounts.model_copy(update={"monitor": None})
    with pytest.raises(ConfigError, match="monitor"):
        check(settings.model_copy(update={"accounts": accounts}), QUEUES)


@pytest.mark.parametrize("managed", [True, False])
def test_depths_are_summed_over_partitions(settings, managed):
    asked = settings if managed else settings.model_copy(update={"management": None})

    def now() -> dict:
        return {one.queue: (one.ready, one.unacked, one.consumers) for one in depths(asked, QUEUES)}

    with publishing(settings) as publisher, consuming(settings) as consumer:
        publisher.submit([event(f"e{n}", partition=f"p{n}", queues=(SECOND,)) for n in range(9)]).result(SOON)
        publisher.submit([event(f"e{n}", partition=f"p{n}") for n in range(5)]).result(SOON)
        taken(consumer, 5)
        lent = (lambda count: count) if managed else (lambda _count: None)
        expected = {FIRST: (0, lent(5), 4), SECOND: (9, lent(0), 0), "gw.dlq": (0, lent(0), 0)}
        eventually(lambda: now() == expected)


def test_depths_of_a_broker_that_is_away_are_not_told(settings):
    away = settings.model_copy(update={"hosts": ("127.0.0.1:1",), "management": None})
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        depths(away, QUEUES)


def test_depths_of_a_queue_that_is_missing_are_not_told_as_nothing(settings, call):
    call("DELETE", "queues", PARTITION)
    with pytest.raises(UnavailableError, match=PARTITION):
        depths(settings, QUEUES)


ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(servers, tmp_path):
    """Run `gateway broker …` for the delivered configuration; its data folder names the servers, or does not."""
    from gateway.config import load  # noqa: PLC0415

    queues = load(ROOT / "config/gateway.toml").queues
    with servers.virtual_host(queues) as made:
        accounts = {
            duty: {key: str(value) for key, value in account.model_dump(exclude_none=True).items()}
            for duty, account in made.accounts
            if account is not None
        }
        lines = [
            "[rabbitmq]",
            f"hosts = {json.dumps(list(made.hosts))}",
            f'virtual_host = "{made.virtual_host}"',
            f'authority = "{made.authority}"',
            f'server_name = "{made.server_name}"',
            f'management = "{made.management}"',
        ]
        for duty, keys in accounts.items():
            lines += [f"[rabbitmq.accounts.{duty}]", *(f'{key} = "{value}"' for key, value in keys.items())]
        (tmp_path / "services.toml").write_text("\n".join(lines))

        def run(*arguments: str):
            options = ["--config", str(ROOT / "config/gateway.toml"), "--data", str(tmp_path)]
            return CliRunner().invoke(main, ["broker", *arguments, *options])

        run.virtual_host = made.virtual_host
        yield run


def test_the_command_says_that_all_is_right(command):
    done = command("check", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["right"] is True
    assert "The broker has what the configuration needs" in command("check").stdout


def test_the_command_says_what_differs_and_how_to_mend_it_and_the_mending_mends(servers, command, tmp_path):
    name = "gw.q.handlaggning.inkomst.02"
    servers.management.call("DELETE", "queues", command.virtual_host, name)
    done = command("check", "--json")
    assert done.exit_code == 1
    assert f"queue {name}" in {one["what"] for one in json.loads(done.stdout)["differences"]}
    assert f"queue {name}" in command("check").stdout
    made = command("definitions", "--no-accounts")
    definitions = json.loads(made.stdout)
    assert "users" not in definitions
    servers.management.call("POST", "definitions", body=definitions)
    assert command("check").exit_code == 0


def test_the_command_without_a_rabbitmq_says_where_it_would_be(tmp_path):
    options = ["--config", str(ROOT / "config/gateway.toml"), "--data", str(tmp_path)]
    done = CliRunner().invoke(main, ["broker", "check", *options])
    assert done.exit_code == 3
    assert "services.toml" in done.stderr


def test_the_command_writes_the_delivered_definitions(tmp_path):
    options = ["--config", str(ROOT / "config/gateway.toml"), "--data", str(tmp_path)]
    done = CliRunner().invoke(main, ["broker", "definitions", *options])
    assert done.stdout == (ROOT / "ops/rabbitmq/definitions.json").read_text()
