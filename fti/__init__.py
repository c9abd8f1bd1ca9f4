"""What two or more use cases share: one login, model files, run records, published results."""

from fti.projects import login

__all__ = ["login"]
