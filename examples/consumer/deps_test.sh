#!/bin/bash
# deps_test.sh LABELS ALLOWED FORBIDDEN: of the labels in a file, those of @perennial match ALLOWED,
# and none matches FORBIDDEN.
set -euo pipefail
labels=$1 allowed=$2 forbidden=$3
if ! grep -q '^@perennial//' "$labels"; then
  echo "no label of @perennial in $labels: the query found nothing" >&2
  exit 1
fi
if grep '^@perennial//' "$labels" | grep -vE "$allowed" >&2; then
  echo "these labels are outside $allowed" >&2
  exit 1
fi
if grep -E "$forbidden" "$labels" >&2; then
  echo "these labels match $forbidden" >&2
  exit 1
fi
