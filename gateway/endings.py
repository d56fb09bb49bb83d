"""What can become of a command and a dispatch: stable names, and texts for those who asked and for operators.

Partners never see these; what they may be told is in `codes`. Names are never reused or renamed. `docs/operator.md`
lists them; a test holds the two together.
"""

from __future__ import annotations

from gateway.codes import Code, Mender, Step


def _asker(name: str, swedish: str, english: str) -> Code:
    return Code(name, Step.COMMAND, Mender.ASKER, resend=False, swedish=swedish, english=english)


def _partner(name: str, step: Step, swedish: str, english: str, *, resend: bool) -> Code:
    return Code(name, step, Mender.PARTNER, resend=resend, swedish=swedish, english=english)


COMMAND_FORMAT = _asker(
    "GW-COMMAND-FORMAT",
    "Kommandot följer inte schemat kommando.v1. Rätta det och ge det ett nytt id.",
    "The command does not keep the schema kommando.v1. Mend it and give it a new id.",
)
COMMAND_ASKER = _asker(
    "GW-COMMAND-ASKER",
    "Systemet får inte använda kontraktet eller ändamålet. Se config/askers.toml.",
    "The system may not use the contract or the purpose. See config/askers.toml.",
)
COMMAND_RECIPIENT = _asker(
    "GW-COMMAND-RECIPIENT",
    "Mottagaren kan inte nås: den saknar adress och brevlåda för kontraktet. Se config/partners.",
    "The recipient cannot be reached: no endpoint and no mailbox for the contract. See config/partners.",
)
COMMAND_CONFLICT = _asker(
    "GW-COMMAND-CONFLICT",
    "Samma kommando-id har kommit förut med annat innehåll. Ett nytt kommando måste ha ett nytt id.",
    "The same command id came before with other content. A new command needs a new id.",
)
DENIED = _asker(
    "GW-OUT-DENIED",
    "Ingen rättslig grund tillåter utlämnandet. Inget har lämnats ut.",
    "No legal basis allows the disclosure. Nothing has been disclosed.",
)
REFERRED = _asker(
    "GW-OUT-REFERRED",
    "En människa måste avgöra om uppgiften får lämnas ut. Inget har lämnats ut.",
    "A person must decide whether this may be disclosed. Nothing has been disclosed.",
)
REVIEW_DENIED = _asker(
    "GW-OUT-REVIEW-DENIED",
    "En människa har avgjort att uppgiften inte får lämnas ut. Inget har lämnats ut.",
    "A person has decided that this may not be disclosed. Nothing has been disclosed.",
)
REVIEW_EXPIRED = _asker(
    "GW-OUT-REVIEW-EXPIRED",
    "Ingen avgjorde i tid om uppgiften får lämnas ut. Det är ett nej: inget har lämnats ut.",
    "Nobody decided in time whether this may be disclosed. That is a no: nothing has been disclosed.",
)
WITHDRAWN = _asker(
    "GW-OUT-WITHDRAWN",
    "Återkallat innan något lämnades ut.",
    "Withdrawn before anything was disclosed.",
)
EXPIRED = _asker(
    "GW-OUT-EXPIRED",
    "Tiden gick ut innan mottagaren kunde ta emot. Inget har lämnats ut.",
    "Time ran out before the recipient could take it. Nothing has been disclosed.",
)
UNRESOLVED = _asker(
    "GW-OUT-UNRESOLVED",
    "Det är oklart om mottagaren har fått uppgiften, och tiden är ute. Fråga mottagaren; avsluta med gateway dispatch.",
    "It is not known whether the recipient has it, and time is out. Ask it; then settle it with gateway dispatch.",
)
UNREAD = _asker(
    "GW-OUT-UNREAD",
    "Mottagaren hämtade inte meddelandet ur sin brevlåda i tid. Inget har lämnats ut.",
    "The recipient did not fetch the message from its mailbox in time. Nothing has been disclosed.",
)

UNREACHABLE = _partner(
    "GW-FAR-UNREACHABLE",
    Step.SEND,
    "Ingen kontakt med mottagaren. Inget har skickats; nytt försök görs.",
    "No contact with the recipient. Nothing was sent; it is tried again.",
    resend=True,
)
UNTRUSTED = _partner(
    "GW-FAR-UNTRUSTED",
    Step.SEND,
    "TLS med mottagaren misslyckades: certifikat, värdnamn eller version. Inget har skickats. Se partnerns fil.",
    "TLS with the recipient failed: certificate, host name or version. Nothing was sent. See the partner's file.",
    resend=True,
)
LOST = _partner(
    "GW-FAR-LOST",
    Step.SEND,
    "Förbindelsen bröts innan svaret kom. Mottagaren kan ha fått meddelandet; samma id skickas igen.",
    "The connection ended before the answer came. The recipient may have the message; the same id is sent again.",
    resend=True,
)
TOO_LARGE = _partner(
    "GW-FAR-TOO-LARGE",
    Step.ANSWER,
    "Svaret är större än gränsen för partnern. Meddelandet kan ha behandlats.",
    "The answer is larger than the partner's limit. The message may have been processed.",
    resend=True,
)
BUSY = _partner(
    "GW-FAR-BUSY",
    Step.ANSWER,
    "Mottagaren tar inte emot just nu. Inget har behandlats; nytt försök görs.",
    "The recipient does not take messages now. Nothing was processed; it is tried again.",
    resend=True,
)
ADDRESS = _partner(
    "GW-FAR-ADDRESS",
    Step.ANSWER,
    "Adressen svarar med omdirigering, nekad åtkomst eller att den inte finns. Kontrollera adressen med partnern.",
    "The address answers with a redirect, no access or not found. Check the address with the partner.",
    resend=True,
)
GARBLED = _partner(
    "GW-FAR-GARBLED",
    Step.ANSWER,
    "Svaret är inte ett SOAP-kuvert (till exempel en webbsida). Meddelandet kan ha behandlats.",
    "The answer is no SOAP envelope (a web page, for instance). The message may have been processed.",
    resend=True,
)
FAULT = _partner(
    "GW-FAR-FAULT",
    Step.ANSWER,
    "Mottagaren svarade med ett tekniskt fel. Meddelandet kan ha behandlats; samma id skickas igen.",
    "The recipient answered with a technical fault. The message may have been processed; the same id is sent again.",
    resend=True,
)
UNPROVEN = _partner(
    "GW-FAR-UNPROVEN",
    Step.ANSWER,
    "Svarets underskrift, tid eller avsändare kan inte godtas. Meddelandet kan ha behandlats; samma id skickas igen.",
    "The answer's signature, time or sender is not accepted. It may have been processed; the same id is sent again.",
    resend=True,
)
OTHER = _partner(
    "GW-FAR-OTHER",
    Step.ANSWER,
    "Svaret gäller ett annat meddelande. Meddelandet kan ha behandlats; samma id skickas igen.",
    "The answer is about another message. The message may have been processed; the same id is sent again.",
    resend=True,
)
REFUSED = _partner(
    "GW-FAR-REFUSED",
    Step.ANSWER,
    "Mottagaren tog inte emot meddelandet och anger varför med sin egen kod. Skickas inte igen.",
    "The recipient did not take the message, and says why by its own code. It is not sent again.",
    resend=False,
)
UNUSABLE = _partner(
    "GW-FAR-UNUSABLE",
    Step.ANSWER,
    "Svaret är äkta men bryter mot kontraktet eller får inte tas emot. Det är förseglat. Kontakta partnern.",
    "The answer is genuine but breaks the contract or may not be received. It is sealed. Contact the partner.",
    resend=False,
)
