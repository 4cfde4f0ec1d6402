"""A zoo of models: networks that differ in what they were shown, each asked how robust it is and what it looks at."""
