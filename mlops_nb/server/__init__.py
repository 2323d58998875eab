"""The server part of the JupyterLab panel: REST under ``/mlops-nb/v1/`` and events."""
