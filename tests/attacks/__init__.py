"""Plays of models that obey each instruction they read: nothing secret leaves, and no forbidden effect happens."""
