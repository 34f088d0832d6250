"""The `temper` command, one module per subcommand."""
