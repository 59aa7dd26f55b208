"""From separate batch steps to one sequence: read them, judge how they can be linked, build the recipe."""
