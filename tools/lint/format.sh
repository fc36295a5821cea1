#!/bin/bash
# clang-format's verdict on the files of a package.
formatter=$(command -v clang-format-14) || {
  echo "clang-format-14 is missing: install the Debian package clang-format-14" >&2
  exit 1
}
"$formatter" --style=file --dry-run -Werror "$@" || {
  echo "Mend it with: clang-format-14 -i FILES" >&2
  exit 1
}
