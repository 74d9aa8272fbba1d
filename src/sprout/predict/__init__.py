"""`sprout predict`: what a model says of images."""
