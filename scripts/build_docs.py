"""Build the documentation as one site in site/; with `--serve`, show it on this machine and follow changes."""

import argparse
import os
import sys

import environment

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="show the site on this machine and follow changes")
    serve = parser.parse_args().serve
    os.chdir(environment.ROOT)
    # pyproject.toml asks for MkDocs 1.
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    status = environment.run("mkdocs", ["serve"] if serve else ["build"], extra="docs")
    if not serve and not status:
        print(f"built {environment.ROOT / 'site' / 'index.html'}")
    sys.exit(status)
