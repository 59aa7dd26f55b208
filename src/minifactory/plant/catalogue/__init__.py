"""Facts about equipment, columns, resins and substances: data files with sources, and how to look them up."""
