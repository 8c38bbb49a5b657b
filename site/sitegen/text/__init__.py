"""How things are written: escaping, HTML tables, quantities, colours, formulas."""
