"""How many images AvgScore needs."""
