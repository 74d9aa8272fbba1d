"""The commands of `sprout`, one file each."""
