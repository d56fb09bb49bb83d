"""Durable things on SQLite or PostgreSQL: the one commit, and what is read and derived from it.

place          which of the two, where, and on whose behalf
schema         what is kept, as SQLAlchemy metadata; migrations/ brings a database to it (steps); triggers what SQLite
               forbids
grants         who may do what on PostgreSQL
partitions     where PostgreSQL keeps the next stretch of the log
copy           an embedded store moved to PostgreSQL, and proven the same
create         a new store, with the empty log's signed checkpoint; never over an old one
journal        the one commit point: many messages a transaction, on the driver itself
entries        the rows of one message, and the statements that write a group of them
rows           what messages and dispatches both add: leaves, records, events, what was learned
dispatches     the way out: commands once, one step after another, and what is due; held puts one together again
instructions   what people want done with dispatches, and pauses of partners
sessions       connections for what many threads share
gallring       what is sealed of a dispatch, destroyed
destruction    what the rules say is to be destroyed, found and destroyed; ripe says what holds it, erasing how a file
               does it, destroyed what has been, scrub that nothing lingers in the files
holds          what may not be destroyed, whatever its rule
outbox         committed events on their way to the broker
protections    what is known of protected identity, answered from memory
dead_letters   events that no consumer could take, until somebody judges them; triage says what may be done
lease          one of many processes does a thing
integrator     leaves into the tree, a signed checkpoint about every second
guard          a log that is absent, shorter or other than it was is not served
readings       who reads the log, written down first, in a log of its own; log says what both logs have in common
tracing        the trail held to the records, and made again; trails its rows; questions what is asked of it
published      the log as anybody may have it; export the same as files
cosignatures   what witnesses signed, and which checkpoint is shown; stamps the days; vouching both, for evidence
views          what operators and auditors ask, read only; dispatch_views the same of the way out
"""
