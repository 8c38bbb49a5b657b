"""Text and looks: escaping, HTML tables, quantities, colours, formulas."""
