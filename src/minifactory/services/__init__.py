"""Services of a network of Orbits: they take orders for buffers and for analyses."""
