"""What every room uses: names, choices, files, paths, seeds, progress."""
