"""The demonstration: a small country that sends the gateway right and wrong messages, and checks every number.

A PKI of its own in a temporary folder, the real `gateway serve` in a process of its own, and three partners as real
clients over mutual TLS. What is expected is computed from what was sent, never from what the server says; in the end
every number must reconcile, or the exit code is 1.

    persons     official test persons          payloads    what the partners write
    stage       PKI, configuration, server     clients     zeep and plain HTTP, each with its certificates
    cases       what is sent, and what must    ledger      what was seen: answers, queues, log
                come of it
    reconcile   one line a rule                report      the tables
"""
