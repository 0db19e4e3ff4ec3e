"""Bad files, one fault each, and what the command line is to say of them."""
