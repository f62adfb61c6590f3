"""As much of setuptools' pkg_resources as aiosmtpd's own tests use."""

from importlib import resources


def resource_filename(package: str, name: str) -> str:
    """Give the path of a file that lies in a package."""
    return str(resources.files(package) / name)
