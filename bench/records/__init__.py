"""Rows and where they come from: schema, protocol, machine, commit, and the Parquet files that hold them."""
