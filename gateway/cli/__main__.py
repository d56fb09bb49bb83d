"""`python -m gateway.cli`: the same as `gateway`, where the script is not on the path."""

from gateway.cli import main

main(prog_name="gateway")
