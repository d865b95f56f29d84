#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image.
set -eu
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    python3 python3-numpy bubblewrap
