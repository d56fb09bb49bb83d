"""Configuration is refused with file, key and what would be accepted, or read whole."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway import config
from gateway.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path / "config"


def change(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def refused(folder):
    with pytest.raises(ConfigError) as caught:
        config.load(folder / "gateway.toml")
    return caught.value.detail


def test_the_delivered_configuration_is_read_whole():
    read = config.load(ROOT / "config/gateway.toml")
    assert set(read.partners) == {"akassa", "arbetsformedlingen", "arbetsgivare", "kommun", "region", "skatteverket"}
    assert read.partners["arbetsgivare"].trust.subject is None
    assert read.gateway.limits.message_age == timedelta(minutes=5)
    assert len(read.policy) == 64
    assert len(read.queues) >= 5


def test_the_delivered_file_is_the_manual_every_key_with_its_default():
    text = (ROOT / "config/gateway.toml").read_text(encoding="utf-8")
    for model in (config.Listen, config.Limits, config.Keys, config.Audit, config.Store, config.Gateway):
        for key in model.model_fields:
            assert f"\n{key} = " in text or f"\n[{key}]" in text or f"\n# {key} = " in text, key
    assert config.load(ROOT / "config/gateway.toml").gateway.limits == config.Limits()


def test_the_parts_of_the_configuration_are_relative_to_the_file(folder):
    read = config.load(folder / "gateway.toml").gateway
    assert read.law == folder / "law"
    assert read.schemas == folder.parent / "schemas"
    assert read.data == folder.parent / "var"


def test_keys_store_and_anchors_are_relative_to_the_data_folder(folder):
    read = config.load(folder / "gateway.toml")
    data = folder.parent / "var"
    assert read.gateway.keys.sealing == data / "keys/sealing.key"
    assert read.gateway.listen.certificate == data / "keys/server.pem"
    assert read.gateway.store.path == data / "store"
    assert read.partners["skatteverket"].trust.anchors == (data / "pki/agencies.pem",)


def test_another_data_folder_moves_keys_store_and_anchors_and_nothing_else(folder, tmp_path):
    one, other = (config.load(folder / "gateway.toml", data=data) for data in (None, tmp_path / "elsewhere"))
    assert other.gateway.store.path == tmp_path / "elsewhere/store"
    assert other.gateway.keys.receipt == tmp_path / "elsewhere/keys/receipt.key"
    assert other.partners["arbetsgivare"].trust.revocation == (tmp_path / "elsewhere/pki/organisations.crl",)
    assert (other.gateway.law, other.policy, other.bases) == (one.gateway.law, one.policy, one.bases)


def test_absolute_paths_stay(folder):
    change(folder / "gateway.toml", '"keys/sealing.key"', '"/etc/gateway/sealing.key"')
    assert config.load(folder / "gateway.toml").gateway.keys.sealing == Path("/etc/gateway/sealing.key")


def test_an_unknown_key_is_refused_with_the_keys_of_its_own_table(folder):
    change(folder / "gateway.toml", "message_age = 300", "mesage_age = 300")
    told = refused(folder)
    assert told.startswith(f"{folder / 'gateway.toml'}: limits.mesage_age: ")
    assert told.endswith("accepted keys: " + ", ".join(config.Limits.model_fields))


def test_an_unknown_key_of_a_partners_subject_is_refused_with_the_keys_of_the_subject(folder):
    change(folder / "partners/skatteverket.toml", "organisation = ", "orgnr = ")
    told = refused(folder)
    assert told.startswith(f"{folder / 'partners/skatteverket.toml'}: trust.subject.organisation: Field required")
    assert told.endswith("accepted keys: organisation, common_names")


def test_a_missing_key_is_refused_by_name(folder):
    change(folder / "gateway.toml", 'data = "../var"', "")
    assert (
        f"{folder / 'gateway.toml'}: data: Field required; accepted keys: name, organisation, environment"
        in refused(folder)
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("gateway.toml", "depth = 64", "depth = 5000", "limits.depth: Input should be less than or equal to 200"),
        ("gateway.toml", 'environment = "demo"', 'environment = "prod"', "environment: Input should be 'production'"),
        (
            "gateway.toml",
            "utbyte.forsakringskassan.example/audit/demo",
            "ett namn",
            "audit.origin: String should match",
        ),
        ("partners/skatteverket.toml", '"2021005448"', '"162021005448"', "trust.subject.organisation: String should"),
        (
            "partners/skatteverket.toml",
            'id = "skatteverket"',
            'id = "skv"',
            "id: must be the file's name, skatteverket",
        ),
        (
            "partners/skatteverket.toml",
            'kind = "agency"',
            'kind = "class"',
            "trust.subject: an agency is pinned to a s",
        ),
        (
            "law/bases.toml",
            'direction = "inbound_push"',
            'direction = "in"',
            "[[basis]] 1 (SKV-FOLKBOKFORING-01): direct",
        ),
        ("law/bases.toml", "[[basis]]", "[[bases]]", "bases: only [[basis]] tables are accepted here"),
        ("law/lagrum.toml", 'day = "decision"', 'dag = "decision"', "[[lagrum]] 1 (SFB-114-8-1): day: Field required"),
        ("law/lagrum.toml", 'id = "SFB-114-8-1"', 'id = "SFB 114"', "[[lagrum]] 1 (SFB 114): id: String should match"),
        ("law/categories.toml", 'diagnos = "halsa"', 'diagnos = "sjuk"', "words.diagnos: Input should be 'identitet'"),
        ("law/categories.toml", "[words]", "[ord]", "words: Field required; accepted keys: words"),
        (
            "queues.toml",
            "purposes = [",
            "purpose = [",
            "[[queue]] 1 (handlaggning.folkbokforing): purposes: Field requ",
        ),
        ("gateway.toml", "[limits]", "[limits", "is not TOML"),
    ],
)
def test_a_fault_is_told_with_file_and_key(folder, file, old, new, told):
    change(folder / file, old, new)
    assert refused(folder).startswith(f"{folder / file}: {told}")


@pytest.mark.parametrize(
    "file", ["gateway.toml", "queues.toml", "law/bases.toml", "law/lagrum.toml", "law/categories.toml"]
)
def test_a_missing_file_is_told_by_name(folder, file):
    (folder / file).unlink()
    assert refused(folder) == f"{folder / file}: cannot be read: No such file or directory"


def test_text_that_is_not_utf8_is_told_by_name(folder):
    (folder / "queues.toml").write_bytes("# Ö".encode("latin-1"))
    assert refused(folder).startswith(f"{folder / 'queues.toml'}: is not TOML")


def test_no_partner_at_all_is_refused(folder):
    for file in (folder / "partners").iterdir():
        file.unlink()
    assert refused(folder) == f"{folder / 'partners'}: no partner is configured: one <id>.toml each"


def test_the_policy_changes_with_every_byte_of_the_law_and_with_nothing_else(folder):
    before = config.load(folder / "gateway.toml").policy
    change(folder / "queues.toml", "# The internal queues.", "# Queues.")
    assert config.load(folder / "gateway.toml").policy == before
    change(folder / "law/bases.toml", "# Navet.", "# Navet:")
    assert config.load(folder / "gateway.toml").policy != before


def test_a_configuration_is_immutable():
    with pytest.raises(ValidationError, match="frozen"):
        config.load(ROOT / "config/gateway.toml").gateway.listen.port = 1


class TestWhereKeysAre:
    """Files, credentials, and tokens for what signs receipts (`sources`)."""

    URI = "pkcs11:token=a;object=b?module-path=/m.so"

    def test_a_credential_may_stand_wherever_a_file_may(self, folder, monkeypatch):
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
        change(folder / "gateway.toml", '"keys/sealing.key"', '"credential:sealing"')
        change(folder / "gateway.toml", '"keys/server.key"', '"credential:server"')
        read = config.load(folder / "gateway.toml").gateway
        assert read.keys.sealing == Path("/run/credentials/x/sealing")
        assert read.listen.key == Path("/run/credentials/x/server")

    def test_a_process_without_credentials_reads_the_configuration_and_lacks_only_the_key(self, folder, monkeypatch):
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        change(folder / "gateway.toml", '"keys/sealing.key"', '"credential:sealing"')
        assert config.load(folder / "gateway.toml").gateway.keys.sealing == Path("credential:sealing")

    @pytest.mark.parametrize("name", ["receipt", "receipt-rsa"])
    def test_what_signs_receipts_may_be_on_a_token(self, folder, name):
        change(folder / "gateway.toml", f'"keys/{name}.key"', f'"{self.URI}"')
        keys = config.load(folder / "gateway.toml").gateway.keys
        assert str(getattr(keys, name.replace("-", "_"))) == "key b on token a"

    @pytest.mark.parametrize("name", ["client.key", "sealing.key", "pseudonym.key", "checkpoint.key", "receipt.pem"])
    def test_nothing_else_may_be(self, folder, name):
        change(folder / "gateway.toml", f'"keys/{name}"', f'"{self.URI}"')
        assert "is a file or a credential" in refused(folder)

    def test_a_successor_is_read_with_its_files_and_its_hour(self, folder):
        line = (
            f'receipt_next = {{ key = "{self.URI}", certificate = "keys/n.pem", begins = 2027-01-01T00:00:00+01:00 }}\n'
        )
        change(folder / "gateway.toml", "# receipt_next", f"{line}# receipt_next")
        found = config.load(folder / "gateway.toml").gateway.keys.receipt_next
        assert found.certificate == folder.parent / "var/keys/n.pem"
        assert found.begins.isoformat() == "2027-01-01T00:00:00+01:00"

    @pytest.mark.parametrize("begins", ["2027-01-01T00:00:00", "2027-01-01", '"soon"'])
    def test_an_hour_without_a_time_zone_is_refused(self, folder, begins):
        line = f'receipt_next = {{ key = "keys/n.key", certificate = "keys/n.pem", begins = {begins} }}\n'
        change(folder / "gateway.toml", "# receipt_next", f"{line}# receipt_next")
        assert "keys.receipt_next.begins" in refused(folder)
