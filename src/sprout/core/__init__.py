"""What every step of sprout stands on: its settings as given, its store, its files, its life and its end."""
