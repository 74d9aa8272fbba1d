"""Labelling by hand: which images to ask for, the page on which a person answers, and the file of the answers."""
