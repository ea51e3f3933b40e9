"""Build geventws. Its hot modules compile where they can; each stays plain Python too.

GEVENTWS_COMPILE=no    leave everything interpreted
GEVENTWS_COMPILE=auto  compile what can be, the default
GEVENTWS_COMPILE=yes   fail where something cannot be compiled
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
from setuptools.errors import BaseError

ROOT = Path(__file__).parent

# Each of these is a .py with its C types beside it in a .pxd.
COMPILED = [
    "geventws.clock",
    "geventws.core.mask",
    "geventws.core.deflate",
    "geventws.core.frame",
    "geventws.core.message",
    "geventws.core.protocol",
    "geventws.core.headers",
    "geventws.core.handshake",
    "geventws.sending",
    "geventws.connection",
    "geventws.attending",
    "geventws.callbacks",
    "geventws.websocket",
    "geventws.outgoing",
    "geventws.transport",
    "geventws.turns",
    "geventws.workers",
]

DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # the .pxd alone says what becomes a C type
    "boundscheck": False,
    "wraparound": False,
}

REQUIRED = ["gevent>=25.4.1", "greenlet>=3.1", "zope.event>=5.0", "zope.interface>=7.0"]

# What an installed geventws can use more of; the tools of a checkout are in requirements.txt.
EXTRAS = {
    "cherrypy": ["CherryPy>=18.10"],
    "django": ["Django>=4.2"],
    "flask": ["Flask>=3.0"],
    "gunicorn": ["gunicorn[gevent]>=23"],
    "locust": ["locust>=2.47"],
    "prometheus": ["prometheus_client>=0.20"],
    "redis": ["redis[hiredis]>=6.0"],
    "socketio": ["python-engineio>=4.9"],
    "socks": ["python-socks>=3.0"],
    "tornado": ["tornado>=6.4"],
    "truststore": ["truststore>=0.10"],
    "wsaccel": ["wsaccel>=0.6.6"],
}
EXTRAS["all"] = sorted({package for packages in EXTRAS.values() for package in packages})


def version() -> str:
    """Return what geventws/version.py says, without importing the package."""
    text = (ROOT / "geventws" / "version.py").read_text()
    found = re.search(r'^__version__.* = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("geventws/version.py says no version")
    return found[1]


def packages() -> list[str]:
    """Return every package, the doors under the name that users import them by."""
    # an sdist and some checkouts have no link geventws/adapters, so the doors are looked for twice
    doors = [f"geventws.adapters.{name}" for name in find_packages("adapters")]
    found = find_packages(include=["geventws", "geventws.*"])
    return sorted({*found, "geventws.adapters", *doors})


def compiled_modules(wish: str) -> dict[str, Any]:
    """Return what setup() needs to compile, or nothing where it cannot or may not be."""
    if wish not in ("no", "auto", "yes"):
        raise SystemExit(f"GEVENTWS_COMPILE is {wish!r}, but may only be no, auto or yes")
    if wish == "no" or (wish == "auto" and platform.python_implementation() != "CPython"):
        return {}
    try:
        from Cython.Build import build_ext
        from Cython.Distutils.extension import Extension
    except ImportError:
        if wish == "yes":
            raise
        return {}
    modules = [
        Extension(  # type: ignore[no-untyped-call]
            name,
            [name.replace(".", "/") + ".py"],
            cython_directives=DIRECTIVES,
        )
        for name in COMPILED
    ]
    command = build_ext if wish == "yes" else whole_or_none(build_ext)
    return {"ext_modules": modules, "cmdclass": {"build_ext": command}}


def whole_or_none(build_ext: Any) -> Any:
    """Return *build_ext* as it leaves everything interpreted where one module does not compile.

    They know each other's C types, so that one without the others would not even import.
    """
    from Cython.Compiler.Errors import CompileError

    class WholeOrNone(build_ext):  # type: ignore[misc]
        def run(self) -> None:
            try:
                super().run()
            except (BaseError, CompileError) as error:
                self.warn(f"all is left interpreted: {error}")
                for path in self.get_outputs():
                    Path(path).unlink(missing_ok=True)
                self.extensions: list[Any] = []

    return WholeOrNone


if __name__ == "__main__":  # the tests import what is above
    setup(
        name="geventws",
        version=version(),
        description="WebSockets for gevent: client and server, strict, fast and safe by default",
        long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
        long_description_content_type="text/markdown",
        author="the geventws authors",
        license_expression="MIT",
        license_files=["LICENSE"],
        keywords=["websocket", "gevent", "greenlet", "wsgi", "rfc6455", "permessage-deflate"],
        classifiers=[
            "Development Status :: 4 - Beta",
            "Environment :: Web Environment",
            "Intended Audience :: Developers",
            "Operating System :: POSIX",
            "Programming Language :: Python :: 3 :: Only",
            "Programming Language :: Python :: 3.11",
            "Programming Language :: Python :: 3.12",
            "Programming Language :: Python :: 3.13",
            "Programming Language :: Python :: Implementation :: CPython",
            "Topic :: Internet :: WWW/HTTP",
            "Typing :: Typed",
        ],
        packages=packages(),
        package_dir={
            "geventws.adapters": "adapters"
        },  # beside the package here, in it once installed
        package_data={
            "geventws": ["py.typed", "*.pxd"],
            "geventws.core": ["*.pxd"],
            "geventws.dashboard": ["*.html", "*.css", "*.js"],
            "geventws.demo": ["*.html", "*.css", "*.js"],
        },
        python_requires=">=3.11",
        install_requires=REQUIRED,
        extras_require=EXTRAS,
        entry_points={
            "console_scripts": ["geventws = geventws.cli:main"],
            "pytest11": ["geventws.pytest_plugin = geventws.pytest_plugin"],
        },
        zip_safe=False,
        **compiled_modules(os.environ.get("GEVENTWS_COMPILE", "auto")),
    )
