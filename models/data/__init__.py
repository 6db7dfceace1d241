"""Image data sets that the families train on: where they are, how they are read, how a batch is made of them."""
