"""Private RabbitMQ and PostgreSQL for development and tests: own ports, own folder, gone afterwards."""
