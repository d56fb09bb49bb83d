"""Tamper evidence: what a leaf commits to, the tree over all leaves, and the texts that others verify it by.

Pure and offline: nothing here opens a file or a database, so an auditor can run it on copies. The formats are the open
ones of transparency logs, so that verifiers written by others read them:

    leaf         hidden record, salted commitment, public entry       RFC 8785, RFC 2104, RFC 6962 section 2.1
    tree         roots, inclusion and consistency proofs              RFC 6962 section 2.1, RFC 9162 section 2.1
    tiles        the tree and its entries as small files              C2SP tlog-tiles
    note         a text with Ed25519 signatures                       C2SP signed-note
    checkpoint   size and root of the log, as a note                  C2SP tlog-checkpoint
    proof        one leaf's place in the log, as a file               C2SP tlog-proof
    verify       a whole log, computed again; `static` from its files, `naive` once more and alone
    cosignature  what witnesses sign; `policy` which of them are enough   C2SP tlog-cosignature, tlog-policy
    stamp        when an authority saw a checkpoint                       RFC 3161
    trail        what may be known of a leaf unopened
    evidence     leaves with all that proves them, as files
"""
