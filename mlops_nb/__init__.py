"""mlops-nb: from notebook to production without leaving the notebook."""

__version__ = "0.1.0"
