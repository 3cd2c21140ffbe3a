"""All products give the core and its dependencies equal features, so cargo compiles them once."""

import subprocess

from support.tree import ROOT

PRODUCTS = ["linkspan-c", "linkspan-cli", "linkspan-gateway", "linkspan-php", "linkspan-python", "linkspan-recorder", "linkspan-schema-convert"]


def features(*packages: str) -> dict[str, set[str]]:
    """Returns features of the core and its dependencies, on this machine and in build scripts."""
    selected = [word for package in packages for word in ("-p", package)]
    tree = ["cargo", "tree", "--locked", "--offline", "-e", "normal,build", "--no-dedupe", "--prefix", "depth", "--format", "|{p}|{f}"]
    done = subprocess.run([*tree, *selected], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found, below = {}, None
    for line in filter(None, done.stdout.splitlines()):
        depth, package, enabled = line.split("|")
        package = " ".join(package.split()[:2])
        if below is not None and int(depth) <= below:
            below = None
        if below is None and package.startswith("linkspan v"):
            below = int(depth)
        if below is not None:
            found.setdefault(package, set()).add(enabled.removesuffix(" (*)").strip())
    return found


def test_each_product_builds_the_core_with_the_same_features():
    expected = features(*PRODUCTS)
    assert len(expected) > 30
    assert {product: features(product) for product in PRODUCTS} == dict.fromkeys(PRODUCTS, expected)
