"""Reasons of gates 0 to 6: who, why, on what law, in which case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.privacy.purposes import Purpose
from gateway.privacy.reasons import Reason
from gateway.privacy.wording.forms import Who, Wording, asks, register

WORDING: Final[Mapping[Reason, Wording]] = {
    Reason.NO_BASIS: register(
        "Ingen grund i registret gäller den här informationen (SFB 114 kap. 7-9 §§: utan ändamål och stöd, ingen "
        "behandling).",
        "No basis in the register is about this information (SFB 114 kap. 7-9 §§: no purpose and support, no "
        "processing).",
        "prövar om lagen ger stöd, och lägger i så fall in en grund som två godkänner",
        "examines whether the law gives support and, if so, enters a basis that two approve",
    ),
    Reason.PARTNER_TYPE_MISMATCH: asks(
        "Grunden gäller en annan typ av partner (paragrafen räknar upp vem den gäller).",
        "The basis is about another type of partner (the paragraph lists whom it is about).",
        "frågar på nytt på den grund som gäller partnern, om det finns en",
        "asks anew on the basis that is about this partner, if there is one",
    ),
    Reason.BASIS_NOT_YET_VALID: asks(
        "Grunden har inte börjat gälla (registrets giltighetstid).",
        "The basis has not begun to apply (the register's days).",
        "väntar till dess, eller frågar på den grund som gäller nu",
        "waits until then, or asks on the basis that applies now",
    ),
    Reason.BASIS_EXPIRED: asks(
        "Grunden har slutat gälla (registrets giltighetstid).",
        "The basis has ceased to apply (the register's days).",
        "frågar på nytt på den grund som gäller nu",
        "asks anew on the basis that applies now",
    ),
    Reason.LAGRUM_NOT_IN_FORCE: asks(
        "En paragraf som grunden vilar på, eller den version av lagrummet som anges, gällde inte den dag som avgör "
        "(lagens ikraftträdande och övergångsregler).",
        "A paragraph that the basis rests on, or the version that is cited, was not in force on the day that decides "
        "(the act's days and transitional rules).",
        "anger den version som gällde den dagen, eller frågar på den grund som gällde då, om det finns en",
        "cites the version that was in force on that day, or asks on the basis that applied then, if there is one",
    ),
    Reason.CITED_BASIS_MISMATCH: asks(
        "Det lagrum som angavs är inte det som grunden vilar på.",
        "The paragraph that was cited is not the one that the basis rests on.",
        "anger grundens eget lagrum, med version",
        "cites the basis' own paragraph, with its version",
    ),
    Reason.ASKER_UNKNOWN: Wording(
        "Inget system hos oss med det namnet får sända eller fråga (SFB 114 kap. 13 §: behörighet).",
        "No system of ours by that name may send or ask (SFB 114 kap. 13 §: permissions).",
        Who.OPERATION,
        "lägger upp systemet i askers.toml, om verksamheten har beslutat det",
        "enters the system in askers.toml, if that has been decided",
    ),
    Reason.CONTRACT_NOT_FOR_ASKER: Wording(
        "Systemet får inte sända eller fråga enligt det kontraktet (SFB 114 kap. 13 §: behörighet).",
        "The system may not send or ask by that contract (SFB 114 kap. 13 §: permissions).",
        Who.OPERATION,
        "ger systemet kontraktet i askers.toml, om verksamheten har beslutat det",
        "gives the system the contract in askers.toml, if that has been decided",
    ),
    Reason.PURPOSE_UNKNOWN: asks(
        "Ändamålet är inget av dem som lagen räknar upp (SFB 114 kap. 8-10 §§). Fri text är inget ändamål.",
        "The purpose is none of those that the law lists (SFB 114 kap. 8-10 §§). Free text is no purpose.",
        f"anger ett ändamål ur den slutna listan: {', '.join(Purpose)}",
        f"names a purpose of the closed list: {', '.join(Purpose)}",
    ),
    Reason.PURPOSE_NOT_FOR_DIRECTION: asks(
        "Ändamålet gäller inte åt det här hållet: insamling vilar på SFB 114 kap. 8 §, utlämnande på 9 §.",
        "The purpose is not for this direction: collection rests on SFB 114 kap. 8 §, handing out on 9 §.",
        "anger ett ändamål som gäller åt det hållet",
        "names a purpose for that direction",
    ),
    Reason.PURPOSE_NOT_FOR_ASKER: Wording(
        "Systemet får inte göra något för det ändamålet (SFB 114 kap. 13 §: behörighet efter behov).",
        "The system may do nothing for that purpose (SFB 114 kap. 13 §: permissions by need).",
        Who.OPERATION,
        "ger systemet ändamålet i askers.toml, om verksamheten har beslutat det",
        "gives the system the purpose in askers.toml, if that has been decided",
    ),
    Reason.BASIS_UNKNOWN: asks(
        "Ingen grund med det namnet finns i registret för det som begärs.",
        "No basis by that name is in the register for what is asked.",
        "anger en grund ur registret",
        "names a basis of the register",
    ),
    Reason.BASIS_OTHER_CONTENT: asks(
        "Grunden gäller ett annat kontrakt eller en annan sorts information.",
        "The basis is about another contract or another kind of information.",
        "anger den grund som gäller informationen",
        "names the basis that is about this information",
    ),
    Reason.PURPOSE_NOT_IN_BASIS: asks(
        "Grunden tillåter andra ändamål än det angivna (SFB 114 kap. 8-9 §§).",
        "The basis allows other purposes than the one named (SFB 114 kap. 8-9 §§).",
        "anger ett av grundens ändamål, om det är det verkliga",
        "names one of the basis' purposes, if it is the real one",
    ),
    Reason.CASE_MISSING: asks(
        "Inget ärende är angivet, och utan ärende finns inget behov (HFD 2015:61).",
        "No case is named, and without one there is no need (HFD 2015:61).",
        "anger ärendet",
        "names the case",
    ),
    Reason.BENEFIT_UNKNOWN: asks(
        "Ärendets förmån saknas eller är ingen som registret känner.",
        "The case's benefit is missing or none that the register knows.",
        "anger den förmån som ärendet gäller",
        "names the benefit that the case is about",
    ),
    Reason.BENEFIT_NOT_IN_BASIS: asks(
        "Grunden gäller ärenden om andra förmåner (JO 2031-2015: paragrafens uppräkning är uttömmande).",
        "The basis is for cases on other benefits (JO 2031-2015: the paragraph's list is exhaustive).",
        "frågar på en grund som gäller ärendets förmån, om det finns en",
        "asks on a basis that is for the case's benefit, if there is one",
    ),
    Reason.CONSENT_MISSING: asks(
        "Grunden vilar på den enskildes samtycke eller medgivande, och inget finns (F 2024:14 5 §; SFB 30 kap. 10 §).",
        "The basis rests on the person's consent, and there is none (F 2024:14 5 §; SFB 30 kap. 10 §).",
        "inhämtar samtycket och anger det",
        "obtains the consent and names it",
    ),
    Reason.CONSENT_OTHER_RECIPIENT: asks(
        "Samtycket gäller andra mottagare (F 2024:14 5 §; SFB 30 kap. 10 §).",
        "The consent is for other recipients (F 2024:14 5 §; SFB 30 kap. 10 §).",
        "inhämtar ett samtycke som omfattar mottagaren",
        "obtains a consent that covers the recipient",
    ),
    Reason.CONSENT_EXPIRED: asks(
        "Samtycket gäller inte längre: det har gått ut eller återkallats (F 2024:14 5 §; GDPR art. 7.3).",
        "The consent holds no longer: it has ended or been withdrawn (F 2024:14 5 §; GDPR art. 7.3).",
        "inhämtar ett nytt samtycke",
        "obtains a new consent",
    ),
    Reason.SUSPICION_MISSING: asks(
        "Grunden kräver dokumenterad anledning att anta en felaktig utbetalning (SFB 110 kap. 31 a-33 §§; lag "
        "(2008:206) 3 §).",
        "The basis wants documented reason to assume a wrong payment (SFB 110 kap. 31 a-33 §§; lag (2008:206) 3 §).",
        "dokumenterar skälen och hänvisar till dem, om de finns",
        "documents the reasons and refers to them, if there are any",
    ),
    Reason.INPUT_MISSING: asks(
        "En uppgift som alltid måste anges saknas, och ingenting fylls i (SFB 114 kap. 7 §; HFD 2015:61).",
        "An input that must always be given is missing, and nothing is filled in (SFB 114 kap. 7 §; HFD 2015:61).",
        "frågar på nytt med det som saknas",
        "asks anew with what is missing",
    ),
    Reason.INPUT_INVALID: asks(
        "En uppgift är inte det den måste vara.",
        "An input is no such thing as it must be.",
        "frågar på nytt med uppgiften rätt angiven",
        "asks anew with the input as it must be",
    ),
    Reason.AUDIT_UNAVAILABLE: Wording(
        "Loggen har inte bekräftat någon post i förväg, och inget passerar ologgat (SFB 114 kap. 13 §).",
        "The log has not confirmed an entry beforehand, and nothing passes unlogged (SFB 114 kap. 13 §).",
        Who.OPERATION,
        "får loggen att svara; därefter kan frågan ställas på nytt",
        "makes the log answer; then it can be asked anew",
    ),
    Reason.PARTNER_UNPROVEN: Wording(
        "Ingenting visar vem partnern är: signaturen höll inte (GDPR art. 32; OSL 8 kap. 1 §).",
        "Nothing proves who the partner is: the signature did not hold (GDPR art. 32; OSL 8 kap. 1 §).",
        Who.PARTNER,
        "visar vem den är med giltigt certifikat och giltig signatur",
        "proves who it is with a valid certificate and signature",
    ),
    Reason.PARTNER_MISMATCH: Wording(
        "Certifikat och signatur hör till en annan organisation än den som anges (GDPR art. 32; OSL 8 kap. 1 §).",
        "Certificate and signature are another organisation's than the one that is named (GDPR art. 32; OSL 8 "
        "kap. 1 §).",
        Who.PARTNER,
        "frågar i sitt eget namn",
        "asks in its own name",
    ),
    Reason.PRODUCTION_IDENTITY_IN_TEST: asks(
        "I test får bara Skatteverkets officiella testnummer förekomma (GDPR art. 5.1 b och 6).",
        "Only Skatteverket's official test numbers may be in a test (GDPR art. 5.1 b and 6).",
        "använder ett officiellt testnummer",
        "uses an official test number",
    ),
    Reason.BASIS_OTHER_DIRECTION: asks(
        "Grunden gäller uppgifter åt ett annat håll: att samla in och att lämna ut är olika saker (SFB 114 kap. "
        "7-9 §§).",
        "The basis is about data that goes another way: to collect and to hand out differ (SFB 114 kap. 7-9 §§).",
        "anger en grund som gäller åt det hållet",
        "names a basis for that direction",
    ),
    Reason.LAGRUM_NOT_IN_BASIS: asks(
        "Det lagrum som angavs är inget som grunden vilar på.",
        "The paragraph that was cited is none that the basis rests on.",
        "anger grundens eget lagrum och dess version, eller en annan grund",
        "cites the basis' own paragraph and its version, or another basis",
    ),
    Reason.LAW_UNVERIFIED: Wording(
        "Ingen har läst lagtexten bakom grunden mot källan, och då tillåts inget utan en människa (registrets "
        "verified = "
        "false).",
        "Nobody has read the law behind the basis against its source, and then nothing is permitted without a person "
        "(the register's verified = false).",
        Who.REGISTER,
        "läser texten mot källan och märker raden; tills dess prövar en människa varje fråga",
        "reads the text against its source and marks the row; until then a person examines each question",
    ),
    Reason.SUBJECT_ROLE_NOT_IN_BASIS: asks(
        "Grunden gäller inte den som frågan är om: försäkrad, annan fysisk person eller juridisk person (SFB 110 kap. "
        "31-31 d §§).",
        "The basis is not about whom it concerns: the insured, another person or a legal person (SFB 110 kap. 31-31 d "
        "§§).",
        "frågar på en grund som gäller den rollen, om det finns en",
        "asks on a basis that is about that role, if there is one",
    ),
    Reason.TRIGGER_NOT_IN_BASIS: asks(
        "Grunden gäller inte när det utlöses så: på begäran, på eget initiativ eller löpande (paragrafens egna ord).",
        "The basis is not for what set it off: on request, on own initiative or continuously (the paragraph's own "
        "words).",
        "frågar på en grund som gäller då",
        "asks on a basis that is for that",
    ),
    Reason.CHANNEL_NOT_IN_BASIS: asks(
        "Grunden tillåter inte den kanalen; direktåtkomst bara när lag eller förordning säger det (SFB 114 kap. 14 §; "
        "HFD 2015:61).",
        "The basis does not allow the channel; direktåtkomst only where lag or förordning says so (SFB 114 kap. 14 §; "
        "HFD 2015:61).",
        "frågar genom en kanal som grunden tillåter",
        "asks through a channel that the basis allows",
    ),
    Reason.CONDITIONS_NOT_MET: asks(
        "Inget av grundens villkor är uppfyllt: varken förmånen eller en dokumenterad anledning att anta en felaktig "
        "utbetalning (SFB 110 kap. 31 a, 31 b och 33 §§).",
        "None of the basis' conditions is met: neither the benefit nor documented reason to assume a wrong "
        "payment (SFB "
        "110 kap. 31 a, 31 b and 33 §§).",
        "frågar på nytt med det villkor som är uppfyllt, om något är det",
        "asks anew with the condition that is met, if any is",
    ),
    Reason.NO_OPEN_CASE: asks(
        "Den som behöver uppgifterna har inget öppet ärende (HFD 2015:61).",
        "Whoever needs the data has no open case (HFD 2015:61).",
        "visar att ett ärende är öppet",
        "shows that a case is open",
    ),
    Reason.CASE_MISMATCH: asks(
        "Beviset gäller ett annat ärende än det som anges (HFD 2015:61).",
        "The proof is of another case than the one that is named (HFD 2015:61).",
        "visar beviset för det ärende som anges",
        "shows the proof of the case that is named",
    ),
    Reason.CASE_OTHER_SUBJECT: asks(
        "Ärendet gäller någon annan (HFD 2015:61).",
        "The case is about somebody else (HFD 2015:61).",
        "frågar om den som ärendet gäller",
        "asks about whom the case is about",
    ),
    Reason.CASE_OTHER_CAPACITY: asks(
        "Personen har en annan roll i ärendet än den som anges (SFB 110 kap. 31-31 d §§; HFD 2015:61).",
        "The person has another role in the case than the one that is named (SFB 110 kap. 31-31 d §§; HFD 2015:61).",
        "anger den roll som personen har i ärendet",
        "names the role that the person has in the case",
    ),
    Reason.PROOF_OTHER_REQUEST: asks(
        "Beviset för ärendet gjordes för en annan begäran och bär bara den (HFD 2015:61: varje begäran prövas för "
        "sig).",
        "The proof of the case was made for another request and carries that alone (HFD 2015:61: each request by "
        "itself).",
        "inhämtar ett bevis för just den här begäran",
        "obtains a proof for this very request",
    ),
    Reason.PROOF_NOT_BOUND: Wording(
        "Beviset för ärendet säger inte vilken begäran det gjordes för, och inte heller för vilket ändamål och vilken "
        "part (HFD 2015:61: varje begäran prövas för sig). En maskin får inte avgöra det; beviset ska bära "
        "caseProof.requestHash, eller caseProof.purpose och caseProof.orgNr (SFB 114 kap. 13 §).",
        "The proof of the case does not say which request it was made for, nor for which purpose and partner (HFD "
        "2015:61: each request by itself). No machine may settle that; the proof is to bear caseProof.requestHash, or "
        "caseProof.purpose and caseProof.orgNr (SFB 114 kap. 13 §).",
        Who.PERSON,
        "frågar den som har ärendet om beviset är till för det här",
        "asks whoever has the case whether the proof is for this",
    ),
}
