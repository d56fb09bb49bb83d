"""Why it may pass: purposes, law as data, protected identity, labels. Pure: no IO, no clock, no store.

    purposes   the closed list of purposes and benefits      law        rows compiled to rules; days in Sweden
    parties    the closed list of types of partner           rows       the rows side by side, and how one is told of
    reasons    stable codes of why something did not pass    register   what the rows must keep; refuses at start
    request    what is asked, and the verdict                rule       one version of one basis, compiled
    gates      the order, 0 to 15, and what is asked when    setting    what a question is asked in, and may say
    grounds    gates 0-6: who, why, on what law, which case  contents   gates 7-15: whom it exposes, what it is
    engine     walks the gates; a request in, a verdict out  compatibility  for what data may be used, by its origin
    purpose    the step: PERMIT, DENY or REFER a record      protected  who is protected, and what is then withheld
    disclosure the step of the way out, one recipient        outward    what its rows, and our askers, must keep
    labels     what sticks to data, and how it joins         words      what an unknown element's name gives away
    obligations what whoever acts on a PERMIT must do        referral   what a person is asked
    inputs     a request's inputs, by name                   reading    a request out of a file
    tables     a stranger's JSON or TOML, held to limits     answers    a verdict as files have it
    explain    a verdict in words (`wording`)                examples   a request that a row would permit
    citation   paragraphs as they are cited                  flows      what a register lets pass, flow by flow
    difference which flows two registers treat otherwise     replaying  recorded decisions under another register
    article30  the record of processing (`article30_page`)

`config/law/` holds the law itself; nothing of it is in code.
"""
