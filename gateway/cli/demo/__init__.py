"""The demonstration: a small country that sends the gateway right and wrong messages, and checks every number.

A PKI of its own in a temporary folder, the real `gateway serve` in a process of its own, and three partners as real
clients over mutual TLS. Then the other way: the gateway sends and asks, and partners' servers answer as they should and
as they should not. What is expected is computed from what was sent, never from what the server says; in the end every
number must reconcile, or the exit code is 1.

    persons     official test persons          payloads    what the partners write
    stage       PKI, configuration, server     clients     zeep and plain HTTP, each with its certificates
    cases       what is sent, and what must    ledger      what was seen: answers, queues, log
                come of it
    reconcile   one line a rule                report      the tables

    errands     what our own systems want      farsides    partners' servers, right and wrong
    country     whom we call, and where        outgoing    what goes out, and what must come of it
    mail        who has a mailbox only
    abroad      playing it, and what was seen: by us, by the partners, by the askers
"""
