"""MiniFactory: the open software of a smart mini factory for biological drugs."""
