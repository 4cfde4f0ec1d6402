"""One room a question: each measures, sums up, draws and judges."""
