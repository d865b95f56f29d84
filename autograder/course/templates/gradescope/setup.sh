#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image.  An image that is too old ends it.
set -eu
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    python3 python3-numpy bubblewrap
python3 -c "import sys; sys.version_info < (3, 8) and sys.exit('Python 3.8 is needed'); import numpy"
