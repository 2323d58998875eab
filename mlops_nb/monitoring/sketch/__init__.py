"""The sketches inside a whylogs profile, read and written without whylogs.

Each module knows one public binary layout (Apache DataSketches' KLL, HyperLogLog and frequent
items; protobuf's wire format; the profile file around them) and the arithmetic on it, in NumPy.
Nothing here imports another package than NumPy, and no byte is trusted before it was checked.
"""
