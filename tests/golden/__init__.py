"""Golden files, the toy model they were made with, and the scripts that made both."""
