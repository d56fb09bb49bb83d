"""Reasons of gates 7 to 15: whom it may expose, what it is, where it comes from, what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.privacy.reasons import Reason
from gateway.privacy.wording.forms import Who, Wording, asks, never, refer

WORDING: Final[Mapping[Reason, Wording]] = {
    Reason.FORBIDDEN_CATEGORY: never(
        "En kategori av uppgifter som inte får gå den här vägen fanns med (GDPR art. 9 och 10; SFB 114 kap. 11 §; för "
        "studiestöd SFB 110 kap. 34 §).",
        "A category of data that may not go this way was there (GDPR art. 9 and 10; SFB 114 kap. 11 §; for study "
        "aid SFB "
        "110 kap. 34 §).",
    ),
    Reason.BALANCING_TEST_OPEN: refer(
        "Paragrafen kräver en avvägning mellan intressen, till exempel övervägande eller synnerliga skäl, och inget "
        "stående beslut har gjort den (OSL 10 kap. 15 a och 27 §§; SFB 110 kap. 31 §).",
        "The paragraph demands a weighing of interests, overriding or exceptional reasons for example, and no standing "
        "decision has made it (OSL 10 kap. 15 a and 27 §§; SFB 110 kap. 31 §).",
    ),
    Reason.FREE_TEXT: refer(
        "Fri text kan innehålla vad som helst, också uppgifter som röjer var någon finns (OSL 21 kap. 3 §; "
        "dataskyddslagen 5 kap. 2 §).",
        "Free text can hold anything, also what reveals where somebody is (OSL 21 kap. 3 §; lag (2018:218) 5 kap. "
        "2 §).",
    ),
    Reason.REFERRED_CATEGORY: refer(
        "Grunden lämnar den här kategorin av uppgifter till en människa (SFB 114 kap. 11 §).",
        "The basis leaves this category of data to a person (SFB 114 kap. 11 §).",
    ),
    Reason.FIELD_NOT_IN_BASIS: asks(
        "Grunden nämner inte fältet (uppgiftsminimering, GDPR art. 5.1 c; paragrafens egen uppräkning).",
        "The basis does not name the field (data minimisation, GDPR art. 5.1 c; the paragraph's own list).",
        "klarar sig utan fältet, eller anger en grund som nämner det",
        "does without the field, or names a basis that has it",
    ),
    Reason.FIELD_NOT_RELEASED: Wording(
        "Den som prövade frågan släppte inte fältet (SFB 114 kap. 11 §; GDPR art. 5.1 c).",
        "Whoever examined the question did not release the field (SFB 114 kap. 11 §; GDPR art. 5.1 c).",
        Who.PERSON,
        "prövar frågan på nytt, om något har ändrats",
        "examines the question anew, if anything has changed",
    ),
    Reason.PROTECTED_IDENTITY: refer(
        "Fältet kan visa var en person med skyddade personuppgifter finns (OSL 21 kap. 3 och 3 a §§, 22 kap. 1 §).",
        "The field may show where a person with a protected identity is (OSL 21 kap. 3 and 3 a §§, 22 kap. 1 §).",
    ),
    Reason.PROTECTION_UNKNOWN: Wording(
        "Det är okänt om personen har skyddade personuppgifter, och okänt behandlas som skyddat (OSL 21 kap. 3 §).",
        "Nobody knows whether the person is protected, and unknown is treated as protected (OSL 21 kap. 3 §).",
        Who.OPERATION,
        "ser till att folkbokföringen svarar; därefter kan frågan ställas på nytt",
        "makes the population register answer; then it can be asked anew",
    ),
    Reason.PROTECTED_RELATED: refer(
        "Uppgiften nämner någon annan som har skyddade personuppgifter, och fältet kan visa var den personen "
        "finns (OSL 21 kap. 3 §).",
        "The record names somebody else who is protected, and the field may show where that person is (OSL 21 "
        "kap. 3 §).",
    ),
    Reason.FIELD_UNKNOWN: asks(
        "Informationen har inget fält med det namnet. Namnet skrivs inte ut: det kan vara vad som helst.",
        "The information has no field by that name. The name is not told: it may be anything.",
        "begär fält som finns i kontraktet eller i information.toml",
        "asks for fields that are in the contract or in information.toml",
    ),
    Reason.FIELD_REQUIRED: asks(
        "Ett fält som måste vara med saknas eller säger ingenting (lag (2008:206) 4 §: omständigheterna ska anges).",
        "A field that must be there is missing or says nothing (lag (2008:206) 4 §: the circumstances are stated).",
        "fyller i fältet",
        "fills the field in",
    ),
    Reason.PERIOD_MISSING: asks(
        "Grunden begränsar hur lång tid som får efterfrågas, och ingen tid är angiven (JO 2031-2015).",
        "The basis limits how long a time may be asked about, and no time is named (JO 2031-2015).",
        "anger vilken tid frågan gäller",
        "names the time that the question is about",
    ),
    Reason.PERIOD_OUTSIDE_CASE: asks(
        "Tiden som efterfrågas ligger inte inom den som ärendet gäller (JO 2031-2015).",
        "The time asked about does not lie within what the case is about (JO 2031-2015).",
        "begränsar frågan till ärendets tid",
        "keeps the question within the case's time",
    ),
    Reason.PERIOD_TOO_LONG: asks(
        "Tiden är längre än grunden tillåter (JO 2031-2015). Den kortas inte av: den som frågar måste veta vad "
        "som frågats.",
        "The time is longer than the basis allows (JO 2031-2015). It is not cut: whoever asks must know what was "
        "asked.",
        "frågar om en kortare tid",
        "asks about a shorter time",
    ),
    Reason.PERIOD_AFTER_BASIS: asks(
        "Tiden går längre än till den dag då den lydelse som händelsedagen väljer slutade gälla (lagens "
        "ikraftträdande).",
        "The time goes on after the day on which the text that the event's day picks had ended (the act's entry into "
        "force).",
        "delar frågan vid lagändringen och frågar på vardera lydelsen",
        "divides the question at the change of law and asks on each text by itself",
    ),
    Reason.NOTHING_LEFT: asks(
        "När det som inte får passera tagits bort fanns ingenting kvar (uppgiftsminimering, GDPR art. 5.1 c).",
        "When what may not pass had been taken away nothing was left (data minimisation, GDPR art. 5.1 c).",
        "begär fält som grunden nämner",
        "asks for fields that the basis names",
    ),
    Reason.PROVENANCE_UNKNOWN: asks(
        "Det går inte att avgöra varifrån uppgifterna kommer: källgrunden eller ett ändamål är okänt (SFB 114 "
        "kap. 10-11 §§).",
        "It cannot be told where the data comes from: its basis or a purpose is unknown (SFB 114 kap. 10-11 §§).",
        "anger den grund som uppgifterna togs in på, och de ändamål de har behandlats för",
        "names the basis that let the data in, and the purposes it was processed for",
    ),
    Reason.STATISTICS_ONLY: never(
        "Uppgifterna finns för statistik, forskning eller arkiv och får inte användas om en enskild (lag "
        "(2018:218) 4 kap. 1-3 §§; "
        "OSL 24 kap. 8 §).",
        "The data is there for statistics, research or archive and is not used about a person (lag (2018:218) 4 "
        "kap. 1-3 §§; OSL 24 "
        "kap. 8 §).",
    ),
    Reason.PURPOSE_LOCK: never(
        "Lagen släppte in uppgifterna för ett annat ändamål och för inget mer (till exempel lag (2024:1300) 1 §: "
        "kontroll).",
        "The law let the data in for another purpose and for no other (for example lag (2024:1300) 1 §: control).",
    ),
    Reason.BENEFIT_LOCK: never(
        "Lagen släppte in uppgifterna för ärenden om andra förmåner (till exempel lag (2024:1300) 1 §; F "
        "(2001:588) 7 §).",
        "The law let the data in for cases on other benefits (for example lag (2024:1300) 1 §; F (2001:588) 7 §).",
    ),
    Reason.CONSENT_SCOPE: asks(
        "Uppgifterna kom med samtycke som gäller annat (F 2024:14 5 §; SFB 30 kap. 10 §).",
        "The data came by a consent that is for something else (F 2024:14 5 §; SFB 30 kap. 10 §).",
        "inhämtar ett samtycke som omfattar användningen",
        "obtains a consent that covers this use",
    ),
    Reason.HEALTH_PROVENANCE: never(
        "Uppgifter om hälsa som aldrig har behandlats för SFB 114 kap. 8 § 1-3 får inte användas så (11 § tredje "
        "stycket).",
        "Data on health that never was processed for SFB 114 kap. 8 § 1-3 may not be used so (11 § third paragraph).",
    ),
    Reason.SENSITIVE_PURPOSE: never(
        "Känsliga uppgifter får behandlas i ärenden och lämnas ut enligt lag, inte för annat (SFB 114 kap. 11 §).",
        "Sensitive data is processed in cases and handed out by law, for nothing else (SFB 114 kap. 11 §).",
    ),
    Reason.COMPATIBILITY_OPEN: refer(
        "Om ändamålet är förenligt med det som uppgifterna samlades in för måste prövas i det enskilda fallet "
        "(SFB 114 kap. 10 §).",
        "Whether the purpose is compatible with that of collection must be examined in the case (SFB 114 kap. 10 §).",
    ),
    Reason.SECRECY_NOT_BROKEN: never(
        "Ett fält omfattas av sekretess som paragrafen inte bryter (OSL 10 kap. 15 a och 27 §§; lag (2024:307) 2 "
        "§; lag "
        "(2025:170) 8 §).",
        "A field is covered by secrecy that the paragraph does not break (OSL 10 kap. 15 a and 27 §§; lag (2024:307) 2 "
        "§; lag (2025:170) 8 §).",
    ),
    Reason.PAST_GALLRING: Wording(
        "Uppgifterna skulle redan ha gallrats och får inte användas (SFB 114 kap. 15 §).",
        "The data should have been removed already and may not be used (SFB 114 kap. 15 §).",
        Who.OPERATION,
        "gallrar dem",
        "removes it",
    ),
    Reason.SELECTION_KEY_UNKNOWN: asks(
        "Urvalet görs på något som informationen inte har, och som kan vara känsligt (SFB 114 kap. 12 §).",
        "People are picked by something that the information does not have, and that may be sensitive (SFB 114 "
        "kap. 12 §).",
        "anger fält ur informationen, eller kategorier",
        "names fields of the information, or categories",
    ),
    Reason.SELECTION_SENSITIVE: never(
        "Ingen får väljas ut på känsliga uppgifter eller uppgifter om brott (SFB 114 kap. 12 § första stycket).",
        "Nobody is picked by sensitive data or data about crime (SFB 114 kap. 12 § first paragraph).",
    ),
    Reason.SELECTION_HEALTH: never(
        "Urval på uppgifter om hälsa får bara göras när de rör en förmån eller ersättning, eller för att "
        "handlägga, följa upp "
        "eller kontrollera (SFB 114 kap. 12 § andra stycket).",
        "People are picked by data on health only where it concerns a benefit, or to handle, follow up or control "
        "(SFB 114 "
        "kap. 12 § second paragraph).",
    ),
    Reason.BULK_ONE_BY_ONE: refer(
        "En och samma person har frågat om fler på en timme än ärenden handläggs: ett urval i förklädnad (SFB 114 kap. "
        "12-13 §§; JO 370-1999).",
        "One person has asked about more people within the hour than cases are handled: a selection in disguise "
        "(SFB 114 "
        "kap. 12-13 §§; JO 370-1999).",
    ),
    Reason.OWN_CASE: Wording(
        "Den som frågar är den det gäller; ingen slår upp sig själv (SFB 114 kap. 13 §; förvaltningslagen 16 §).",
        "Whoever asks is whom it is about; nobody looks up themself (SFB 114 kap. 13 §; förvaltningslagen 16 §).",
        Who.PERSON,
        "som inte själv berörs tar över ärendet",
        "who is not concerned takes the case over",
    ),
    Reason.NOT_OWN_DATA: never(
        "Den registrerade har åtkomst till sina egna uppgifter och till ingen annans (F (2024:14) 6 §).",
        "The registered has access to the own data and to nobody else's (F (2024:14) 6 §).",
    ),
    Reason.CONFLICT_OF_INTEREST: Wording(
        "Den som frågar har ett band till den det gäller (förvaltningslagen 16 §; SFB 114 kap. 13 §).",
        "Whoever asks is bound to whom it is about (förvaltningslagen 16 §; SFB 114 kap. 13 §).",
        Who.PERSON,
        "som inte är jävig prövar frågan och skriver ned skälen, eller tar över ärendet",
        "who is not bound examines the question and writes down the reasons, or takes the case over",
    ),
    Reason.DECISION_PROPOSAL: never(
        "Ingen maskin får skriva förslag till beslut om en enskild (GDPR art. 22; C-634/21).",
        "No machine drafts a decision about a person (GDPR art. 22; C-634/21).",
    ),
}
