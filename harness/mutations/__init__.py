"""Known porting mistakes, made in the PyTorch reference until it computes what its port computes; runs in the reference's process."""
