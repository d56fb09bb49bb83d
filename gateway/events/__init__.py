"""What it becomes: CloudEvents with labels, and the queues they may go to. Pure: no IO, no clock, no broker."""
