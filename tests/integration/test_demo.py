"""The main job, as a newcomer runs it: the real program, a real server, real clients."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.demo.farsides import ACTS
from gateway.cli.demo.persons import PERSONNUMMER, PROTECTED, SAMORDNINGSNUMMER

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "gateway.cli", "demo"]


@pytest.fixture(scope="module")
def played() -> tuple[subprocess.CompletedProcess[str], dict]:
    done = subprocess.run(
        [*DEMO, "--messages", "9", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=160, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done, json.loads(done.stdout)


def test_every_number_reconciles_and_the_exit_code_is_0(played):
    _, found = played
    assert found["reconciled"]
    assert all(rule["holds"] for rule in found["rules"])
    assert all(line["as_expected"] for line in found["messages"])


def test_every_contract_is_accepted_and_every_kind_of_wrong_message_refused(played):
    _, found = played
    accepted = {line["contract"] for line in found["messages"] if line["outcome"] == "accepted"}
    assert len(accepted) == 4
    refused = {line["code"] for line in found["messages"] if line["outcome"] == "refused"}
    assert refused >= {
        "GW-SIG-DIGEST",
        "GW-TIME-STALE",
        "GW-SIGNER-PEER",
        "GW-PEER-CONTRACT",
        "GW-PURPOSE-DENIED",
        "GW-PURPOSE-QUARANTINED",
        "GW-XML-SYNTAX",
        "GW-XML-DTD",
        "GW-CONTRACT-SCHEMA",
        "GW-CONTRACT-SENDER",
        "GW-CONFLICT-DIGEST",
        "GW-CERT-REVOKED",
    }
    assert sum(line["outcome"] == "repeated" for line in found["messages"]) == 2


def test_every_queue_got_something_and_the_checkpoint_is_verified(played):
    _, found = played
    assert min(found["queues"].values()) > 0
    assert found["audit"]["verified"]
    assert found["audit"]["proven"] > 9


def test_what_goes_out_ends_as_foreseen_and_both_books_agree(played):
    _, found = played
    assert all(rule["holds"] for rule in found["dispatch_rules"])
    assert all(one["as_expected"] for one in found["dispatches"])
    assert {one["processed"] for one in found["dispatches"] if one["state"] == "delivered"} == {1}
    assert {one["processed"] for one in found["dispatches"]} == {0, 1}
    ends = {one["state"] for one in found["dispatches"]}
    assert ends == {"delivered", "refused", "unusable", "unresolved", "denied", "expired"}


def test_far_sides_fail_in_every_way_they_can_and_every_partner_is_called(played):
    _, found = played
    done = {part for one in found["dispatches"] for part in one["far_side"].split("; ")}
    done -= {"fetches by REST, acknowledges", "fetches by signed SOAP, acknowledges", "leaves it unread"}
    ways = {act.what.removesuffix(" (unprocessed)") for act in ACTS.values()}
    assert ways == {part.removesuffix(" (unprocessed)") for part in done} - {""}
    called = {one["to"] for one in found["dispatches"]}
    assert called == {
        "skatteverket", "arbetsformedlingen", "arbetsgivare-a", "arbetsgivare-b", "arbetsgivare-c", "region", "kommun",
        "kommun-b", "akassa",
    }  # fmt: skip


def test_who_has_a_mailbox_fetches_by_rest_and_by_signed_soap_and_what_is_left_unread_is_told_to_its_asker(played):
    _, found = played
    waited = {
        (one["to"], one["far_side"]): (one["state"], one["code"], one["attempts"], one["processed"])
        for one in found["dispatches"]
        if one["to"] in {"arbetsgivare-c", "kommun-b"}
    }
    assert waited == {
        ("arbetsgivare-c", "fetches by REST, acknowledges"): ("delivered", None, 0, 1),
        ("arbetsgivare-c", "fetches by signed SOAP, acknowledges"): ("delivered", None, 0, 1),
        ("kommun-b", "leaves it unread"): ("expired", "GW-OUT-UNREAD", 0, 0),
    }


def test_one_summons_goes_to_employer_arbetsformedlingen_region_and_kommun(played):
    _, found = played
    to = [one["to"] for one in found["dispatches"] if one["what"] == "summons to four"]
    assert to == ["arbetsgivare-a", "arbetsformedlingen", "region", "kommun"]


def test_no_person_s_number_is_shown(played):
    done, _ = played
    for number in (*PERSONNUMMER, *SAMORDNINGSNUMMER, PROTECTED):
        assert number not in done.stdout
        assert number not in done.stderr


def test_a_gateway_that_loses_a_queue_or_lets_too_much_out_does_not_reconcile_and_the_exit_code_is_1(tmp_path):
    for folder in ("config", "schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    queues = tmp_path / "config" / "queues.toml"
    kept = [part for part in queues.read_text(encoding="utf-8").split("[[queue]]") if "kontroll.inkomst" not in part]
    queues.write_text("[[queue]]".join(kept), encoding="utf-8")
    for bases in (tmp_path / "config" / "law" / "bases").iterdir():
        stated = 'required = ["omstandigheter"]\n'
        text = bases.read_text(encoding="utf-8").replace(f"{stated}suspicion = true", f"{stated}suspicion = false")
        bases.write_text(text, encoding="utf-8")
    config = str(tmp_path / "config" / "gateway.toml")
    done = subprocess.run(
        [*DEMO, "--messages", "4", "--json", "--config", config],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert not found["reconciled"]
    assert [rule["rule"] for rule in found["rules"] if not rule["holds"]] == ["events on kontroll.inkomst"]
    broken = {rule["rule"] for rule in found["dispatch_rules"] if not rule["holds"]}
    assert broken >= {"ended as foreseen: state, attempts and codes", "stopped by law: a decision, and no intent"}
    (wrong,) = (one for one in found["dispatches"] if not one["as_expected"])
    assert (wrong["what"], wrong["state"]) == ("notification without written reasons", "delivered")


def test_the_demo_leaves_nothing_behind(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run(
        [*DEMO, "--messages", "4"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=160, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "every number reconciles" in done.stderr
    assert "Does every number reconcile?" in done.stdout
    assert "\x1b[" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_serve_leaves_the_gateway_up_for_calls_of_one_s_own(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*DEMO, "--messages", "4", "--serve", "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert json.loads(process.stdout.readline())["reconciled"]
            told = ""
            while "gateway audit verify" not in told:
                line = process.stderr.readline()
                assert line, "it ended instead of staying up"
                told += line
            data = re.search(r"--data (\S+)", told)[1]
            command = [sys.executable, "-m", "gateway.cli", "audit", "verify", "--json", "--data", data]
            verified = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert verified.returncode == 0, verified.stderr
            assert json.loads(verified.stdout)["size"] > 20
            wsdl = _curled(told)
            assert wsdl.returncode == 0, wsdl.stderr
            assert "wsdl:definitions" in wsdl.stdout
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert list(tmp_path.iterdir()) == []


def _curled(told: str) -> subprocess.CompletedProcess[str]:
    """Do what the printed curl lines say, with our own HTTP client."""
    ca = re.search(r"--cacert (\S+)", told)[1]
    certificate = re.search(r"--cert (\S+)", told)[1]
    key = re.search(r"--key (\S+)", told)[1]
    url = re.search(r"'(https://\S+\?wsdl)'", told)[1]
    program = (
        "import requests, sys; ca, cert, key, url = sys.argv[1:]\n"
        "sys.stdout.write(requests.get(url, verify=ca, cert=(cert, key), timeout=30).text)"
    )
    return subprocess.run(
        [sys.executable, "-c", program, ca, certificate, key, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
