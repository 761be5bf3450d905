"""What `cabletag.train` is made of: recipe, data, linear models, and the tuning of the encoder."""
