"""Controls: maps and networks that know nothing, other normalisations, other protocols."""
