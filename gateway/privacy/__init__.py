"""Why it may pass: purposes, law as data, protected identity, labels. Pure: no IO, no clock, no store.

    purposes   the closed list of purposes and benefits      law        rows compiled to rules; days in Sweden
    reasons    stable codes of why something did not pass    register   what the rows must keep; refuses at start
    purpose    the step: PERMIT, DENY or REFER a record      protected  who is protected, and what is then withheld
    labels     what sticks to data, and how it joins         words      what an unknown element's name gives away
    disclosure the step of the way out, one recipient        outward    what its rows, and our askers, must keep

`config/law/` holds the law itself; nothing of it is in code.
"""
