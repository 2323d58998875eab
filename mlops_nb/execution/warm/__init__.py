"""The far side of warm kernels: the zygote's process and the kernels it forks.

These modules run inside the notebooks' interpreter, where nothing of this package may be seen: they
import the standard library, IPython and ipykernel only, and are taken out of ``sys.modules`` again
before anything is preloaded.
"""
