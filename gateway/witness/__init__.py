"""A witness: a small program of somebody else's that signs for having seen the log only grow (C2SP tlog-witness).

It stands with those who oversee the gateway, on a machine and with a key that the gateway's operators do not reach. A
log that two witnesses have cosigned cannot be shown to one reader in one shape and to another in another, nor be
shortened, without a witness refusing and being able to prove why.

    state      which logs, and the last checkpoint of each: one file, replaced whole
    add        add-checkpoint: what is checked, in which order, and what is answered
    server     HTTP/1.1 with limits, for that one request

It knows the log's formats (`gateway.audit`) and nothing else of the gateway: no store, no configuration, no person. It
is run by `gateway witness`.
"""
