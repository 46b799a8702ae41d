"""Packages of the npm registry that tests check files with: schemas, kubectl, helm."""

import pathlib
import shutil
import subprocess

LIMIT_SECONDS = 180


def npm_packages(directory, *specs):
    """Installs `specs` below `directory`, once, without running any script of theirs. Answers the path of
    node_modules, or None, having said why, without npm or a registry."""
    directory = pathlib.Path(directory)
    if not directory.exists():
        if shutil.which("npm") is None:
            print("skipped in part: no npm")
            return None
        partial = directory.with_name(directory.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            done = subprocess.run(
                ["npm", "install", "--prefix", partial, "--ignore-scripts", "--legacy-peer-deps",
                 "--no-audit", "--no-fund", *specs], timeout=LIMIT_SECONDS, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            output = done.stdout if done.returncode != 0 else ""
        except subprocess.TimeoutExpired:
            output = f"not done within {LIMIT_SECONDS} s"
        if output:
            shutil.rmtree(partial, ignore_errors=True)
            print(f"skipped in part: npm has no {' '.join(specs)}: {output[-500:]}")
            return None
        partial.rename(directory)
    return directory / "node_modules"
