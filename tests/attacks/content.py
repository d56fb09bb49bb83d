"""Well signed messages whose content is not what was agreed, or may not pass; and the odd ones that must."""

from __future__ import annotations

import base64
from collections.abc import Callable

from gateway import codes
from gateway.codes import Code
from tests import forge, payloads
from tests.attacks.catalogue import FOLKBOKFORING, Scene, Sent, add
from tests.forge import SOAP_11, SOAP_12

AGI = "skatteverket/arbetsgivardeklaration"
AF = "arbetsformedlingen/ersattningsstod"
SJUK = "arbetsgivare/sjukanmalan"
ALIEN = "urn:example:alien"


def _sent(contract: str, payload: str | None = None, **changes: object) -> Callable[[Scene], Sent]:
    def make(scene: Scene) -> Sent:
        chosen = {} if payload is None else {"payload": payload}
        envelope = scene.signed(contract, **chosen, **changes)
        return Sent(body=envelope.bytes(), contract=contract, content_type=forge.content_type(envelope.version))

    return make


def _replaced(contract: str, old: str, new: str) -> Callable[[Scene], Sent]:
    def make(scene: Scene) -> Sent:
        honest = scene.recipe(contract).payload
        if old not in honest:
            raise LookupError(old)
        return Sent(body=scene.signed(contract, payload=honest.replace(old, new)).bytes(), contract=contract)

    return make


# --- every contract, honestly -----------------------------------------------------------------------------------------

_ACTIONS = {
    FOLKBOKFORING: "urn:forsakringskassan:utbyte:folkbokforing:1:Avisera",
    AGI: "urn:forsakringskassan:utbyte:arbetsgivardeklaration:1:Lamna",
    AF: "urn:forsakringskassan:utbyte:ersattningsstod:2:Svara",
    SJUK: "urn:shs:emottagning:SkickaAnmalanFranArbetsgivareResponder:1:SkickaAnmalanFranArbetsgivare",
}
for _contract, _action in _ACTIONS.items():
    _short = _contract.partition("/")[2]
    for _number, _version in (("11", SOAP_11), ("12", SOAP_12)):
        add(
            f"{_short}-soap{_number}",
            None,
            f"An honest message: {_contract}, SOAP {_number[0]}.{_number[1]}.",
            _sent(_contract, version=_version),
        )
    add(f"{_short}-action", None, "The signed Action is the contract's.", _sent(_contract, action=_action))
    add(
        f"{_short}-other-action",
        codes.CONTRACT_ACTION,
        "The signed Action is another contract's.",
        _sent(_contract, action="urn:example:other:action"),
    )
    add(
        f"{_short}-alien-root",
        codes.CONTRACT_UNKNOWN,
        "The root element is of no contract.",
        _sent(_contract, f'<x xmlns="{ALIEN}"/>'),
    )

# --- what the address did not say -------------------------------------------------------------------------------------

add(
    "other-contracts-root",
    codes.CONTRACT_UNKNOWN,
    "The root element is of another contract of the same partner than the address.",
    _sent(FOLKBOKFORING, payloads.arbetsgivardeklaration()),
)
add(
    "root-in-namespace",
    codes.CONTRACT_UNKNOWN,
    "The root element has the right name in a namespace where the contract has none.",
    _sent(FOLKBOKFORING, f'<Navetavisering xmlns="{ALIEN}"/>'),
)

# --- folkbokforing ----------------------------------------------------------------------------------------------------

for _name, _code, _old, _new, _told in (
    ("alien-element", codes.CONTRACT_SCHEMA, "<Personpost>", "<Personpost><X/>", "an element that the schema lacks"),
    ("letters-for-number", codes.CONTRACT_SCHEMA, "<PersonNr>1992", "<PersonNr>ABCD", "letters in a person's number"),
    ("unknown-code", codes.CONTRACT_SCHEMA, "<CivilstandKod>OG", "<CivilstandKod>XX", "a code the schema lacks"),
    ("marking-maybe", codes.CONTRACT_SCHEMA, "ing>N<", "ing>Kanske<", "a marking that is neither J nor N"),
    ("change-from-the-future", codes.CONTRACT_CONTENT, '="2026', '="2199', "a change from the future"),
    ("change-impossible", codes.CONTRACT_CONTENT, '="20260110', '="20261345', "a change on a day that does not exist"),
):
    add(f"folkbokforing-{_name}", _code, f"A post holds {_told}.", _replaced(FOLKBOKFORING, _old, _new))
add(
    "folkbokforing-no-posts",
    codes.CONTRACT_CONTENT,
    "The notice has no posts: it is about nobody.",
    _sent(FOLKBOKFORING, "<Navetavisering><Folkbokforingsposter/></Navetavisering>"),
)
add(
    "folkbokforing-many",
    None,
    "Thirty posts in one message.",
    _sent(FOLKBOKFORING, payloads.folkbokforing(*[payloads.post(one) for one in payloads.PERSONS * 5])),
)
for _name, _marking in {
    "marked": "<Sekretessmarkering>J</Sekretessmarkering>",
    "skyddad": "<SkyddadFolkbokforing>J</SkyddadFolkbokforing>",
    "unmarked": "",
}.items():
    add(
        f"folkbokforing-{_name}",
        None,
        f"A post that is {_name}.",
        _sent(FOLKBOKFORING, payloads.folkbokforing(marking=_marking)),
    )
add(
    "folkbokforing-samordningsnummer",
    None,
    "A person with a samordningsnummer.",
    _sent(FOLKBOKFORING, payloads.folkbokforing(person=payloads.SAMORDNING)),
)
add(
    "folkbokforing-schema-location",
    None,
    "The root names a schema on another machine; nobody fetches it.",
    _replaced(
        FOLKBOKFORING,
        "<Navetavisering>",
        '<Navetavisering xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="http://127.0.0.1:9/x.xsd">',
    ),
)
add(
    "folkbokforing-xinclude",
    codes.CONTRACT_SCHEMA,
    "An XInclude of a local file stands in the content; it is an unknown element and nothing more.",
    _replaced(
        FOLKBOKFORING,
        "<Personpost>",
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/><Personpost>',
    ),
)

# --- arbetsgivardeklaration -------------------------------------------------------------------------------------------

_BOTH = payloads.income() + payloads.absence()
for _name, _code, _payload, _told in (
    ("absence-alone", None, payloads.absence(), "Absence alone, as in the official example 17"),
    ("income-alone", None, payloads.income(), "Income alone"),
    ("future-field", None, payloads.income(more='<agd:Framtid faltkod="999">1</agd:Framtid>'), "A field to come"),
    (
        "absence-before-2025",
        codes.PURPOSE_DENIED,
        payloads.absence(on="2024-12-30", period="202412"),
        "Absence in a period before 2025, when lag (2024:1300) did not apply, and nothing else",
    ),
    (
        "absence-before-2025-with-income",
        None,
        payloads.income() + payloads.absence(on="2024-12-30", period="202412"),
        "Absence in a period before 2025 beside income: one is denied, the other passes",
    ),
    ("period-before-2018", codes.CONTRACT_CONTENT, payloads.income(period="201806"), "A period before the first"),
    ("period-impossible", codes.CONTRACT_SCHEMA, payloads.income(period="202513"), "A thirteenth month"),
    (
        "fackforening",
        codes.PURPOSE_QUARANTINED,
        payloads.income(more="<agd:FackforeningAvgift>300</agd:FackforeningAvgift>"),
        "An unknown field gives away membership of a trade union (GDPR art. 9)",
    ),
    (
        "diagnos",
        codes.PURPOSE_QUARANTINED,
        payloads.income() + payloads.absence(more="<agd:Diagnoskod>F32</agd:Diagnoskod>"),
        "An unknown field gives away a diagnosis (GDPR art. 9)",
    ),
    (
        "field-twice",
        codes.CONTRACT_CONTENT,
        payloads.income(more='<agd:AvdrPrelSkatt faltkod="001">1</agd:AvdrPrelSkatt>'),
        "A field stands twice with two values",
    ),
    (
        "other-employer-inside",
        codes.CONTRACT_CONTENT,
        payloads.income().replace("5560269986</agd:Arendeagare>", "5566778899</agd:Arendeagare>"),
        "The employer differs inside the declaration",
    ),
    ("nothing", codes.CONTRACT_CONTENT, " ", "A declaration without any part"),
):
    add(f"agi-{_name}", _code, f"{_told}.", _sent(AGI, payloads.arbetsgivardeklaration(_payload)))
add(
    "agi-other-area",
    codes.CONTRACT_SCHEMA,
    "The area is not Arbetsgivardeklaration.",
    _replaced(AGI, 'omrade="Arbetsgivardeklaration"', 'omrade="Kontrolluppgifter"'),
)
add(
    "agi-other-prefixes",
    None,
    "The components carry another prefix than in the official examples.",
    lambda scene: Sent(
        body=scene.signed(
            AGI, payload=scene.recipe(AGI).payload.replace("agd:", "gem:").replace("xmlns:agd", "xmlns:gem")
        ).bytes(),
        contract=AGI,
    ),
)

# --- ersattningsstod --------------------------------------------------------------------------------------------------

for _name, _code, _payload, _told in (
    ("extension", None, payloads.ersattningsstod(more=f'<x:Y xmlns:x="{ALIEN}">1</x:Y>'), "An extension element"),
    ("marked", None, payloads.ersattningsstod(marked="true"), "A person whom Arbetsförmedlingen knows to be protected"),
    (
        "other-basis",
        None,
        payloads.ersattningsstod(syfte=payloads.SYFTE_ALLMAN, lag=payloads.LAGPARAGRAF_ALLMAN, first="2025-11-01"),
        "An answer on the general basis, for a time when it weighed no interests",
    ),
    (
        "balancing",
        None,
        payloads.ersattningsstod(syfte=payloads.SYFTE_ALLMAN, lag=payloads.LAGPARAGRAF_ALLMAN, first="2025-12-02"),
        "An answer on the general basis, for a time when it weighs interests: referred to a person",
    ),
    ("wrong-purpose", codes.PURPOSE_DENIED, payloads.ersattningsstod(syfte="Marknadsföring"), "A purpose nobody has"),
    (
        "wrong-basis",
        codes.PURPOSE_DENIED,
        payloads.ersattningsstod(lag="1 kap. 1 § vapenlagen"),
        "A basis of another law",
    ),
    (
        "empty-purpose",
        codes.PURPOSE_DENIED,
        payloads.ersattningsstod(syfte=""),
        "An empty purpose, which the schema takes",
    ),
    (
        "mixed-basis",
        codes.PURPOSE_DENIED,
        payloads.ersattningsstod(syfte=payloads.SYFTE, lag=payloads.LAGPARAGRAF_ALLMAN),
        "The purpose of one basis and the paragraph of another: two bases are never added together",
    ),
    (
        "diagnos",
        codes.PURPOSE_QUARANTINED,
        payloads.ersattningsstod(more=f'<x:Sjukdom xmlns:x="{ALIEN}">F32</x:Sjukdom>'),
        "An extension element gives away an illness (GDPR art. 9)",
    ),
    (
        "diagnos-deep",
        codes.PURPOSE_QUARANTINED,
        payloads.ersattningsstod(more=f'<x:A xmlns:x="{ALIEN}"><x:B><x:lakarintyg>1</x:lakarintyg></x:B></x:A>'),
        "An extension element gives away an illness deep inside",
    ),
):
    add(f"af-{_name}", _code, f"{_told}.", _sent(AF, _payload))
add(
    "af-two-persons",
    codes.CONTRACT_CONTENT,
    "Question and answer are about different persons.",
    _sent(AF, payloads.ersattningsstod().replace(payloads.PERSONS[0], payloads.PERSONS[1], 1)),
)
add(
    "af-days-reversed",
    codes.CONTRACT_CONTENT,
    "The question's last day is before its first.",
    _replaced(AF, "<er:Tom>2026-01-10", "<er:Tom>2025-01-10"),
)

# --- sjukanmalan ------------------------------------------------------------------------------------------------------


def _notice(**changes: object) -> Callable[[Scene], Sent]:
    def make(scene: Scene) -> Sent:
        payload = payloads.sjukanmalan(signer=scene.signer("arbetsgivare"), **changes)  # type: ignore[arg-type]
        return Sent(body=scene.signed(SJUK, payload=payload).bytes(), contract=SJUK)

    return make


_DTD = (
    '<!DOCTYPE Anmalan [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<Anmalan xmlns="urn:forsakringskassan:utbyte:sjukanmalan:1"><organisationsnummer>&x;'
    "</organisationsnummer></Anmalan>"
)
for _name, _code, _inside, _told in (
    ("not-xml", codes.CONTRACT_PAYLOAD, b"no xml", "is not XML"),
    ("empty", codes.CONTRACT_PAYLOAD, b"", "is empty"),
    ("doctype", codes.CONTRACT_PAYLOAD, _DTD.encode(), "has a DOCTYPE that reads a file"),
    ("other-root", codes.CONTRACT_PAYLOAD, b"<x/>", "has another root"),
    ("truncated", codes.CONTRACT_PAYLOAD, payloads.anmalan().encode()[:-9], "is cut short"),
    ("instruction", codes.CONTRACT_PAYLOAD, payloads.anmalan().replace("<kont", "<?x y?><kont").encode(), "has a PI"),
    ("deep", codes.CONTRACT_PAYLOAD, b"<a>" * 60 + b"</a>" * 60, "is sixty elements deep"),
    (
        "days-reversed",
        codes.CONTRACT_CONTENT,
        payloads.anmalan().replace("2026-01-11", "2025-01-11").encode(),
        "ends early",
    ),
    (
        "schema",
        codes.CONTRACT_PAYLOAD,
        payloads.anmalan().replace("<forstaSjukdag>2025-12-29", "<forstaSjukdag>igår").encode(),
        "breaks its schema",
    ),
    (
        "comment",
        None,
        payloads.anmalan().replace("<personnummer>1992", "<personnummer>19<!-- x -->92").encode(),
        "has a comment in the middle of a person's number, and is signed so",
    ),
    ("utf-16", None, payloads.anmalan().replace("UTF-8", "UTF-16").encode("utf-16"), "is UTF-16"),
):
    add(f"notice-{_name}", _code, f"The embedded notice {_told}.", _notice(inside=_inside))

for _name, _code, _changes, _told in (
    ("free-text", None, {"more": "<fritext>Ring mig</fritext>"}, "Free text: a person reads it first"),
    ("samordningsnummer", None, {"person": payloads.SAMORDNING}, "A person with a samordningsnummer"),
    ("twelve-digit-organisation", None, {"organisation": "165560269986"}, "The organisation number has twelve digits"),
    (
        "diagnos",
        codes.PURPOSE_QUARANTINED,
        {"more": f'<x:diagnos xmlns:x="{ALIEN}">F32</x:diagnos>'},
        "An employer tells the diagnosis, which it may never",
    ),
    ("signature-wrong", codes.CONTRACT_PAYLOAD_SIGNATURE, {"signature": b"\0" * 70}, "The notice's signature is wrong"),
    ("signature-empty", codes.CONTRACT_PAYLOAD_SIGNATURE, {"signature": b""}, "The notice's signature is empty"),
):
    add(f"notice-{_name}", _code, f"{_told}.", _notice(**_changes))


def _signed_by_other(scene: Scene) -> Sent:
    payload = payloads.sjukanmalan(signer=scene.signer("arbetsgivare-b"))
    return Sent(body=scene.signed(SJUK, payload=payload).bytes(), contract=SJUK)


def _exchanged(scene: Scene) -> Sent:
    """Keep the inner signature and exchange what it signed; the envelope is signed by the employer itself."""
    honest = scene.recipe(SJUK).payload
    old = base64.b64encode(payloads.anmalan().encode()).decode()
    new = base64.b64encode(payloads.anmalan(person=payloads.PERSONS[1]).encode()).decode()
    return Sent(body=scene.signed(SJUK, payload=honest.replace(old, new)).bytes(), contract=SJUK)


def _two_signatures(scene: Scene) -> Sent:
    honest = scene.recipe(SJUK).payload
    start, end = honest.index("<em:underskrift>"), honest.index("</em:underskrift>") + len("</em:underskrift>")
    return Sent(body=scene.signed(SJUK, payload=honest[:end] + honest[start:]).bytes(), contract=SJUK)


_LAST: tuple[tuple[str, Code, Callable[[Scene], Sent], str], ...] = (
    ("signed-by-other", codes.CONTRACT_PAYLOAD_SIGNATURE, _signed_by_other, "Another employer signed the notice"),
    ("exchanged", codes.CONTRACT_PAYLOAD_SIGNATURE, _exchanged, "The notice is not the one that was signed"),
    ("two-signatures", codes.CONTRACT_PAYLOAD_SIGNATURE, _two_signatures, "Two signatures by the employer"),
    (
        "assistant-signs",
        codes.CONTRACT_PAYLOAD_SIGNATURE,
        _replaced(SJUK, ">ANORDNARE<", ">ASSISTENT<"),
        "Only an assistant signed",
    ),
    (
        "not-base64",
        codes.CONTRACT_PAYLOAD,
        _replaced(SJUK, "<em:anmalanfranarbetsgivare>", "<em:anmalanfranarbetsgivare>***"),
        "The notice is not base64",
    ),
)
for _name, _code, _make, _told in _LAST:
    add(f"notice-{_name}", _code, f"{_told}.", _make)
