"""The closed list of types of partner: whom the law lets us get information from, ask, answer and tell.

A basis names types, never single organisations: "a kommun", "an employer". The list holds every body that a paragraph
in the register names, whether or not we have a connection to it: a basis without a contract needs no partner file, and
says all the same what may be asked of whom. It is code, as purposes are, because rules of law in code speak of some of
them (employers, the folkbokföring's source, the insured), and a misspelt type must not become a type of its own. What
a new act lets a body do is rows; a body that no act has named before is a line here.
"""

from __future__ import annotations

from enum import StrEnum


class PartnerType(StrEnum):
    """As in a partner's file and in `partner_types` of a basis."""

    AKASSA = "akassa"
    """Arbetslöshetskassa."""
    ARBETSFORMEDLINGEN = "arbetsformedlingen"
    ARBETSGIVARE = "arbetsgivare"
    UPPDRAGSGIVARE = "uppdragsgivare"
    """Who has engaged somebody without employing (SFB 110 kap. 31 a §)."""
    ARBETSMILJOVERKET = "arbetsmiljoverket"
    ASSISTANSANORDNARE = "assistansanordnare"
    AFFARSPARTNER = "affarspartner"
    """A business partner of an assistansanordnare (SFB 110 kap. 31 d §)."""
    BOLAGSVERKET = "bolagsverket"
    BOSTADSBIDRAGSMYNDIGHET = "bostadsbidragsmyndighet"
    """As förordning (1980:995) 3 § names it."""
    BROTTSOFFERMYNDIGHETEN = "brottsoffermyndigheten"
    CSN = "csn"
    """Centrala studiestödsnämnden: also the studiestödsmyndighet of older acts."""
    DOMSTOL = "domstol"
    EHALSOMYNDIGHETEN = "ehalsomyndigheten"
    EKOBROTTSMYNDIGHETEN = "ekobrottsmyndigheten"
    ENSKILD = "enskild"
    """The registered: the person that the data is about."""
    FORSAKRINGSINRATTNING = "forsakringsinrattning"
    """Försäkringsinrättning, försäkringsbolag and whoever else pays pensions (SFB 110 kap. 31 c, 39 §§)."""
    FORSAKRINGSKASSAN = "forsakringskassan"
    ISF = "isf"
    """Inspektionen för socialförsäkringen."""
    IVO = "ivo"
    """Inspektionen för vård och omsorg."""
    JAMSTALLDHETSMYNDIGHETEN = "jamstalldhetsmyndigheten"
    KOMMUN = "kommun"
    SOCIALNAMND = "socialnamnd"
    """A kommun's board for social services, where an act names the board and not the kommun."""
    SKOLHUVUDMAN = "skolhuvudman"
    KREDITINSTITUT = "kreditinstitut"
    KRIMINALVARDEN = "kriminalvarden"
    KRONOFOGDEN = "kronofogden"
    KUSTBEVAKNINGEN = "kustbevakningen"
    MIGRATIONSVERKET = "migrationsverket"
    MYNDIGHET = "myndighet"
    """Any authority that no other type is for (SFB 110 kap. 31 §, OSL 10 kap. 15 a §)."""
    PENSIONSMYNDIGHETEN = "pensionsmyndigheten"
    POLISMYNDIGHETEN = "polismyndigheten"
    REGION = "region"
    VARDGIVARE = "vardgivare"
    """A private care provider; a region's own care is `region`."""
    SAKERHETSPOLISEN = "sakerhetspolisen"
    SIS = "sis"
    """Statens institutionsstyrelse."""
    SKATTEVERKET = "skatteverket"
    SPV = "spv"
    """Statens tjänstepensionsverk."""
    TRANSPORTSTYRELSEN = "transportstyrelsen"
    TULLVERKET = "tullverket"
    UTBETALNINGSMYNDIGHETEN = "utbetalningsmyndigheten"
    UTLANDSK_INSTITUTION = "utlandsk_institution"
    """A social security body of another state, in or outside the EU and the EEA."""
    AKLAGARMYNDIGHETEN = "aklagarmyndigheten"
