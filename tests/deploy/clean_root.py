#!/usr/bin/env python3
"""Makes the clean Debian root that other tests of this directory lay their overlays over.

    clean_root.py --to DIR
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from root_fs import enter_mount_namespace, make_clean_root  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=pathlib.Path, required=True)
    options = parser.parse_args()
    enter_mount_namespace()
    make_clean_root(options.to)
    print(f"a clean Debian 12 is at {options.to}")


if __name__ == "__main__":
    main()
