"""What every process stands on: errors and exit codes, signals, files, progress, starting processes."""
