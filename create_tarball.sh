#!/usr/bin/env bash
# Makes handin.tar, with mytorch/ and hw1/, for Autolab.  Works from any directory.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # started as "sh create_tarball.sh"
set -eu

[ $# -eq 0 ] || { echo "usage: ./create_tarball.sh (it takes no arguments)" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")"
rm -f handin.tar
# No caches, no hidden files, and none of the extra files that macOS would add.
COPYFILE_DISABLE=1 tar -cf handin.tar --exclude='__pycache__' --exclude='*.pyc' --exclude='.*' \
    mytorch hw1
echo "$PWD/handin.tar holds:"
tar -tf handin.tar | grep -v '/$' | sed 's/^/  /'
if [ ! -f hw1/validation_accuracy.png ]; then
    echo "warning: hw1/validation_accuracy.png is missing; ./grade.sh m makes it (it is graded by hand)" >&2
fi
