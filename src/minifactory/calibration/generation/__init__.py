"""A complete case from one result file: equipment, recipe as executed, liquids, lines, open questions."""
