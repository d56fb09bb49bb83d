"""Configuration is refused with file, key and what would be accepted, or read whole."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway import config
from gateway.config import register
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
    models = (config.Listen, config.Limits, config.Keys, config.Audit, config.Store, config.Gateway)
    for model in (*models, config.Witnesses, config.Stamps):
        for key in model.model_fields:
            tables = any(f"\n{table}" in text for table in (f"[{key}]", f"[audit.{key}]", f"# [{key}]"))
            assert f"\n{key} = " in text or tables or f"\n# {key} = " in text, key
    assert config.load(ROOT / "config/gateway.toml").gateway.limits == config.Limits()


def test_the_parts_of_the_configuration_are_relative_to_the_file(folder):
    read = config.load(folder / "gateway.toml").gateway
    assert read.law == folder / "law"
    assert read.schemas == folder.parent / "schemas"
    assert read.data == folder.parent / "var"


def test_whom_others_are_believed_by_is_relative_to_the_file(folder):
    file = folder / "gateway.toml"
    file.write_text(
        file.read_text()
        .replace('# policy = "witnesses.policy"', 'policy = "witnesses.policy"')
        .replace('# anchors = "witnesses.pem"', 'anchors = "witnesses.pem"')
        .replace('# anchors = "timestamping.pem"', 'anchors = "timestamping.pem"')
        .replace('authority = ""', 'authority = "http://tsa.example/"')
    )
    audit = config.load(file).gateway.audit
    assert audit.witnesses == config.Witnesses(policy=folder / "witnesses.policy", anchors=folder / "witnesses.pem")
    assert audit.stamps == config.Stamps(authority="http://tsa.example/", anchors=folder / "timestamping.pem")


def test_former_sealing_keys_are_files_of_the_data_folder_or_credentials(folder):
    path = folder / "gateway.toml"
    text = path.read_text(encoding="utf-8")
    assert config.load(path).gateway.keys.sealing_former == ()
    line = 'sealing = "keys/sealing.key"\n'
    path.write_text(
        text.replace(line, line + 'sealing_former = ["keys/a.key", "credential:b.key"]\n'), encoding="utf-8"
    )
    read = config.load(path).gateway
    assert read.keys.sealing_former[0] == read.data / "keys" / "a.key"
    assert str(read.keys.sealing_former[1]).endswith("b.key")
    path.write_text(
        text.replace(line, line + 'sealing_former = ["pkcs11:token=a;object=b?module-path=/x.so&pin-source=/pin"]\n'),
        encoding="utf-8",
    )
    assert "keys.sealing_former: is a file or a credential" in refused(folder)


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
            "law/bases/skatteverket.toml",
            'direction = "inbound_push"',
            'direction = "in"',
            "[[basis]] 1 (SKV-FOLKBOKFORING-01@2024-02-15): direct",
        ),
        ("law/bases/akassa.toml", "[[basis]]", "[[bases]]", "bases: only [[basis]] tables are accepted here"),
        (
            "law/bases/akassa.toml",
            "suspicion = true",
            "misstanke = true",
            "[[basis]] 1 (FK-UNDERRATTELSE-AKASSA-01@2024-02-15): mis",
        ),
        (
            "law/bases/akassa.toml",
            'source = "V1"',
            'source = "V9"',
            "[[basis]] 1 (FK-UNDERRATTELSE-AKASSA-01@2024-02-15): source: ",
        ),
        (
            "law/lagrum/sfb.toml",
            'day = "decision"',
            'dag = "decision"',
            "[[lagrum]] 1 (SFB-114-8-1@2024:13): day: Field required",
        ),
        (
            "law/lagrum/sfb.toml",
            'id = "SFB-114-8-1"',
            'id = "SFB 114"',
            "[[lagrum]] 1 (SFB 114@2024:13): id: String should match",
        ),
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


def test_a_key_deep_in_a_row_is_refused_with_those_that_its_own_table_accepts(folder):
    change(folder / "law/bases/akassa.toml", "suspicion = true", "any_of = [{suspicion = true}, {benefit = []}]")
    assert refused(folder).endswith(
        "[[basis]] 1 (FK-UNDERRATTELSE-AKASSA-01@2024-02-15): any_of.1.benefit: Extra inputs are not permitted; "
        "accepted keys: benefits, subject_roles, suspicion"
    )


@pytest.mark.parametrize("file", ["gateway.toml", "queues.toml", "law/categories.toml"])
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


INFORMATION = """
[[information]]
kind = "konton"
fields.saldo.category = "ekonomi"
fields.kontor = { category = "kontakt", locating = true }
"""


class TestTheRegisterOfLaw:
    """`config/law/`: many files, one register, one hash."""

    @pytest.mark.parametrize(("name", "what"), [("lagrum", "<act>.toml"), ("bases", "<partner>.toml")])
    def test_a_folder_without_files_is_refused(self, folder, name, what):
        shutil.rmtree(folder / "law" / name)
        assert refused(folder).startswith(f"{folder / 'law' / name}: is empty: one {what} each")

    @pytest.mark.parametrize("name", ["bases.toml", "lagrum.toml", "bases/gamla/skatteverket.toml", "utkast/x.toml"])
    def test_a_file_that_nothing_reads_is_refused_with_where_its_rows_belong(self, folder, name):
        stray = folder / "law" / name
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"")
        assert refused(folder) == (
            f"{stray}: is no part of the register of law; move its rows to lagrum/<act>.toml, bases/<partner>.toml, "
            "information.toml, categories.toml, reviews.toml, testnummer.toml, registerutdrag.toml, or take it "
            "away"
        )

    def test_the_official_test_numbers_are_part_of_the_register_and_of_its_hash(self, folder):
        read = config.load(folder / "gateway.toml")
        assert {"198202252386", "191401682396"} <= read.test_numbers
        assert not any(number.startswith("1900") and number[8:10] == "98" for number in read.test_numbers)
        path = folder / "law" / "testnummer.toml"
        path.write_text('personnummer = ["198202252386"]\n')
        fewer = config.load(folder / "gateway.toml")
        assert fewer.test_numbers == {"198202252386"}
        assert fewer.policy != read.policy
        path.unlink()
        assert config.load(folder / "gateway.toml").test_numbers == frozenset()

    @pytest.mark.parametrize("wrong", ['["8202252386"]', '["19820225-2386"]', "[198202252386]", '["x"]'])
    def test_what_is_no_number_is_refused_and_not_told(self, folder, wrong):
        (folder / "law" / "testnummer.toml").write_text(f"personnummer = {wrong}\n")
        told = refused(folder)
        assert told.startswith(f"{folder / 'law' / 'testnummer.toml'}: personnummer")
        assert "2386" not in told

    def test_every_row_is_known_by_its_file_and_number(self, folder):
        read = config.load(folder / "gateway.toml")
        assert read.places.keys() >= {row.key for row in (*read.lagrum, *read.bases, *read.information)}
        assert read.places["basis SKV-AGI-FRANVARO-01@2025-01-01"] == "bases/skatteverket.toml: [[basis]] 3"
        assert read.places["lagrum OSL-10-28@2009:400"] == "lagrum/osl.toml: [[lagrum]] 1"

    def test_a_row_that_is_there_twice_is_known_by_both_places(self, folder):
        shutil.copy(folder / "law/bases/akassa.toml", folder / "law/bases/zz.toml")
        assert config.load(folder / "gateway.toml").places["basis FK-UNDERRATTELSE-AKASSA-01@2024-02-15"] == (
            "bases/akassa.toml: [[basis]] 1 and bases/zz.toml: [[basis]] 1"
        )

    def test_bases_come_in_the_order_of_files_and_in_the_order_they_stand(self, folder):
        bases = [basis.id for basis in config.load(folder / "gateway.toml").bases]
        assert bases.index("AF-ERSATTNING-01") < bases.index("AF-ALLMAN-01") < bases.index("SKV-FOLKBOKFORING-01")

    def test_kinds_that_no_contract_carries_may_be_described(self, folder):
        (folder / "law/information.toml").write_text(INFORMATION, encoding="utf-8")
        (row,) = config.load(folder / "gateway.toml").information
        assert (row.kind, row.fields["saldo"].locating, row.fields["kontor"].locating) == ("konton", False, True)
        change(folder / "law/information.toml", "locating", "lokal")
        assert refused(folder).startswith(
            f"{folder / 'law/information.toml'}: [[information]] 1 (konton): fields.kontor.lokal: Extra inputs are not "
            "permitted; accepted keys: category, locating, secrecy"
        )

    def test_and_may_be_left_out(self, folder):
        (folder / "law/information.toml").unlink(missing_ok=True)
        assert config.load(folder / "gateway.toml").information == ()


class TestThePolicy:
    """The hash of the register: which law decided."""

    def files(self, folder):
        return sorted((folder / "law").rglob("*.toml"))

    def test_changes_with_any_byte_of_any_file_of_law(self, folder):
        (folder / "law/information.toml").write_text(INFORMATION, encoding="utf-8")
        seen = {config.load(folder / "gateway.toml").policy}
        for number, file in enumerate(self.files(folder), start=1):
            file.write_bytes(file.read_bytes() + b"#")
            seen.add(register.policy(register.contents(folder / "law")))
            assert len(seen) == 1 + number, file.name
        assert config.load(folder / "gateway.toml").policy in seen

    def test_changes_with_the_name_of_a_file(self, folder):
        before = config.load(folder / "gateway.toml").policy
        (folder / "law/bases/akassa.toml").rename(folder / "law/bases/akassor.toml")
        assert config.load(folder / "gateway.toml").policy != before

    def test_changes_when_a_file_is_divided_though_the_rows_are_the_same(self, folder):
        before = config.load(folder / "gateway.toml")
        text = (folder / "law/lagrum/osl.toml").read_text(encoding="utf-8")
        first, rest = text.split("[[lagrum]]", 1)
        (folder / "law/lagrum/osl.toml").write_text(first + "[[lagrum]]" + rest.split("[[lagrum]]", 1)[0])
        (folder / "law/lagrum/osl2.toml").write_text("[[lagrum]]" + rest.split("[[lagrum]]", 1)[1])
        after = config.load(folder / "gateway.toml")
        assert {row.key for row in after.lagrum} == {row.key for row in before.lagrum}
        assert after.policy != before.policy

    def test_changes_with_nothing_else(self, folder, tmp_path):
        before = config.load(folder / "gateway.toml").policy
        change(folder / "queues.toml", "# The internal queues.", "# Queues.")
        change(folder / "partners/akassa.toml", 'id = "akassa"', 'id = "akassa" # en')
        (folder / "law/README.md").write_text("Läs mig.", encoding="utf-8")
        (folder / "law/bases/.akassa.toml.swp").write_bytes(b"x")
        for file in self.files(folder):
            file.touch()
        assert config.load(folder / "gateway.toml").policy == before
        shutil.copytree(folder, tmp_path / "annan")
        assert config.load(tmp_path / "annan/gateway.toml").policy == before

    def test_is_that_of_the_very_bytes_that_became_rows(self, folder):
        law = register.contents(folder / "law")
        read = register.parsed(law, folder / "law")
        assert read.policy == register.policy(law) == config.load(folder / "gateway.toml").policy
        assert read.policy == register.policy(dict(reversed(law.items())))
        change(folder / "law/bases/akassa.toml", "FK-UNDERRATTELSE", "FK-ANNAT")
        assert register.parsed(law, folder / "law") == read


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
