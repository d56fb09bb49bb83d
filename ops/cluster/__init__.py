"""The example cluster: three RabbitMQ nodes, PostgreSQL with a replica: for real machines, and the same privately."""
