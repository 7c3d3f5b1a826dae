#!/usr/bin/env bash
# Figures of how the source is built: arrows and rings between modules, lines, functions, what is public.
#   tests/figures.sh           of this checkout
#   tests/figures.sh FOLDER    of another checkout of it, such as a worktree of an older commit
# Not part of the tests: what must hold is in tests/house/tests.
set -euo pipefail
folder=$(cd "${1:-"$(dirname "$0")/.."}" && pwd)
cd "$(dirname "$0")/.."
exec cargo run --quiet -p house --bin figures -- "$folder"
