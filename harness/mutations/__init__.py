"""Known porting mistakes, made in the PyTorch reference, in its own process, until it computes what its port computes."""
