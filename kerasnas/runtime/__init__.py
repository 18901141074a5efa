"""What every room needs of the process and the disk: atomic files, run folders, seeds, silence."""
