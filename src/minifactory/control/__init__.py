"""Cycle-to-cycle control: what the next turn of a loop is to be, from what the turns before gave."""
