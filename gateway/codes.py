"""The closed catalogue of what can be wrong: stable names, and texts for the people who must act.

A code belongs to one step of the path. The texts are fixed, say what to check and who mends it, and never quote the
message. `docs/partner.md` lists them; a test holds the two together. Names are never reused or renamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Where on the path a message was stopped."""

    RECEIVE = "receive"
    ADMIT = "admit"
    PARSE = "parse"
    VERIFY = "verify"
    CONTRACT = "contract"
    PURPOSE = "purpose"
    MAILBOX = "mailbox"
    """A partner fetches what waits for it."""
    COMMIT = "commit"
    START = "start"
    COMMAND = "command"
    """On the way out, from here: a command is read and queued,"""
    SEND = "send"
    """an attempt is made,"""
    ANSWER = "answer"
    """what came back is judged."""
    ASK = "ask"
    """The log is asked, at a listener of its own."""


class Mender(StrEnum):
    """Who must act."""

    SENDER = "sender"
    GATEWAY = "gateway"
    ASKER = "asker"
    """The system here that gave the command."""
    PARTNER = "partner"
    """The far side."""


@dataclass(frozen=True, slots=True)
class Code:
    """One thing that can be wrong."""

    name: str
    step: Step
    mender: Mender
    resend: bool
    """True when resending the same bytes can succeed."""
    swedish: str
    english: str


def _sender(name: str, step: Step, swedish: str, english: str) -> Code:
    return Code(name, step, Mender.SENDER, resend=False, swedish=swedish, english=english)


def _ours(name: str, step: Step, swedish: str, english: str) -> Code:
    return Code(name, step, Mender.GATEWAY, resend=True, swedish=swedish, english=english)


METHOD = _sender(
    "GW-HTTP-METHOD",
    Step.RECEIVE,
    "Adressen tar bara emot POST (meddelanden) och GET med ?wsdl (kontraktet).",
    "The address takes POST (messages) and GET with ?wsdl (the contract) only.",
)
PATH = _sender(
    "GW-HTTP-PATH",
    Step.RECEIVE,
    "Adressen finns inte. Adresser har formen /soap/<partner>/<kontrakt>; se anslutningsguiden.",
    "No such address. Addresses have the form /soap/<partner>/<contract>; see the partner guide.",
)
CONTENT_TYPE = _sender(
    "GW-HTTP-CONTENT-TYPE",
    Step.RECEIVE,
    "Fel Content-Type. Skicka text/xml (SOAP 1.1) eller application/soap+xml (SOAP 1.2).",
    "Wrong Content-Type. Send text/xml (SOAP 1.1) or application/soap+xml (SOAP 1.2).",
)
CONTENT_ENCODING = _sender(
    "GW-HTTP-CONTENT-ENCODING",
    Step.RECEIVE,
    "Komprimerade meddelanden tas inte emot. Skicka utan Content-Encoding.",
    "Compressed messages are not taken. Send without Content-Encoding.",
)
MULTIPART = _sender(
    "GW-HTTP-MULTIPART",
    Step.RECEIVE,
    "Meddelanden i flera delar (MTOM, SOAP med bilagor) tas inte emot. Skicka kuvertet som en del.",
    "Multi-part messages (MTOM, SOAP with attachments) are not taken. Send the envelope as one part.",
)
EMPTY = _sender(
    "GW-HTTP-EMPTY",
    Step.RECEIVE,
    "Meddelandet är tomt. Skicka ett SOAP-kuvert.",
    "The message is empty. Send a SOAP envelope.",
)
TOO_LARGE = _sender(
    "GW-HTTP-TOO-LARGE",
    Step.RECEIVE,
    "Meddelandet är större än kontraktet tillåter. Dela upp det.",
    "The message is larger than the contract allows. Split it.",
)
SLOW = _sender(
    "GW-HTTP-SLOW",
    Step.RECEIVE,
    "Meddelandet kom för långsamt och avbröts. Kontrollera nätet och sänd om.",
    "The message came too slowly and was cut off. Check the network and resend.",
)
HTTP_SYNTAX = _sender(
    "GW-HTTP-SYNTAX",
    Step.RECEIVE,
    "Anropet är inte giltig HTTP/1.1, eller dess huvuden är för stora.",
    "The request is not valid HTTP/1.1, or its headers are too large.",
)
PEER_MISSING = _sender(
    "GW-PEER-MISSING",
    Step.ADMIT,
    "TLS-klientcertifikat saknas. Anslut med ert certifikat.",
    "No TLS client certificate. Connect with your certificate.",
)
PEER_UNKNOWN = _sender(
    "GW-PEER-UNKNOWN",
    Step.ADMIT,
    "TLS-certifikatet hör inte till någon ansluten partner. Kontrollera att rätt certifikat används.",
    "The TLS certificate belongs to no connected partner. Check that the right certificate is used.",
)
PEER_CERTIFICATE = _sender(
    "GW-PEER-CERTIFICATE",
    Step.ADMIT,
    "TLS-certifikatet har gått ut, är spärrat eller får inte användas som klientcertifikat. Byt det.",
    "The TLS certificate has expired, is revoked or may not be used by a client. Change it.",
)
PEER_ORGANISATION = _sender(
    "GW-PEER-ORGANISATION",
    Step.ADMIT,
    "TLS-certifikatet saknar giltigt organisationsnummer i subject serialNumber.",
    "The TLS certificate has no valid organisation number in its subject serialNumber.",
)
PEER_CONTRACT = _sender(
    "GW-PEER-CONTRACT",
    Step.ADMIT,
    "Adressen hör till en annan partner än TLS-certifikatet. Kontrollera adress och certifikat.",
    "The address belongs to another partner than the TLS certificate. Check address and certificate.",
)
XML_ENCODING = _sender(
    "GW-XML-ENCODING",
    Step.PARSE,
    "Teckenkodningen stöds inte eller stämmer inte. Använd UTF-8, UTF-16 eller ISO-8859-1.",
    "The encoding is not supported or not true. Use UTF-8, UTF-16 or ISO-8859-1.",
)
XML_SYNTAX = _sender(
    "GW-XML-SYNTAX",
    Step.PARSE,
    "Meddelandet är inte välformad XML.",
    "The message is not well-formed XML.",
)
XML_DTD = _sender(
    "GW-XML-DTD",
    Step.PARSE,
    "Meddelandet har en DOCTYPE. Ta bort den: DTD och entiteter tas inte emot.",
    "The message has a DOCTYPE. Remove it: DTDs and entities are not taken.",
)
XML_LIMIT = _sender(
    "GW-XML-LIMIT",
    Step.PARSE,
    "Meddelandet överskrider en gräns för djup, antal element, attribut eller textlängd.",
    "The message exceeds a limit of depth, number of elements, attributes or length of text.",
)
XML_DUPLICATE_ID = _sender(
    "GW-XML-DUPLICATE-ID",
    Step.PARSE,
    "Samma id förekommer på flera element. Varje id måste vara unikt.",
    "The same id stands on several elements. Every id must be unique.",
)
XML_INSTRUCTION = _sender(
    "GW-XML-INSTRUCTION",
    Step.PARSE,
    "Meddelandet har en bearbetningsinstruktion i signerat innehåll. Ta bort den.",
    "The message has a processing instruction in signed content. Remove it.",
)
SOAP_ENVELOPE = _sender(
    "GW-SOAP-ENVELOPE",
    Step.PARSE,
    "Meddelandet är inte ett SOAP-kuvert med högst en Header och exakt en Body.",
    "The message is not a SOAP envelope with at most one Header and exactly one Body.",
)
SOAP_VERSION = _sender(
    "GW-SOAP-VERSION",
    Step.PARSE,
    "Kuvertets SOAP-version stöds inte eller motsäger Content-Type.",
    "The envelope's SOAP version is not supported or contradicts the Content-Type.",
)
SOAP_BODY = _sender(
    "GW-SOAP-BODY",
    Step.PARSE,
    "Body måste ha exakt ett element som innehåll.",
    "Body must hold exactly one element.",
)
SOAP_MUST_UNDERSTAND = _sender(
    "GW-SOAP-MUST-UNDERSTAND",
    Step.PARSE,
    "Kuvertet har ett huvud med mustUnderstand som inte förstås.",
    "The envelope has a mustUnderstand header that is not understood.",
)
SIG_MISSING = _sender(
    "GW-SIG-MISSING",
    Step.VERIFY,
    "Meddelandet är inte signerat enligt WS-Security.",
    "The message is not signed with WS-Security.",
)
SIG_STRUCTURE = _sender(
    "GW-SIG-STRUCTURE",
    Step.VERIFY,
    "Säkerhetshuvudet ska ha exakt en Timestamp, en BinarySecurityToken och en Signature, på sin plats.",
    "The security header must have exactly one Timestamp, BinarySecurityToken and Signature, in place.",
)
SIG_ALGORITHM = _sender(
    "GW-SIG-ALGORITHM",
    Step.VERIFY,
    "Algoritmen tas inte emot. Använd exklusiv C14N, SHA-256 och RSA (minst 2048), ECDSA P-256 eller Ed25519.",
    "The algorithm is not taken. Use exclusive C14N, SHA-256 and RSA (2048 or more), ECDSA P-256 or Ed25519.",
)
SIG_TRANSFORM = _sender(
    "GW-SIG-TRANSFORM",
    Step.VERIFY,
    "Varje Reference måste ha exakt en transform: exklusiv C14N.",
    "Every Reference must have exactly one transform: exclusive C14N.",
)
SIG_REFERENCE = _sender(
    "GW-SIG-REFERENCE",
    Step.VERIFY,
    "En Reference pekar inte på ett element på tillåten plats i samma kuvert.",
    "A Reference does not point to an element in an allowed place of the same envelope.",
)
SIG_COVERAGE = _sender(
    "GW-SIG-COVERAGE",
    Step.VERIFY,
    "Signaturen täcker inte allt den måste: Body, Timestamp och, när de finns, MessageID, To och Action.",
    "The signature does not cover all it must: Body, Timestamp and, when present, MessageID, To and Action.",
)
SIG_KEY_INFO = _sender(
    "GW-SIG-KEY-INFO",
    Step.VERIFY,
    "KeyInfo måste vara en SecurityTokenReference till kuvertets BinarySecurityToken, och inget annat.",
    "KeyInfo must be one SecurityTokenReference to the envelope's BinarySecurityToken, and nothing else.",
)
SIG_DIGEST = _sender(
    "GW-SIG-DIGEST",
    Step.VERIFY,
    "Innehållet stämmer inte med signaturens digest: det har ändrats efter signeringen.",
    "The content does not match the signature's digest: it was changed after signing.",
)
SIG_VALUE = _sender(
    "GW-SIG-VALUE",
    Step.VERIFY,
    "Signaturvärdet är fel.",
    "The signature value is wrong.",
)
SIG_KEY = _sender(
    "GW-SIG-KEY",
    Step.VERIFY,
    "Signeringsnyckeln är för svag eller av fel slag. Använd RSA (minst 2048), P-256 eller Ed25519.",
    "The signing key is too weak or of the wrong kind. Use RSA (2048 or more), P-256 or Ed25519.",
)
SIG_ADDRESSING = _sender(
    "GW-SIG-ADDRESSING",
    Step.VERIFY,
    "MessageID, To eller Action förekommer mer än en gång eller har ett värde som inte tas emot.",
    "MessageID, To or Action stands more than once or has a value that is not taken.",
)
CERT_FORMAT = _sender(
    "GW-CERT-FORMAT",
    Step.VERIFY,
    "Signeringscertifikatet går inte att läsa.",
    "The signing certificate cannot be read.",
)
CERT_CHAIN = _sender(
    "GW-CERT-CHAIN",
    Step.VERIFY,
    "Certifikatet är inte utfärdat under någon rot som gäller för er.",
    "The certificate is not issued under any root that holds for you.",
)
CERT_EXPIRED = _sender(
    "GW-CERT-EXPIRED",
    Step.VERIFY,
    "Certifikatet har gått ut. Byt till ett giltigt.",
    "The certificate has expired. Change to a valid one.",
)
CERT_NOT_YET_VALID = _sender(
    "GW-CERT-NOT-YET-VALID",
    Step.VERIFY,
    "Certifikatet gäller inte ännu.",
    "The certificate is not valid yet.",
)
CERT_USAGE = _sender(
    "GW-CERT-USAGE",
    Step.VERIFY,
    "Certifikatet får inte användas till detta (KeyUsage, ExtendedKeyUsage eller BasicConstraints).",
    "The certificate may not be used for this (KeyUsage, ExtendedKeyUsage or BasicConstraints).",
)
CERT_REVOKED = _sender(
    "GW-CERT-REVOKED",
    Step.VERIFY,
    "Certifikatet är spärrat. Byt certifikat.",
    "The certificate is revoked. Change certificate.",
)
CERT_SUBJECT = _sender(
    "GW-CERT-SUBJECT",
    Step.VERIFY,
    "Certifikatets innehavare är inte den som avtalet nämner.",
    "The certificate's subject is not the one the agreement names.",
)
SIGNER_PEER = _sender(
    "GW-SIGNER-PEER",
    Step.VERIFY,
    "TLS-certifikatet och signeringscertifikatet hör till olika partner.",
    "The TLS certificate and the signing certificate belong to different partners.",
)
TIME_FORMAT = _sender(
    "GW-TIME-FORMAT",
    Step.VERIFY,
    "Timestamp måste ha Created och Expires i UTC enligt xs:dateTime, i den ordningen.",
    "Timestamp must have Created and Expires in UTC as xs:dateTime, in that order.",
)
TIME_STALE = _sender(
    "GW-TIME-STALE",
    Step.VERIFY,
    "Meddelandet är för gammalt. Signera om med ny tidsstämpel och samma MessageID.",
    "The message is too old. Sign again with a new timestamp and the same MessageID.",
)
TIME_FUTURE = _sender(
    "GW-TIME-FUTURE",
    Step.VERIFY,
    "Meddelandets tid ligger i framtiden. Kontrollera er klocka.",
    "The message's time lies in the future. Check your clock.",
)
REVOCATION_UNAVAILABLE = _ours(
    "GW-UNAVAILABLE-REVOCATION",
    Step.VERIFY,
    "Spärrlistan är för gammal hos oss, så certifikat kan inte prövas. Inget har tagits emot; sänd om.",
    "Our revocation list is too old, so certificates cannot be judged. Nothing was received; resend.",
)
CONTRACT_UNKNOWN = _sender(
    "GW-CONTRACT-UNKNOWN",
    Step.CONTRACT,
    "Inget kontrakt har detta rotelement på denna adress.",
    "No contract has this root element at this address.",
)
CONTRACT_SCHEMA = _sender(
    "GW-CONTRACT-SCHEMA",
    Step.CONTRACT,
    "Innehållet följer inte kontraktets schema.",
    "The content does not keep the contract's schema.",
)
CONTRACT_CONTENT = _sender(
    "GW-CONTRACT-CONTENT",
    Step.CONTRACT,
    "Innehållet följer schemat men inte kontraktets övriga regler.",
    "The content keeps the schema but not the contract's other rules.",
)
CONTRACT_SENDER = _sender(
    "GW-CONTRACT-SENDER",
    Step.CONTRACT,
    "Meddelandet talar för en annan organisation än den som signerade.",
    "The message speaks for another organisation than the one that signed.",
)
CONTRACT_ACTION = _sender(
    "GW-CONTRACT-ACTION",
    Step.CONTRACT,
    "wsa:Action är inte kontraktets.",
    "wsa:Action is not the contract's.",
)
CONTRACT_PAYLOAD = _sender(
    "GW-CONTRACT-PAYLOAD",
    Step.CONTRACT,
    "Den inbäddade anmälan går inte att läsa eller följer inte sitt schema.",
    "The embedded payload cannot be read or does not keep its schema.",
)
CONTRACT_PAYLOAD_SIGNATURE = _sender(
    "GW-CONTRACT-PAYLOAD-SIGNATURE",
    Step.CONTRACT,
    "Underskriften stämmer inte med den inbäddade anmälans exakta bytes.",
    "The signature does not match the embedded payload's exact bytes.",
)
PURPOSE_DENIED = _sender(
    "GW-PURPOSE-DENIED",
    Step.PURPOSE,
    "Ingen uppgift i meddelandet har rättslig grund att tas emot här.",
    "No record in the message has a legal basis to be received here.",
)
PURPOSE_QUARANTINED = _sender(
    "GW-PURPOSE-QUARANTINED",
    Step.PURPOSE,
    "Meddelandet har uppgifter som inte får lämnas på denna väg. Det är stoppat; skicka inte om. Ni blir kontaktade.",
    "The message has data that may not be sent this way. It is stopped; do not resend. You will be contacted.",
)
CONFLICT = _sender(
    "GW-CONFLICT-DIGEST",
    Step.COMMIT,
    "Samma MessageID har tidigare använts för annat innehåll. Använd ett nytt MessageID.",
    "The same MessageID was used before for other content. Use a new MessageID.",
)
MAILBOX_UNKNOWN = _sender(
    "GW-MAILBOX-UNKNOWN",
    Step.MAILBOX,
    "Inget sådant meddelande väntar på er. Lista brevlådan och använd ett id därifrån.",
    "No such message waits for you. List the mailbox and use an id from there.",
)
MAILBOX_UNFETCHED = _sender(
    "GW-MAILBOX-UNFETCHED",
    Step.MAILBOX,
    "Meddelandet är inte hämtat. Hämta det, och kvittera det sedan.",
    "The message has not been fetched. Fetch it, then acknowledge it.",
)
MAILBOX_DIGEST = _sender(
    "GW-MAILBOX-DIGEST",
    Step.MAILBOX,
    "Digest är inte det hämtade meddelandets: SHA-256 av elementet i Body i exklusiv kanonisk form.",
    "Digest is not that of the fetched message: SHA-256 of the element in Body in exclusive canonical form.",
)
STORE_UNAVAILABLE = _ours(
    "GW-UNAVAILABLE-STORE",
    Step.COMMIT,
    "Mottagningen är tillfälligt stängd. Inget har tagits emot; sänd om samma meddelande.",
    "Reception is closed for the moment. Nothing was received; resend the same message.",
)
KEY_UNAVAILABLE = _ours(
    "GW-UNAVAILABLE-KEY",
    Step.COMMIT,
    "Kvittot kan inte undertecknas just nu. Sänd om samma meddelande, så kommer kvittot.",
    "The receipt cannot be signed at the moment. Resend the same message to get it.",
)
DRAINING = _ours(
    "GW-UNAVAILABLE-DRAINING",
    Step.COMMIT,
    "Mottagningen startas om. Inget har tagits emot; sänd om samma meddelande.",
    "Reception is restarting. Nothing was received; resend the same message.",
)
OVERLOADED = _ours(
    "GW-UNAVAILABLE-OVERLOADED",
    Step.COMMIT,
    "Mottagningen är överbelastad. Inget har tagits emot; sänd om samma meddelande om en stund.",
    "Reception is overloaded. Nothing was received; resend the same message in a while.",
)
INTERNAL = _ours(
    "GW-UNAVAILABLE-INTERNAL",
    Step.COMMIT,
    "Ett fel hos oss. Inget har tagits emot; sänd om, och ring om det upprepas.",
    "A fault of ours. Nothing was received; resend, and call if it is repeated.",
)
INTEGRITY = _ours(
    "GW-INTEGRITY",
    Step.COMMIT,
    "Mottagningen är stoppad i väntan på en manuell kontroll. Sänd om senare.",
    "Reception is stopped until a person has looked. Resend later.",
)
CONFIG = _ours(
    "GW-CONFIG",
    Step.START,
    "Konfigurationen är fel.",
    "The configuration is wrong.",
)


def catalogue() -> tuple[Code, ...]:
    """Return every code, in the order of the path."""
    return tuple(value for value in globals().values() if isinstance(value, Code))
