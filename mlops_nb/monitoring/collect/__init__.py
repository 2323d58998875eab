"""Makes column profiles from data: vectorised, block by block, in bounded memory."""
