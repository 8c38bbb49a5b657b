"""The measuring pipeline: protocol, cells, one process per cell, Parquet tables, statistics computed on read.

Protocol ─► Suite ─► cells ─► bench.measuring.worker (a fresh process each) ─► rows ─► results/local/*.parquet
                                                                                    │
                                        tables, figures, numbers ◄─ bench.statistics ◄─ bench.records.store.read_table
"""
