"""sitegen: measured results → figures, tables and numbers → a MkDocs site that loads nothing from elsewhere.

    results/*.parquet ─► frames ─► figures ─► render (SVG, PNG, JSON, CSV) ─┐
                           │                                                ├─► mkdocs build ─► _site/ ─► checks
                           └─► tables, numbers, samples ─► macros ──────────┘

Pages are Markdown written by people; everything measured enters them through the macros.
"""

from __future__ import annotations
