"""Data of unknown form → what its columns are → the params.yaml to start from."""
