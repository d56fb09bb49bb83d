"""RabbitMQ through pika.

topology       what lies on the broker, and under which names
login          how a duty reaches the brokers
connection     one thread, one connection, rebuilt until it is stopped
outside        what stands on the outside of an event
frames         publishes as they go over the wire
publisher      events out: confirms with a window
order          one person's events one at a time
lending        what is in hand of some queues
consumer       events in, for one queue
dead_letters   what was given up
check          what differs between the broker and the definitions

The library's and the protocol's pitfalls, each with the guard against it and the test that holds it, are the table in
`tests/integration/test_rabbitmq_pitfalls.py`.
"""
