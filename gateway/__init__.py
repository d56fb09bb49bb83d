"""Försäkringskassans dörr till andra myndigheter: the data exchange gateway.

A partner's signed SOAP message is authenticated, checked against its contract, checked against a register of purposes
and legal bases, minimised field by field, committed once together with its audit leaves and answered with a signed
receipt; each record that passed is put on internal queues as a CloudEvent. What Försäkringskassan sends and asks goes
the other way, with the same care. To understand the gateway, read two files: `inbound/path.py` (the straight line a
message walks) and `message.py` (the forms it takes on the way); then `outbound/path.py` and `dispatch.py`, the same for
the way out. Every other package is one room:

    codes errors      what can be wrong, and who must act          soap       bytes <-> envelope, limits, faults, WSDL
    endings           what can become of a dispatch                audit      leaf, tree, checkpoint, proof, verify
    message dispatch  ids and forms, in and out                    trust      who: peer, signature, chain, receipt
    config partners   settings, partners, law: read once
    ports             what the path asks of outside                privacy    why it may pass: law, purpose, protection
    inbound outbound  the path in, and out                         events     what it becomes: CloudEvents
    store broker      durable things                               adapters   what was agreed: one module a contract
    transport         HTTP and TLS                                 cli        one module a command
    wiring            the only place that constructs drivers       logs       a closed list of what may be told
    database          what the store asks of a database           consumer   for FK's systems: events, each once
    sqlite postgresql the two that keep it                         services   servers in the place of embedded drivers
    backoff swedish   pauses that double; Swedish days and hours   sources    where keys are: file, credential, token
    review            what waits for a person, and who answers     trail      what may be known of a leaf unopened
    inquiries         what can be wrong with a question at a door
    witness           a program of others: signs that it saw the log grow

Glossary (one word per thing):
    message     one signed SOAP envelope from a partner         record     one person, one kind of information in it
    partner     a named agency, or a class such as employers    contract   what a partner may send, and its schema
    peer        who is at the other end of the TLS connection   signer     whose certificate signed the message
    lagrum      a versioned paragraph of Swedish law            basis      a row that lets fields pass for purposes
    outcome     PERMIT, DENY or REFER, per record; and the      label      what may be done with data; follows it
                event that tells an asker how a dispatch ended
    event       what FK's systems get: a permitted record       leaf       one entry in the audit log: one per record
    receipt     our signed answer: it is ours now               evidence   the exact bytes received, sealed
    gallring    lawful destruction of data                      integrator sequences leaves and signs checkpoints
    relay       moves events from the outbox to the queues      outbox     committed events no broker has confirmed
    partition   a person's events on a queue, or a stretch      letter     a dead letter: an event no consumer could
                of a large table's rows                                    take, kept in the store until it is judged
    replay      a letter sent again, as a new message           duty       on whose behalf a store or broker is asked
    turn        what one transaction at a time may write        anchor     the checkpoint kept outside the database
    asker       one of FK's systems, which gives commands       command    what it wants sent or asked, about a person
    dispatch    one recipient's part of it, and its life        attempt    one call to the partner, under the same id
    intent      the leaf before a byte leaves                   end        the leaf of what became of it
    mailbox     where partners without an address fetch         review     a question only a person may answer: REFER,
    reviewer    who may answer one: a group of the system                  or a quarantined message
    releaser    carries out what reviewers answered of what came in
    trail       what is told of a leaf without opening it       reading    somebody asked the log, written down first
    witness     signs that it saw the log grow                  quorum     the witnesses that a checkpoint must have
    hold        what gallring must leave for now                package    leaves of the log with all that proves them
    gap         what must be there and is not; grave where      promise    what a receipt of ours says that we have
                what was kept is gone
    extract     registerutdrag: who got what about a person     exemption  undantag: what it holds back for a time
    door        a listener beside the front's, for few who      portal     a system that citizens ask through
                are named by certificate
    draw        the cases of a month for the recurring control  lot        by which a leaf is drawn, from a seed
    mark        what a reviewer found of a case                 sign       what of a receipt cannot be made again
    run         leaves that are indexed together                bucket     those of a run that begin with the same byte
"""

__version__ = "0.1.0"
