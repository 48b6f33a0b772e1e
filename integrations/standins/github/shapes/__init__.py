"""GitHub's JSON shapes, made from records. Pure functions of a `View`; nothing here decides or writes."""
