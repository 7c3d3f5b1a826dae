#!/bin/sh
# Fuzzes one target for some seconds, beginning with the seeds, the golden files and the shipped rules.
set -eu
cd "$(dirname "$0")"
target=${1:?a target: outline, parse, check, fmt or lsp}
seconds=${2:-600}
mkdir -p "corpus/$target"
case $target in
    lsp) seeds="seeds" ;;
    *) seeds="seeds ../../rules ../tests/golden/check ../tests/golden/parse ../tests/golden/format" ;;
esac
# shellcheck disable=SC2086
exec cargo +nightly fuzz run "$target" "corpus/$target" $seeds -- -max_total_time="$seconds" -timeout=10 -max_len=8192 -rss_limit_mb=2048
