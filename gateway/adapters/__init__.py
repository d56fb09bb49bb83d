"""What was agreed: one folder a partner, one module a contract. XML goes in, named fields per person come out.

`contract.py` says what a contract is, `registry.py` finds them and holds messages to their schemas, `persons.py` and
`dates.py` read what partners write in many ways. No XML goes further than here.
"""
