"""How events reach FK's own systems.

schedule     the embedded broker's file, and the SQL that keeps one person's events in order
embedded     durable queues on it: lend, acknowledge, reject, delivery limit, dead letters
depth        how a queue stands, told the same way of every broker
collector    dead letters home into the store, where people judge them
backoff      how long to wait after failures in a row
relay        from the outbox to any broker, at least once, one person's events in order
"""
